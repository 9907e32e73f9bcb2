"""Messages: lists, single ones, MIME, attachments, delta per folder, moves (microsoft.md §8).

Public: API, READ, WRITE, ROUTES, relocate, discard, mark, state_of.
"""

import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from syncd_simulator.clock import parse_rfc3339
from syncd_simulator.microsoft import delta, mailview
from syncd_simulator.microsoft.contacts import moved, tombstone
from syncd_simulator.microsoft.listing import check_id, check_match, not_found, page
from syncd_simulator.microsoft.mailbox import Folder, Mail
from syncd_simulator.microsoft.mailfolders import READ, WRITE, folder_of, messages_of
from syncd_simulator.microsoft.wire import JSON, ApiError, Call, Reply, select_of, unsupported

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld, User

__all__ = ["API", "READ", "ROUTES", "WRITE", "discard", "mark", "relocate"]

API = "mail"
FILTERED = 5000  # §8: what a receivedDateTime filter lets through at most
LOOSE = {"isread": "isRead", "flag": "flag", "categories": "categories", "importance": "importance"}
SINCE = re.compile(r"receivedDateTime\s+(ge|gt)\s+(\S+)", re.IGNORECASE)
CHANGE_TYPES = {"created", "updated", "deleted"}


def _mail(call: Call) -> Mail:
    mail = call.user.mailbox.mail(call.args["m"])
    if mail is None:
        check_id(call.args["m"])
    if mail is None or ("f" in call.args and mail.folder != folder_of(call).id):
        raise not_found()
    return mail


# -- reading ------------------------------------------------------------------------------------------------------------


def list_messages(world: "MicrosoftWorld", call: Call) -> JSON:
    """Messages of one folder or of the whole mailbox, newest first."""
    mails = messages_of(call, folder_of(call)) if "f" in call.args else list(call.user.mailbox.mails.values())
    select = select_of(call, mailview.KNOWN, "message")
    if text := call.get("$filter"):
        test = _conditions(text)
        mails = [mail for mail in mails if test(world, mail)]
    order = (call.get("$orderby") or "receivedDateTime desc").split()
    if order[0].lower() not in ("receiveddatetime", "sentdatetime", "lastmodifieddatetime", "subject"):
        raise ApiError(400, "ErrorInvalidProperty", f"The property '{order[0]}' does not support sorting.")
    names = {"receiveddatetime": "received", "sentdatetime": "sent", "lastmodifieddatetime": "modified"}
    name = names.get(order[0].lower(), "subject")
    mails.sort(key=lambda mail: getattr(mail, name), reverse=order[-1].lower() == "desc")
    context = f"users('{call.user.id}')/messages"
    return page(world, call, API, mails, lambda mail: mailview.shown(world, call, mail, select), context)


Test = Callable[["MicrosoftWorld", Mail], bool]
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq, "ne": operator.ne, "ge": operator.ge, "gt": operator.gt, "le": operator.le, "lt": operator.lt,
}  # fmt: skip
TERM = re.compile(r"(\w+)\s+(eq|ne|ge|gt|le|lt)\s+('(?:[^']|'')*'|\S+)", re.IGNORECASE)


def _conditions(text: str) -> Test:
    tests = [_condition(term) for term in re.split(r"\s+and\s+", text.strip())]
    return lambda world, mail: all(test(world, mail) for test in tests)


def _condition(term: str) -> Test:
    match = TERM.fullmatch(term.strip())
    name = match and mailview.BY_LOWER.get(match[1].lower())
    if not match or not name:
        raise ApiError(400, "ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes.")
    wanted: Any = match[3].strip("'").replace("''", "'")
    if wanted in ("true", "false"):
        wanted = wanted == "true"
    compare = OPERATORS[match[2].lower()]
    blank = Call("GET", "", "", {}, b"")
    return lambda world, mail: bool(compare(mailview.DEFAULT[name](world, blank, mail), wanted))


def get_message(world: "MicrosoftWorld", call: Call) -> Reply:
    """One message, wherever it is."""
    return Reply(
        200, mailview.shown(world, call, _mail(call), select_of(call, mailview.KNOWN, "message")), _applied(call)
    )


def _applied(call: Call) -> dict[str, str]:
    form = call.prefer.get("outlook.body-content-type")
    return {"Preference-Applied": f'outlook.body-content-type="{form}"'} if form else {}


