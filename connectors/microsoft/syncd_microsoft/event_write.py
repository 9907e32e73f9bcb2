"""Writing events, so that nobody is invited and nothing is made twice (wire reference §14, §16).

Public: create, update, delete. They give Graph's event as it answered.

Outlook mails attendees at once and nothing holds that back (§18.40). So attendees are never written: their names go into
the body; and a meeting of the calendar's owner that has attendees is never deleted, since that would cancel it.
"""

import html
from collections.abc import Mapping
from datetime import UTC
from typing import Any

import msgspec

from syncd.sdk import JSON, Context, Forbidden, ProtocolError, SyncdError

from .api import quoted
from .events import Moment, instant_of
from .windows_zones import ZONES
from .wire import decode
from .writing import Writes, once, tagged, without_notes

__all__ = ["create", "delete", "sendable", "update"]

WHAT = "event"
PERMISSION = "Calendars.ReadWrite"
READ_ONLY = frozenset(  # §14, and what hangs on an event without being part of it
    {
        "id",
        "iCalUId",
        "uid",
        "type",
        "seriesMasterId",
        "changeKey",
        "webLink",
        "organizer",
        "isOrganizer",
        "responseStatus",
        "createdDateTime",
        "lastModifiedDateTime",
        "originalStart",
        "originalStartTimeZone",
        "originalEndTimeZone",
        "bodyPreview",
        "hasAttachments",
        "isCancelled",
        "isDraft",
        "onlineMeeting",
        "onlineMeetingUrl",
        "occurrenceId",
        "cancelledOccurrences",
        "exceptionOccurrences",
        "instances",
        "attachments",
        "calendar",
        "extensions",
        "singleValueExtendedProperties",
        "multiValueExtendedProperties",
        "transactionId",
    }
)
PATTERNS = {  # §16: what a pattern needs; the rest is filled with placeholders on reads, and checked on writes
    "daily": ("interval",),
    "weekly": ("interval", "daysOfWeek", "firstDayOfWeek"),
    "absolutemonthly": ("interval", "dayOfMonth"),
    "relativemonthly": ("interval", "daysOfWeek", "index"),
    "absoluteyearly": ("interval", "month", "dayOfMonth"),
    "relativeyearly": ("interval", "month", "daysOfWeek", "index"),
}
RANGES = {"enddate": ("endDate",), "numbered": ("numberOfOccurrences",), "noend": ()}
WINDOWS = {iana: name for name, iana in reversed(ZONES.items())}  # of several names the first


async def create(ctx: Context, data: Mapping[str, JSON], idempotency_key: str) -> dict[str, Any]:
    """An event in the calendar that is the partition, else in the default one.

    The same transactionId makes no second one: the answer is the first, or 409, and then it is found by its tag.
    """
    writes = _writes(ctx)
    calendar = f"/calendars/{quoted(ctx.partition.id)}" if ctx.partition is not None and ctx.partition.id else ""
    listing, guid = f"{writes.graph.user}{calendar}/events", once(idempotency_key)
    given = {key: value for key, value in sendable(data, new=True).items() if value is not None}
    body = {**given, "transactionId": guid, **tagged(guid)}
    try:
        return decode((await writes.send("POST", listing, body, repeatable=True)).content, WHAT)
    except _Duplicate as error:
        made = await writes.find(listing, guid)
        if made is None:
            raise ProtocolError(f"{error}; no such event is found") from error
        return made


async def update(ctx: Context, source_id: str, data: Mapping[str, JSON], etag: str | None) -> dict[str, Any]:
    """Sparse. Of an occurrence it makes an exception. Who is invited already gets Outlook's own update."""
    writes = _writes(ctx)
    return await writes.change(_path(writes, source_id), sendable(data), etag)


async def delete(ctx: Context, source_id: str, etag: str | None) -> None:
    """An event, or one occurrence. Forbidden where that would send cancellations."""
    writes = _writes(ctx)
    await writes.remove(_path(writes, source_id), etag, "attendees,isOrganizer", _no_meeting)


