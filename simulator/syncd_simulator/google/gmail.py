"""Gmail API v1: profile, messages, attachments, history, labels (google.md §7)."""

import re
from email.utils import parsedate_to_datetime
from typing import Any

from syncd_simulator.google.mailbox import FIXED, SYSTEM_LABELS, Mail, Mailbox
from syncd_simulator.google.mime import b64url, find_part, from_b64url, headers_of, payload, subject_of
from syncd_simulator.google.tokens import BadToken, digest, seal, unseal
from syncd_simulator.google.upload import read_upload
from syncd_simulator.google.wire import JSON, ApiError, Call, Handler, Route, scopes
from syncd_simulator.google.world import GoogleWorld

ALL = scopes("https://mail.google.com/")
MODIFY = ALL | scopes("gmail.modify")
CONTENT = MODIFY | scopes("gmail.readonly")
READ = CONTENT | scopes("gmail.metadata")
INSERT = MODIFY | scopes("gmail.insert")
LABEL_READ = READ | scopes("gmail.labels")
LABEL_WRITE = MODIFY | scopes("gmail.labels")
METADATA = next(iter(scopes("gmail.metadata")))
HISTORY_TYPES = {
    "messageAdded": "messagesAdded", "messageDeleted": "messagesDeleted",
    "labelAdded": "labelsAdded", "labelRemoved": "labelsRemoved",
}  # fmt: skip
HEX = re.compile(r"[0-9a-fA-F]{1,16}")
ATTACHMENT = "ANGjdJ"


def _invalid(message: str) -> ApiError:
    return ApiError(400, "invalidArgument", message, status="INVALID_ARGUMENT")


def _not_found() -> ApiError:
    return ApiError(404, "notFound", "Requested entity was not found.", status="NOT_FOUND")


def _box(call: Call) -> Mailbox:
    """The caller's mailbox: `me` or the own address, with the mail service on (§7.3)."""
    who = call.args["userId"].lower()
    if who != "me" and who not in (call.user.address.lower(), *call.user.aliases):
        raise ApiError(403, "forbidden", f"Delegation denied for {call.user.address}", status="PERMISSION_DENIED")
    if not call.user.mailbox_setup:
        robot = call.token is not None and call.token.is_robot
        message = "Precondition check failed." if robot else "Mail service not enabled"
        raise ApiError(400, "failedPrecondition", message, status="FAILED_PRECONDITION")
    return call.user.mailbox


def _mail(box: Mailbox, text: str) -> Mail:
    """Ids are hex, any case, below 2^63."""
    if not HEX.fullmatch(text) or int(text, 16) >= 2**63:
        raise _invalid("Invalid id value")
    mail = box.mails.get(format(int(text, 16), "x"))
    if mail is None:
        raise _not_found()
    return mail


def _is_metadata_only(call: Call) -> bool:
    """§2.3: the metadata scope restricts even next to a wider one."""
    return call.token is not None and METADATA in call.token.scopes


def profile(world: GoogleWorld, call: Call) -> JSON:
    """`GET profile`."""
    box = _box(call)
    return {
        "emailAddress": call.user.address,
        "messagesTotal": len(box.mails),
        "threadsTotal": box.threads_total,
        "historyId": str(box.seen_at(world.now(), world.delay.get("gmail", 0.0))),
    }


# -- messages -------------------------------------------------------------------------------------------------------


