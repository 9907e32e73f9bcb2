"""Zoho Mail: folders, listings, search, messages (zoho.md §4). Accounts and organisation users: mailadmin.py.

Public: ROUTES, gate.
"""

import html as markup
import re
from collections.abc import Callable
from email.message import Message
from typing import Any

from syncd_simulator.zoho import mailadmin
from syncd_simulator.zoho.mailbox import Folder, Mail, Mailbox, boxes
from syncd_simulator.zoho.mailsearch import HIDDEN, BadSearch, matcher
from syncd_simulator.zoho.mailview import FLAGS, body_text, folder_row, listing_row, rounded, search_row
from syncd_simulator.zoho.wire import JSON, ApiError, Call, Reply, Route
from syncd_simulator.zoho.world import ZohoWorld

__all__ = ["ROUTES", "gate"]

CALLS_PER_MINUTE = 30  # §4.7
MOST_ROWS = 200
NEW_MAILS = 120_000  # §4.5: two minutes
LISTING = {
    "folderId", "start", "limit", "status", "sortBy", "sortorder", "includeto", "includesent", "includearchive",
    "attachedMails", "inlinedMails", "flaggedMails", "respondedMails", "threadedMails", "flagid", "labelid",
    "threadId", "fields",
}  # fmt: skip
SEARCH = {"searchKey", "receivedTime", "start", "limit", "includeto"}


def gate(world: ZohoWorld, call: Call) -> Reply | None:
    """§4.7: 30 calls a minute for one account; then a block whose length Zoho does not tell."""
    who = call.user.id
    wait = world.limits.blocked("mail", who) or world.limits.take("mail", who, CALLS_PER_MINUTE, 60)
    if not wait:
        return None
    if not world.limits.blocked("mail", who):
        world.limits.block("mail", who, world.mail_block)
    return mailadmin.refusal(ApiError(world.mail_throttle_status, "TOO_MANY_REQUESTS", "Too many requests"))


# -- finding ----------------------------------------------------------------------------------------------------------


def mailbox(world: ZohoWorld, call: Call) -> Mailbox:
    """The mailbox of the path's account, if the token may read it (§4.1)."""
    account = call.args["account"]
    if not account.isdecimal():
        raise ApiError(404, "URL_RULE_NOT_CONFIGURED")
    owner = next((user for user in world.users.values() if user.account_id == account), None)
    if owner is None:
        raise ApiError(404, "INVALID_ACCOUNT", f"Account id {account} is invalid")
    if owner is not call.user and not (world.admin_reads_mail and call.user.is_admin):
        raise ApiError(403, "ACCESS_DENIED", "You do not have access to this account")
    return boxes(world).of(owner)


def _root(call: Call) -> str:
    return f"{call.base_url}/api/accounts/{call.args['account']}"


def _numeric(*texts: str) -> None:
    if not all(text.isdecimal() for text in texts):
        raise ApiError(404, "URL_RULE_NOT_CONFIGURED")


def _in_folder(world: ZohoWorld, call: Call) -> Mail:
    box = mailbox(world, call)
    _numeric(call.args["folder"], call.args["message"])
    mail = box.mails.get(call.args["message"])
    if mail is None or mail.folder != call.args["folder"]:
        raise ApiError(404, "RESOURCE_NOT_FOUND", "No such message in this folder")
    return mail


def _integer(call: Call, name: str, default: int) -> int:
    text = call.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"-?\d+", text):
        raise ApiError(400, "PATTERN_NOT_MATCHED", f"{name} is not a number")
    return int(text)


def _page(call: Call, rows: list[Mail]) -> list[Mail]:
    """§4.4: `start` is 1-based, `limit` 10 by default and 200 at most. Never capped: a short page is the end."""
    start = max(1, _integer(call, "start", 1))
    limit = min(MOST_ROWS, max(1, _integer(call, "limit", 10)))
    return rows[start - 1 : start - 1 + limit]


# -- reading ----------------------------------------------------------------------------------------------------------


def folders(world: ZohoWorld, call: Call) -> Reply:
    """`GET /accounts/{account}/folders`."""
    if call.args["account"] in boxes(world).external.get(call.user.id, ()):
        return mailadmin.success(world, [])
    box = mailbox(world, call)
    return mailadmin.success(world, [folder_row(folder, _root(call)) for folder in box.folders.values()])


def folder(world: ZohoWorld, call: Call) -> Reply:
    """`GET /accounts/{account}/folders/{folder}`."""
    found = _folder(mailbox(world, call), call.args["folder"])
    return mailadmin.success(world, folder_row(found, _root(call)))


