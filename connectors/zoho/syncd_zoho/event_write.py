"""Writing events as a mirror does: nobody gets mail, nothing twice, nothing over a newer version (§5.5).

Public: Writer.

Writes travel as `eventdata`: JSON in the query, or in a form where it is long (trap 26). Every one says `notify_attendee: 0`
(trap 42). Zoho knows no idempotency key: a create first looks for an event of that time made a day ago at most with the
very values to be written, and looks again if the answer is lost.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import orjson

from syncd.sdk import JSON, Context, ProtocolError, Record, SyncdError, Transient, VersionConflict
from syncd.sdk.http import httpx

from .api import HEADERS, Api
from .errors import Fault
from .events import LARGE, STAMP, item_of, readings_of, source_id_of, summary_of
from .settings import EVENTS
from .wire import listed, mark, stamp

__all__ = ["Writer"]

RECENT = timedelta(days=1)  # how old an event may be that an earlier call with the same content made
LONGEST = 4000  # characters of eventdata in a URL
ONE_DAY = timedelta(days=1)
WRITABLE = (  # what Zoho keeps by itself is never sent back
    *("title", "description", "richtext_description", "location", "url", "isprivate", "isallday", "rrule", "attendees"),
    *("reminders", "group_list", "color", "transparency", "allowForwarding", "conference", "enable_eventmanagement"),
)
SCOPES = {
    "POST": "ZohoCalendar.event.CREATE",
    "PUT": "ZohoCalendar.event.UPDATE",
    "DELETE": "ZohoCalendar.event.DELETE",
}
TWINS = ("title", "start", "end")  # of the summary: what makes two events the same

Row = dict[str, Any]


class Writer:
    """Writes to one calendar."""

    def __init__(self, ctx: Context, calendar: str) -> None:
        self.ctx = ctx
        self.api = Api(ctx, "calendar", "calendar", EVENTS)
        self.path = f"/api/v1/calendars/{quote(calendar, safe='')}/events"

    async def create(self, data: Mapping[str, JSON]) -> Record:
        body = _sendable(data, {})
        twin = await self._twin(body)
        if twin is None:
            try:
                twin = await self._send("POST", self.path, body)
            except Transient:  # the answer is lost: the event may be there
                twin = await self._twin(body)
                if twin is None:
                    raise
        return _record(twin)

    async def update(self, source_id: str, data: Mapping[str, JSON], etag: str | None) -> Record:
        """The current etag must be sent. Without one of the caller's, what changed meanwhile is read and tried once more."""
        for last in (False, True):
            before = await self._current(source_id)
            if before is None:
                raise VersionConflict(f"event {source_id} is not there any more")
            body = _sendable(data, before)
            if etag is not None and mark(before.get("etag")) != etag:
                if _same(body, before):  # an earlier call with the same content got through
                    return _record(before)
                raise VersionConflict(f"event {source_id} has changed since {etag}")
            try:
                changed = await self._send("PUT", self._one(before), {**body, **_version(before)})
            except VersionConflict:
                if etag is not None or last:
                    raise
                continue
            return _record(changed)
        raise AssertionError("unreachable")

    async def delete(self, source_id: str, etag: str | None) -> None:
        """An event by the header `etag`, one occurrence by `eventdata`. What is not there any more needs no deleting."""
        before = await self._current(source_id)
        if before is None:
            return
        version = mark(before.get("etag")) or ""
        if etag is not None and version != etag:
            raise VersionConflict(f"event {source_id} has changed since {etag}")
        body: Row = {"notify_attendee": 0}
        headers = {"etag": version}
        if before.get("recurrenceid"):
            body |= {"uid": before["uid"], **_version(before)}
            headers = {}
        try:
            await self._request("DELETE", self._one(before), body, headers)
        except _Gone:
            return

    # -- inside

    def _one(self, event: Row) -> str:
        return f"{self.path}/{quote(str(event['uid']), safe='')}"

    async def _current(self, source_id: str) -> Row | None:
        """The event as it is now; a changed occurrence is asked for by its original start."""
        for uid, occurrence in readings_of(source_id):
            params = {"recurrenceid": occurrence}
            try:
                response = await self.api.get(self._one({"uid": uid}), "event", params, _not_there, headers=LARGE)
            except _Gone:
                continue
            for row in listed(response, "events", "event"):
                if source_id_of(row) == source_id and row.get("estatus") != "deleted":
                    return row
        return None

    async def _send(self, method: str, path: str, body: Row) -> Row:
        """A create or an update: the event as the answer has it."""
        response = await self._request(method, path, body, {})
        rows = [row for row in listed(response, "events", "event") if row.get("uid") is not None]
        if len(rows) != 1:
            raise ProtocolError(f"event: {len(rows)} events in the answer to one write")
        return rows[0]

    async def _request(self, method: str, path: str, body: Row, headers: Mapping[str, str]) -> httpx.Response:
        text = orjson.dumps(body).decode()
        short = len(text) <= LONGEST or method == "DELETE"
        response = await self.ctx.http.request(
            method,
            self.api.root + path,
            params={"eventdata": text} if short else None,
            data=None if short else {"eventdata": text},
            headers={**HEADERS, **LARGE, **headers},
            extensions=self.api.extensions(),
        )
        if response.status_code >= 400:
            raise self.api.problem(response, "event", _stale, SCOPES[method])
        return response

    async def _twin(self, body: Row) -> Row | None:
        """An event made a short while ago with these times and this title."""
        wanted = summary_of(body)
        start = datetime.fromisoformat(str(wanted["start"])).replace(tzinfo=UTC)
        span = {"start": (start - ONE_DAY).strftime(STAMP), "end": (start + ONE_DAY).strftime(STAMP)}
        response = await self.api.get(self.path, "events", {"range": orjson.dumps(span).decode()}, headers=LARGE)
        rows = [] if response.status_code == 204 else listed(response, "events", "events")
        since = self.ctx.clock.now() - RECENT
        for row in rows:
            made, shown = stamp(row.get("createdtime")), summary_of(row)
            fits = all(shown[name] == wanted[name] for name in TWINS) and not row.get("recurrenceid")
            if fits and made is not None and made >= since and _same(body, row):
                return row
        return None