def messages_list(world: GoogleWorld, call: Call) -> JSON:
    """`GET messages`: newest first, without spam and trash unless asked."""
    box = _box(call)
    query = call.get("q")
    if query and _is_metadata_only(call):
        message = "Metadata scope does not support 'q' parameter"
        raise ApiError(403, "forbidden", message, status="PERMISSION_DENIED")
    size = world.capped("gmail", call.integer("maxResults", 100, 500))
    wanted = set(call.many("labelIds"))
    hidden = call.flag("includeSpamTrash") or not wanted.isdisjoint(("SPAM", "TRASH"))
    matches = _query_test(query)
    same = digest(sorted(wanted), query, call.flag("includeSpamTrash"))
    found: list[JSON] = []
    last = _list_place(call, same)
    answer: JSON = {}
    for place, mail in box.newest_first(last):
        if (hidden or not mail.is_hidden) and wanted.issubset(mail.labels) and matches(mail):
            if len(found) == size:
                answer["nextPageToken"] = seal("messages", same, last)
                break
            found.append({"id": mail.id, "threadId": mail.thread})
        last = place
    if found:
        answer["messages"] = found
    answer["resultSizeEstimate"] = 201 if "nextPageToken" in answer else len(found)
    return answer


def _list_place(call: Call, same: str) -> tuple[int, str] | None:
    text = call.get("pageToken")
    if not text:
        return None
    try:
        digested, place = unseal("messages", text)
    except BadToken:
        raise _invalid("Invalid pageToken") from None
    if digested != same:
        raise _invalid("Invalid pageToken")
    return (place[0], place[1]) if place else None


def _query_test(query: str | None) -> Any:
    """A little of the search language: `in:`, `is:`, `label:`, `subject:`, `rfc822msgid:`, `after:`, `before:`, words."""
    tests = [_term_test(word) for word in (query or "").split()]
    return lambda mail: all(test(mail) for test in tests)


def _term_test(word: str) -> Any:
    name, mark, value = word.partition(":")
    if not mark:
        return lambda mail: word.lower() in mail.raw.decode("utf-8", "replace").lower()
    if name in ("in", "is", "label"):
        return lambda mail: value.upper() in mail.labels or value in mail.labels
    if name == "subject":
        return lambda mail: value.lower() in subject_of(mail.raw).lower()
    if name == "rfc822msgid":
        return lambda mail: f"Message-ID: <{value.strip('<>')}>".encode() in mail.raw
    if name in ("after", "before") and value.isdigit():
        limit = int(value) * 1000
        return (lambda mail: mail.date >= limit) if name == "after" else (lambda mail: mail.date < limit)
    return lambda mail: False


def messages_get(world: GoogleWorld, call: Call) -> JSON:
    """`GET messages/{id}` in one of four formats."""
    box = _box(call)
    form = (call.get("format") or "full").lower()
    if form not in ("full", "minimal", "raw", "metadata"):
        raise _invalid(f"Invalid value at 'format' (TYPE_ENUM), \"{call.get('format')}\"")
    if form in ("full", "raw") and _is_metadata_only(call):
        message = f"Metadata scope doesn't allow format {form.upper()}"
        raise ApiError(403, "forbidden", message, status="PERMISSION_DENIED")
    mail = _mail(box, call.args["id"])
    if form in ("full", "raw"):
        world.mail_counter[call.user.id, mail.id, form] += 1
    return message_json(world, mail, form, call.many("metadataHeaders"))


def message_json(world: GoogleWorld, mail: Mail, form: str, header_names: list[str] | None = None) -> JSON:
    """The message resource."""
    value = mail.stub() | {
        "snippet": mail.snippet,
        "sizeEstimate": len(mail.raw),
        "historyId": str(mail.history),
        "internalDate": str(mail.date),
    }
    if form == "raw":
        value["raw"] = b64url(mail.raw)
    elif form == "full":
        value["payload"] = payload(mail.raw, lambda part: _attachment_id(world, mail, part))
    elif form == "metadata":
        wanted = {name.lower() for name in header_names or ()}
        headers = [item for item in headers_of(mail.raw) if not wanted or item["name"].lower() in wanted]
        value["payload"] = {"mimeType": _content_type(mail.raw)} | ({"headers": headers} if headers else {})
    return value


def _content_type(raw: bytes) -> str:
    for item in headers_of(raw):
        if item["name"].lower() == "content-type":
            return str(item["value"].partition(";")[0])
    return "text/plain"