def _folder(box: Mailbox, folder_id: str) -> Folder:
    _numeric(folder_id)
    if folder_id not in box.folders:
        raise ApiError(404, "RESOURCE_NOT_FOUND", "No such folder")
    return box.folders[folder_id]


def messages_view(world: ZohoWorld, call: Call) -> Reply:
    """`GET /accounts/{account}/messages/view`: by position in a mailbox that changes meanwhile (§4.4)."""
    box = mailbox(world, call)
    if extra := set(call.query) - LISTING:
        raise ApiError(400, "EXTRA_PARAM_FOUND", f"Extra parameter found: {min(extra)}")
    chosen = [_folder(box, call.get("folderId") or box.system("Inbox").id).id]
    if call.flag("includesent"):
        chosen.append(box.system("Sent").id)
    rows, tests = box.newest_first(chosen), _filters(call)
    if tests:
        rows = [mail for mail in rows if all(test(mail) for test in tests)]
    rows = _sorted(call, rows)
    shown = [_projected(call, listing_row(mail)) for mail in _page(call, rows)]
    return mailadmin.success(world, shown)


def _filters(call: Call) -> list[Callable[[Mail], bool]]:
    """What the parameters of this listing leave in."""
    tests: list[Callable[[Mail], bool]] = []
    status, flag, thread, label = (call.get(name) for name in ("status", "flagid", "threadId", "labelid"))
    if status in ("read", "unread"):
        tests.append(lambda mail: mail.read is (status == "read"))
    elif status not in (None, "all"):
        raise ApiError(400, "PATTERN_NOT_MATCHED", "status is none of read, unread, all")
    if flag is not None:
        tests.append(lambda mail: flag in (str(mail.flag), FLAGS[mail.flag]))
    if thread is not None:
        tests.append(lambda mail: mail.thread == thread)
    if label is not None:
        tests.append(lambda mail: label in mail.labels)
    return tests + [test for name, test in SWITCHES.items() if call.flag(name)]


SWITCHES: dict[str, Callable[[Mail], bool]] = {
    "attachedMails": lambda mail: mail.attached,
    "inlinedMails": lambda mail: mail.inline,
    "flaggedMails": lambda mail: mail.flag > 0,
    "threadedMails": lambda mail: bool(mail.thread),
}


def _sorted(call: Call, rows: list[Mail]) -> list[Mail]:
    """`rows` come newest first; `sortorder=true` turns the order round."""
    by = call.get("sortBy") or "date"
    if by == "messageId":
        rows = sorted(rows, key=lambda mail: int(mail.id), reverse=True)
    elif by == "size":
        rows = sorted(rows, key=lambda mail: len(mail.raw), reverse=True)
    elif by != "date":
        raise ApiError(400, "PATTERN_NOT_MATCHED", "sortBy is none of date, messageId, size")
    return rows[::-1] if call.flag("sortorder") else rows


def _projected(call: Call, row: JSON) -> JSON:
    wanted = call.get("fields")
    if wanted is None:
        return row
    names = {"messageId", *(name.strip() for name in wanted.split(","))}
    return {name: value for name, value in row.items() if name in names}


def messages_search(world: ZohoWorld, call: Call) -> Reply:
    """`GET /accounts/{account}/messages/search` (§4.5): rows of another shape, without spam and trash."""
    box = mailbox(world, call)
    if extra := set(call.query) - SEARCH:
        raise ApiError(400, "EXTRA_PARAM_FOUND", f"Extra parameter found: {min(extra)}")
    text = call.get("searchKey")
    if text is None:
        raise ApiError(400, "LESS_THAN_MIN_OCCURANCE", "searchKey is mandatory")
    rows = box.newest_first(box.folders)
    if text == "newMails":
        after = _integer(call, "receivedTime", world.millis() - NEW_MAILS)
        hidden = {box.system(kind).id for kind in HIDDEN}
        found = [mail for mail in rows if mail.received > after and mail.folder not in hidden]
    else:
        try:
            test = matcher(box, text)
        except BadSearch as error:
            raise ApiError(400, "PATTERN_NOT_MATCHED", f"searchKey: {error}") from None
        found = [mail for mail in rows if test(mail)]
    return mailadmin.success(world, [search_row(mail, _root(call)) for mail in _page(call, found)])


def details(world: ZohoWorld, call: Call) -> Reply:
    """`…/folders/{folder}/messages/{message}/details`: as in the listing."""
    return mailadmin.success(world, listing_row(_in_folder(world, call)))