def get_mime(world: "MicrosoftWorld", call: Call) -> Reply:
    """The raw bytes of a message."""
    if not {"Mail.Read", "Mail.ReadWrite"} & world.permissions and call.token and call.token.user is None:
        raise ApiError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
    mail = _mail(call)
    world.mail_counter[call.user.id, mail.key] += 1
    return Reply(200, mail.raw, {"Content-Type": "text/plain"})


def list_attachments(world: "MicrosoftWorld", call: Call) -> JSON:
    """The files of a message."""
    found = mailview.attachments(world, call, _mail(call))
    return page(world, call, API, found, lambda item: item, f"users('{call.user.id}')/messages('x')/attachments")


# -- delta --------------------------------------------------------------------------------------------------------------


def messages_delta(world: "MicrosoftWorld", call: Call) -> Reply:
    """The changes of one folder."""
    reply = delta.answer(world, call, lambda first: _feed(world, first))
    reply.headers |= _applied(call)
    return reply


def no_mailbox_delta(world: "MicrosoftWorld", call: Call) -> None:
    """§3: there is no delta over a whole mailbox, though metadata says so."""
    raise ApiError(400, "BadRequest", "Unsupported request: Change tracking is not supported against "
                   "'microsoft.graph.message'.")  # fmt: skip


def _feed(world: "MicrosoftWorld", call: Call) -> delta.Feed:
    _check_options(call)
    gone = "ErrorSyncFolderNotFound" if call.get("$deltatoken") or call.get("$skiptoken") else "ErrorItemNotFound"
    folder = folder_of(call, code=gone)
    select, since = select_of(call, mailview.KNOWN, "message"), _since(call)

    def show(now: Call, key: str) -> JSON | None:
        mail = call.user.mailbox.mails.get(key)
        if mail is None or (mail.folder != folder.id and not folder.search):
            return None
        return mailview.shown(world, now, mail, select, typed=True)

    return delta.Feed(
        ("messages", call.user.id, folder.id), API, "outlook",
        f"/users/{call.user.id}/mailfolders/{folder.id}/messages/delta", "Collection(message)",
        lambda: state_of(call, folder, select, since), show,
        lambda now, key, version: tombstone("message", now, key, version),
        changes=lambda before, now: _changes(world, call, before, now), owner=call.user, size=10,
    )  # fmt: skip


def _check_options(call: Call) -> None:
    unsupported(call, "$search")
    order = (call.get("$orderby") or "receivedDateTime desc").lower().split()
    if order != ["receiveddatetime", "desc"]:
        raise ApiError(400, "BadRequest", "Change tracking supports ordering by 'receivedDateTime desc' only.")
    if (kind := call.get("changeType")) and kind.lower() not in CHANGE_TYPES:
        raise ApiError(400, "BadRequest", f"Invalid changeType '{kind}'.")


def _since(call: Call) -> tuple[bool, float] | None:
    """Whether the limit itself counts, and the limit, of `$filter=receivedDateTime ge|gt …`."""
    text = call.get("$filter")
    if text is None:
        return None
    match = SINCE.fullmatch(text.strip())
    try:
        moment = parse_rfc3339(match[2]) if match else None
    except ValueError:
        moment = None
    if match is None or moment is None:
        raise ApiError(400, "BadRequest", "Change tracking supports filtering by 'receivedDateTime' with 'ge' or 'gt' "
                       "only.")  # fmt: skip
    return match[1].lower() == "ge", moment


def state_of(call: Call, folder: Folder, select: list[str] | None, since: tuple[bool, float] | None) -> delta.State:
    """{key: version} of a folder, newest first; with `select` only selected properties make a new version (§8)."""
    blind = set() if select is None else set(LOOSE) - {name.lower() for name in select}
    if not folder.search and since is None and not blind:
        return folder.state()
    mails = messages_of(call, folder)
    if since is not None:
        including, moment = since
        mails = [mail for mail in mails if mail.received > moment or (including and mail.received == moment)]
        mails = sorted(mails, key=lambda mail: -mail.received)[:FILTERED]
    return {mail.key: (_visible(mail, blind), mail.plain, mail.returned) for mail in mails}


def _visible(mail: Mail, blind: set[str]) -> int:
    """The latest change of a property that is not among the unselected ones."""
    if not mail.seqs:
        return mail.seq
    return max(number for name, number in mail.seqs.items() if name not in blind)