def _attachment_id(world: GoogleWorld, mail: Mail, part: str) -> str:
    """Different on each get: attachment ids are not stable (§7.1)."""
    return ATTACHMENT + seal("attachment", mail.id, part, world.requests.total)


def attachments_get(world: GoogleWorld, call: Call) -> JSON:
    """`GET messages/{id}/attachments/{aid}`."""
    mail = _mail(_box(call), call.args["messageId"])
    try:
        mail_id, part, _ = unseal("attachment", call.args["id"].removeprefix(ATTACHMENT))
    except BadToken:
        raise _invalid("Invalid attachment token") from None
    data = find_part(mail.raw, part) if mail_id == mail.id else None
    if data is None:
        raise _invalid("Invalid attachment token")
    world.mail_counter[call.user.id, mail.id, "attachment"] += 1
    return {"size": len(data), "data": b64url(data)}


def _labels_of(body: JSON, box: Mailbox) -> tuple[list[str], list[str]]:
    """Labels to add and to remove; unknown and fixed ones are refused."""
    add, remove = body.get("addLabelIds", []), body.get("removeLabelIds", [])
    if len(add) > 100 or len(remove) > 100:
        raise _invalid("Too many labels")
    known = box.all_labels()
    for label in [*add, *remove]:
        if label not in known or label in FIXED:
            raise _invalid(f"Invalid label: {label}")
    return add, remove


def messages_modify(world: GoogleWorld, call: Call) -> JSON:
    """`POST messages/{id}/modify`."""
    box = _box(call)
    mail = _mail(box, call.args["id"])
    add, remove = _labels_of(call.json(), box)
    box.relabel(mail, add, remove, world.now())
    return mail.stub()


def messages_trash(world: GoogleWorld, call: Call) -> JSON:
    """`POST messages/{id}/trash`."""
    box = _box(call)
    mail = _mail(box, call.args["id"])
    box.trash(mail, world.now())
    return mail.stub()


def messages_untrash(world: GoogleWorld, call: Call) -> JSON:
    """`POST messages/{id}/untrash`."""
    box = _box(call)
    mail = _mail(box, call.args["id"])
    box.untrash(mail, world.now())
    return mail.stub()


def messages_delete(world: GoogleWorld, call: Call) -> None:
    """`DELETE messages/{id}`: for good."""
    box = _box(call)
    box.delete(_mail(box, call.args["id"]), world.now())


def _many_ids(call: Call) -> list[str]:
    ids = call.json().get("ids", [])
    if not 1 <= len(ids) <= 1000:
        raise _invalid("Invalid ids count: between 1 and 1000 are allowed")
    return list(ids)


def batch_modify(world: GoogleWorld, call: Call) -> None:
    """`POST messages/batchModify`: unknown ids are passed over."""
    box = _box(call)
    add, remove = _labels_of(call.json(), box)
    for mail_id in _many_ids(call):
        if mail := box.mails.get(mail_id):
            box.relabel(mail, add, remove, world.now())


def batch_delete(world: GoogleWorld, call: Call) -> None:
    """`POST messages/batchDelete`: no promise that the messages were there."""
    box = _box(call)
    for mail_id in _many_ids(call):
        if mail := box.mails.get(mail_id):
            box.delete(mail, world.now())


def messages_insert(world: GoogleWorld, call: Call) -> JSON:
    """`POST messages` (received now) and `POST messages/import` (dated by its header)."""
    box = _box(call)
    upload = read_upload(call)
    raw = upload.content if upload.content is not None else from_b64url(upload.meta.get("raw", ""))
    if not raw:
        raise _invalid("'raw' RFC822 payload message string or uploading message via /upload/* URL required")
    default = "dateHeader" if call.method.endswith("import") else "receivedTime"
    date = _date_of(raw) if (call.get("internalDateSource") or default) == "dateHeader" else None
    labels = upload.meta.get("labelIds", [])
    for label in labels:
        if label not in box.all_labels():
            raise _invalid(f"Invalid label: {label}")
    mail_id = format(world.rng.getrandbits(62) | 1 << 61, "x")
    thread = upload.meta.get("threadId", "")
    mail = box.add(mail_id, raw, labels, world.now() if date is None else date, world.now(), thread)
    return mail.stub()