def sendable(data: Mapping[str, JSON], *, new: bool = False) -> dict[str, Any]:
    """What may be written of an event that may have been read elsewhere."""
    found = without_notes(data, READ_ONLY)
    people, body = found.pop("attendees", None), found.get("body")
    if isinstance(people, list) and people and (new or isinstance(body, Mapping)):
        found["body"] = _with_names(body if isinstance(body, Mapping) else {"contentType": "text"}, people)
    if found.get("locations"):  # they mirror each other: the one place would wipe the many
        found.pop("location", None)
    else:
        found.pop("locations", None)
    rule = found.get("recurrence")
    if isinstance(rule, Mapping):
        found["recurrence"] = _recurrence(rule)
    fixed = bool(rule) or found.get("isAllDay") is True
    for side in ("start", "end"):
        if isinstance(found.get(side), Mapping):
            found[side] = _moment(found[side], fixed=fixed)
    return found


# -- inside -----------------------------------------------------------------------------------------------------------


class _Duplicate(SyncdError):
    """409: there is an event with this transactionId."""


class _EventWrites(Writes):
    def _means(self, fault: Any) -> SyncdError | None:
        meant = super()._means(fault)
        if meant is None and fault.http == 409:
            return _Duplicate(f"{WHAT}: {fault}")
        return meant


def _writes(ctx: Context) -> Writes:
    return _EventWrites(ctx, "calendar", WHAT, PERMISSION)


def _path(writes: Writes, source_id: str) -> str:
    return f"{writes.graph.user}/events/{quoted(source_id)}"


def _no_meeting(event: dict[str, Any]) -> None:
    if event.get("attendees") and event.get("isOrganizer") is not False:
        raise Forbidden(
            "event: it is a meeting with attendees; deleting it would send them cancellations",
            hint="Its organiser cancels it in Outlook; the cancelled meeting is mirrored then.",
        )


def _with_names(body: Mapping[str, Any], people: list[Any]) -> dict[str, Any]:
    """The body with who takes part, instead of inviting them (§14)."""
    names = []
    for one in people:
        found = one.get("emailAddress") if isinstance(one, Mapping) else None
        if isinstance(found, Mapping):
            name, address = found.get("name") or "", found.get("address") or ""
            names.append(f"{name} <{address}>" if name and address and name != address else str(name or address))
    line = f"Attendees: {', '.join(names)}"
    content = str(body.get("content") or "")
    if line in content or html.escape(line) in content:
        return dict(body)
    if str(body.get("contentType") or "").lower() == "html":
        return {**body, "content": _into_html(content, f"<p>{html.escape(line)}</p>")}
    return {**body, "content": f"{content}\n\n{line}" if content else line}


def _into_html(content: str, line: str) -> str:
    """Before the end of the document, where there is one."""
    place = content.lower().rfind("</body>")
    return f"{content}{line}" if place < 0 else f"{content[:place]}{line}{content[place:]}"


def _recurrence(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Only the fields of the given types: placeholders are refused on writes (§16)."""
    return {
        key: _fields(value, PATTERNS if key == "pattern" else RANGES, ("startDate", "recurrenceTimeZone"))
        if key in ("pattern", "range") and isinstance(value, Mapping)
        else value
        for key, value in rule.items()
    }


def _fields(value: Mapping[str, Any], table: Mapping[str, tuple[str, ...]], always: tuple[str, ...]) -> dict[str, Any]:
    wanted = table.get(str(value.get("type")).lower())
    kept = value if wanted is None else {key: value[key] for key in ("type", *wanted, *always) if key in value}
    return {key: one for key, one in kept.items() if not (key == "recurrenceTimeZone" and not one)}


def _moment(moment: Mapping[str, Any], *, fixed: bool) -> dict[str, Any]:
    """With a Windows name for its zone (§16). `fixed`: the wall's time counts, not the instant (series, all-day)."""
    name = moment.get("timeZone")
    if not isinstance(name, str) or name in ZONES or name == "UTC":
        return dict(moment)
    if name in WINDOWS:
        return {**moment, "timeZone": WINDOWS[name]}
    try:
        instant = None if fixed else instant_of(msgspec.convert(moment, Moment))
    except msgspec.ValidationError:
        instant = None
    if instant is None:
        return dict(moment)
    return {"dateTime": instant.astimezone(UTC).replace(tzinfo=None).isoformat(), "timeZone": "UTC"}