class _Gone(SyncdError):
    """The event is not there."""


def _not_there(fault: Fault) -> SyncdError | None:
    return _Gone(str(fault)) if fault.http in (400, 404, 410, 422) else None


def _stale(fault: Fault) -> SyncdError | None:
    """§5.5: which 4xx a stale etag gives is not confirmed; 409 and 412 mean nothing else, others name it."""
    if fault.http in (409, 412) or "ETAG" in f"{fault.code} {fault.message}".upper():
        return VersionConflict(f"event: {fault}")
    return _Gone(str(fault)) if fault.http in (404, 410) else None


def _sendable(data: Mapping[str, JSON], before: Mapping[str, Any]) -> Row:
    """What may be written, with `dateandtime`, which every write needs: the event's own where nothing is said of it."""
    given = data.get("dateandtime")
    timed = data if given else before
    all_day = timed.get("isallday")
    if all_day is None and isinstance(given, dict):
        all_day = "T" not in str(given.get("start"))
    return {**_plain(data), **_times({**timed, "isallday": all_day}), "notify_attendee": 0}


def _plain(data: Mapping[str, JSON]) -> Row:
    return {name: data[name] for name in WRITABLE if name in data}


def _times(event: Mapping[str, Any]) -> Row:
    """§5.5: GMT with the zone beside it, or dates with `isallday`."""
    shown = summary_of(event)
    if shown["start"] is None or shown["end"] is None:
        raise ProtocolError("an event to be written has no times that can be read (`dateandtime` with offsets)")
    if len(shown["start"]) == 10:
        return {"dateandtime": {name: shown[name].replace("-", "") for name in ("start", "end")}, "isallday": True}
    times = {name: datetime.fromisoformat(shown[name]).strftime(STAMP) for name in ("start", "end")}
    zone = {"timezone": shown["timezone"]} if shown["timezone"] else {}
    return {"dateandtime": {**times, **zone}, "isallday": False}


def _version(before: Mapping[str, Any]) -> Row:
    """The `etag` as the number that it is, and which occurrence is meant."""
    version = mark(before.get("etag")) or ""
    found: Row = {"etag": int(version) if version.isdigit() else version}
    if before.get("recurrenceid"):
        found |= {"recurrenceid": before["recurrenceid"], "recurrence_edittype": "only"}
    return found


def _same(body: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether an event has the plain values that are to be written, and the times if there are any."""
    plain = [name for name in WRITABLE if name in body and not isinstance(body[name], list | dict)]
    if any((body[name] or None) != (row.get(name) or None) for name in plain):
        return False
    if "dateandtime" not in body:
        return True
    mine, theirs = summary_of(body), summary_of(row)
    return all(mine[name] == theirs[name] for name in ("start", "end"))


def _record(row: Row) -> Record:
    item = item_of(row)
    if not isinstance(item, Record):
        raise ProtocolError("event: the answer to a write is no event that can be read")
    return item