def _date_of(raw: bytes) -> float | None:
    for item in headers_of(raw):
        if item["name"].lower() == "date":
            return parsedate_to_datetime(item["value"]).timestamp()
    return None


# -- history --------------------------------------------------------------------------------------------------------


def history_list(world: GoogleWorld, call: Call) -> JSON:
    """`GET history`: records after startHistoryId; 404 when that is too old."""
    box = _box(call)
    start = _history_start(call)
    now = world.now()
    if box.lapsed(start, now - world.gmail_history_life):
        raise _not_found()
    until = box.seen_at(now, world.delay.get("gmail", 0.0))
    size = world.capped("gmail", call.integer("maxResults", 100, 500))
    last = _history_place(call, start)
    types, label = _history_types(call), call.get("labelId")
    records: list[JSON] = []
    answer: JSON = {"historyId": str(until)}
    for number, record in box.history_after(last, until):
        shown = _filtered(record, types, label)
        if shown is not None:
            if len(records) == size:
                answer["nextPageToken"] = seal("history", start, last)
                break
            records.append(shown)
        last = number
    if records:
        answer["history"] = records
    return answer


def _history_start(call: Call) -> int:
    text = call.get("startHistoryId")
    if text is None:
        raise _invalid("Missing/invalid parameter: startHistoryId")
    if not text.isdigit():
        raise _invalid(f"Invalid value at 'start_history_id' (TYPE_UINT64), \"{text}\"")
    return int(text)


def _history_place(call: Call, start: int) -> int:
    text = call.get("pageToken")
    if not text:
        return start
    try:
        begun, last = unseal("history", text)
    except BadToken:
        raise _invalid("Invalid pageToken") from None
    if begun != start:
        raise _invalid("Invalid pageToken")
    return int(last)


def _history_types(call: Call) -> set[str] | None:
    names = call.many("historyTypes")
    for name in names:
        if name not in HISTORY_TYPES:
            raise _invalid(f"Invalid value at 'history_types' (TYPE_ENUM), \"{name}\"")
    return {HISTORY_TYPES[name] for name in names} or None


def _filtered(record: JSON, types: set[str] | None, label: str | None) -> JSON | None:
    """The record as far as the filters let it through."""
    if types is None and label is None:
        return record
    kept = {}
    for name in HISTORY_TYPES.values():
        if name in record and (types is None or name in types):
            items = [item for item in record[name] if label is None or _has_label(item, label)]
            if items:
                kept[name] = items
    return {"id": record["id"], "messages": record["messages"]} | kept if kept else None


def _has_label(item: JSON, label: str) -> bool:
    return label in item["message"].get("labelIds", ()) or label in item.get("labelIds", ())


# -- labels ---------------------------------------------------------------------------------------------------------


def label_json(box: Mailbox, label: str) -> JSON:
    """A label without counts, as lists show it."""
    if label in box.labels:
        shown = {"messageListVisibility": "show", "labelListVisibility": "labelShow"}
        return {"id": label, "name": box.labels[label], "type": "user"} | shown
    return {"id": label, "name": label, "type": "system"}


def labels_list(world: GoogleWorld, call: Call) -> JSON:
    """`GET labels`."""
    box = _box(call)
    return {"labels": [label_json(box, label) for label in box.all_labels()]}


def labels_get(world: GoogleWorld, call: Call) -> JSON:
    """`GET labels/{id}`, with counts."""
    box = _box(call)
    label = _known_label(box, call)
    mails = [mail for mail in box.mails.values() if label in mail.labels]
    unread = [mail for mail in mails if "UNREAD" in mail.labels]
    return label_json(box, label) | {
        "messagesTotal": len(mails),
        "messagesUnread": len(unread),
        "threadsTotal": len({mail.thread for mail in mails}),
        "threadsUnread": len({mail.thread for mail in unread}),
    }