def _changes(world: "MicrosoftWorld", call: Call, before: delta.State, now: delta.State) -> list[delta.Change]:
    found = moved(call, before, now)
    if world.back_and_forth and call.immutable:
        found = [_lost(change, before) for change in found]
    kind = (call.get("changeType") or "").lower()
    if kind:
        found = [change for change in found if kind == _kind(change, before)]
    return found


def _lost(change: delta.Change, before: delta.State) -> delta.Change:
    """§8, A→B→A: what left and came back since the last round shows as deleted only."""
    known = before.get(change.key)
    if change.gone or known is None or change.version[2] <= known[0]:
        return change
    return delta.Change(change.key, known, True)


def _kind(change: delta.Change, before: delta.State) -> str:
    if change.gone:
        return "deleted"
    return "updated" if change.key in before else "created"


# -- changes ------------------------------------------------------------------------------------------------------------


def relocate(world: "MicrosoftWorld", user: "User", mail: Mail, folder: Folder) -> Mail:
    """Into another folder: the plain id changes, the immutable one stays."""
    number = world.touch(user, API, mail.key)
    mail.seqs = dict.fromkeys(("", *LOOSE), number)
    user.mailbox.move(world, mail, folder, number)
    return mail


def discard(world: "MicrosoftWorld", user: "User", mail: Mail) -> None:
    """Gone for good."""
    user.mailbox.take(mail)
    world.touch(user, API, mail.key, "deleted")


def mark(world: "MicrosoftWorld", user: "User", mail: Mail, **values: Any) -> Mail:
    """Change properties of the message: is_read, flag, categories, importance, subject."""
    number = world.touch(user, API, mail.key)
    mail.seqs = mail.seqs or {"": mail.seq}
    for name, value in values.items():
        setattr(mail, name, value)
        low = name.replace("_", "")
        mail.seqs[low if low in LOOSE else ""] = number
    mail.seq, mail.modified = number, world.now()
    user.mailbox.put(mail)
    return mail


def move_message(world: "MicrosoftWorld", call: Call) -> Reply:
    """POST …/move: 201 with the message in its new place."""
    mail = _mail(call)
    call.args["target"] = str(call.json().get("destinationId", ""))
    target = folder_of(call, "target")
    moved_mail = relocate(world, call.user, mail, target)
    return Reply(201, mailview.shown(world, call, moved_mail, None))


def patch_message(world: "MicrosoftWorld", call: Call) -> JSON:
    """PATCH of isRead, flag, categories, importance."""
    mail = _mail(call)
    check_match(call, world.change_key(mail.seq))
    values: JSON = {}
    for name, value in call.json().items():
        if name.lower() not in LOOSE:
            raise ApiError(400, "ErrorInvalidPropertySet", f"Set action is invalid for property '{name}'.")
        values["is_read" if name == "isRead" else name] = value["flagStatus"] if name == "flag" else value
    return mailview.shown(world, call, mark(world, call.user, mail, **values), None)


def delete_message(world: "MicrosoftWorld", call: Call) -> None:
    """DELETE: to Deleted Items; from there, for good."""
    mail = _mail(call)
    check_match(call, world.change_key(mail.seq))
    box = call.user.mailbox
    bin_ids = {box.well_known["deleteditems"], *(f.id for f in box.tree(box.well_known["deleteditems"]))}
    if mail.folder in bin_ids:
        discard(world, call.user, mail)
    else:
        relocate(world, call.user, mail, box.mail_folders[box.well_known["deleteditems"]])


MESSAGES, IN_FOLDER = "/users/{u}/messages", "/users/{u}/mailFolders/{f}/messages"
ROUTES: list[Any] = [
    ("GET", MESSAGES + "/delta", no_mailbox_delta),
    ("GET", IN_FOLDER + "/delta", messages_delta),
]
for prefix in (MESSAGES, IN_FOLDER):
    ROUTES += [
        ("GET", prefix, list_messages),
        ("GET", prefix + "/{m}", get_message),
        ("PATCH", prefix + "/{m}", patch_message),
        ("DELETE", prefix + "/{m}", delete_message),
        ("GET", prefix + "/{m}/$value", get_mime),
        ("GET", prefix + "/{m}/attachments", list_attachments),
        ("POST", prefix + "/{m}/move", move_message),
    ]