def content(world: ZohoWorld, call: Call) -> Reply:
    """`…/folders/{folder}/messages/{message}/content`: the folder segment is required (§4.6)."""
    mail = _in_folder(world, call)
    world.mail_counter[call.user.id, mail.id, "content"] += 1
    return mailadmin.success(world, {"messageId": rounded(mail.id), "content": _html(mail)})


def _html(mail: Mail) -> str:
    for part in mail.parts():
        if part.get_content_type() == "text/html":
            return _bytes(part).decode("utf-8", "replace")
    return f"<div>{markup.escape(body_text(mail))}</div>"


def header(world: ZohoWorld, call: Call) -> Reply:
    """`…/folders/{folder}/messages/{message}/header`."""
    mail = _in_folder(world, call)
    return mailadmin.success(world, {"headerContent": mail.text.partition("\r\n\r\n")[0]})


def originalmessage(world: ZohoWorld, call: Call) -> Reply:
    """`/accounts/{account}/messages/{message}/originalmessage`: no folder segment; MIME inside JSON (§4.6)."""
    box = mailbox(world, call)
    _numeric(call.args["message"])
    mail = box.mails.get(call.args["message"])
    if mail is None:
        raise ApiError(404, "RESOURCE_NOT_FOUND", "No such message")
    world.mail_counter[call.user.id, mail.id, "originalmessage"] += 1
    return mailadmin.success(world, {"messageId": rounded(mail.id), "content": mail.text})


# -- attachments ------------------------------------------------------------------------------------------------------


def _attachments(mail: Mail) -> list[tuple[str, Message]]:
    """(attachment id, part) of every part that has a file name."""
    named = [part for part in mail.parts() if part.get_filename()]
    return [(str(int(mail.id) // 10 + 2 * number + 1), part) for number, part in enumerate(named)]


def _bytes(part: Message) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def attachmentinfo(world: ZohoWorld, call: Call) -> Reply:
    """`…/attachmentinfo?includeInline=`."""
    mail = _in_folder(world, call)
    found: dict[bool, list[JSON]] = {True: [], False: []}
    for key, part in _attachments(mail):
        row = {
            "attachmentId": key, "attachmentName": part.get_filename(), "attachmentSize": len(_bytes(part)),
        }  # fmt: skip
        found[part.get_content_disposition() == "inline"].append(row)
    data: JSON = {"attachments": found[False], "messageId": rounded(mail.id)}
    if call.flag("includeInline"):
        data["inline"] = found[True]
    return mailadmin.success(world, data)


def attachment(world: ZohoWorld, call: Call) -> Reply:
    """`…/attachments/{attachment}`: raw octets."""
    for key, part in _attachments(_in_folder(world, call)):
        if key == call.args["attachment"]:
            return Reply(200, _bytes(part), {"Content-Type": "application/octet-stream"})
    raise ApiError(404, "RESOURCE_NOT_FOUND", "No such attachment")


def delete(world: ZohoWorld, call: Call) -> Reply:
    """`DELETE …/folders/{folder}/messages/{message}?expunge=`: to the trash, or for good."""
    mail, box = _in_folder(world, call), mailbox(world, call)
    if call.flag("expunge"):
        box.purge(mail)
    else:
        box.move(mail, box.system("Trash"))
    return mailadmin.success(world, {})


def _route(http: str, path: str, handler: Any, *scopes: str) -> Route:
    return Route(http, f"/api/accounts/{{account}}{path}", handler, "mail", scopes)


READ = "ZohoMail.messages.READ"
MESSAGE = "/folders/{folder}/messages/{message}"
ROUTES = [
    *mailadmin.ROUTES,
    _route("GET", "/folders", folders, "ZohoMail.folders.READ"),
    _route("GET", "/folders/{folder}", folder, "ZohoMail.folders.READ"),
    _route("GET", "/messages/view", messages_view, READ),
    _route("GET", "/messages/search", messages_search, READ),
    _route("GET", "/messages/{message}/originalmessage", originalmessage, READ),
    _route("GET", f"{MESSAGE}/details", details, READ),
    _route("GET", f"{MESSAGE}/content", content, READ),
    _route("GET", f"{MESSAGE}/header", header, READ),
    _route("GET", f"{MESSAGE}/attachmentinfo", attachmentinfo, READ),
    _route("GET", f"{MESSAGE}/attachments/{{attachment}}", attachment, READ),
    _route("DELETE", MESSAGE, delete, "ZohoMail.messages.DELETE"),
]