def _known_label(box: Mailbox, call: Call) -> str:
    label = call.args["id"]
    if label not in box.all_labels():
        raise _not_found()
    return label


def _label_name(box: Mailbox, call: Call) -> str:
    name = call.json().get("name", "")
    if not name or name.upper() in SYSTEM_LABELS:
        raise _invalid("Invalid label name")
    if name in box.labels.values():
        raise ApiError(409, "aborted", "Label name exists or conflicts", status="ABORTED")
    return str(name)


def labels_create(world: GoogleWorld, call: Call) -> JSON:
    """`POST labels`."""
    box = _box(call)
    return label_json(box, box.add_label(_label_name(box, call)))


def labels_update(world: GoogleWorld, call: Call) -> JSON:
    """`PUT` or `PATCH labels/{id}`: rename."""
    box = _box(call)
    label = _known_label(box, call)
    if label not in box.labels:
        raise _invalid("Invalid update request")
    box.labels[label] = _label_name(box, call)
    return label_json(box, label)


def labels_delete(world: GoogleWorld, call: Call) -> None:
    """`DELETE labels/{id}`."""
    box = _box(call)
    label = _known_label(box, call)
    if label not in box.labels:
        raise _invalid("Invalid delete request")
    box.delete_label(label, world.now())


def _r(http: str, path: str, method: str, handler: Handler, opens: frozenset[str], units: int) -> Route:
    return Route(http, "/gmail/v1/users/{userId}/" + path, "gmail.users." + method, handler, opens, units)


_UPLOADS = [
    Route("POST", "/upload/gmail/v1/users/{userId}/messages", "gmail.users.messages.insert", messages_insert, INSERT, 25),
    Route(
        "POST", "/upload/gmail/v1/users/{userId}/messages/import", "gmail.users.messages.import",
        messages_insert, INSERT, 25,
    ),
]  # fmt: skip
ROUTES = [
    *_UPLOADS,
    _r("GET", "profile", "getProfile", profile, READ, 1),
    _r("GET", "messages", "messages.list", messages_list, READ, 5),
    _r("POST", "messages", "messages.insert", messages_insert, INSERT, 25),
    _r("POST", "messages/import", "messages.import", messages_insert, INSERT, 25),
    _r("POST", "messages/batchModify", "messages.batchModify", batch_modify, MODIFY, 50),
    _r("POST", "messages/batchDelete", "messages.batchDelete", batch_delete, ALL, 50),
    _r("GET", "messages/{id}", "messages.get", messages_get, READ, 20),
    _r("DELETE", "messages/{id}", "messages.delete", messages_delete, ALL, 10),
    _r("POST", "messages/{id}/modify", "messages.modify", messages_modify, MODIFY, 5),
    _r("POST", "messages/{id}/trash", "messages.trash", messages_trash, MODIFY, 20),
    _r("POST", "messages/{id}/untrash", "messages.untrash", messages_untrash, MODIFY, 5),
    _r("GET", "messages/{messageId}/attachments/{id}", "messages.attachments.get", attachments_get, CONTENT, 20),
    _r("GET", "history", "history.list", history_list, READ, 2),
    _r("GET", "labels", "labels.list", labels_list, LABEL_READ, 1),
    _r("POST", "labels", "labels.create", labels_create, LABEL_WRITE, 5),
    _r("GET", "labels/{id}", "labels.get", labels_get, LABEL_READ, 1),
    _r("PUT", "labels/{id}", "labels.update", labels_update, LABEL_WRITE, 5),
    _r("PATCH", "labels/{id}", "labels.patch", labels_update, LABEL_WRITE, 5),
    _r("DELETE", "labels/{id}", "labels.delete", labels_delete, LABEL_WRITE, 5),
]
