"""Events and rounds of a calendar's view, as Graph writes them (wire reference §6)."""

from datetime import datetime, timedelta
from typing import Any

import httpx
from microsoft_answers import ANA, ROOT, Microsoft, where

from syncd.sdk import Partition, Record, Scan, Tombstone

CAL = Partition("C1=")
VIEW = f"/users/{ANA.id}/calendars/C1=/calendarView/delta"
WEEKLY = {
    "pattern": {
        "type": "weekly", "interval": 1, "month": 0, "dayOfMonth": 0, "daysOfWeek": ["monday"],
        "firstDayOfWeek": "sunday", "index": "first",
    },
    "range": {
        "type": "noEnd", "startDate": "2026-01-05", "endDate": "0001-01-01",
        "recurrenceTimeZone": "Romance Standard Time", "numberOfOccurrences": 0,
    },
}  # fmt: skip


def at(text: str) -> dict[str, str]:
    return {"dateTime": f"{text}.0000000", "timeZone": "UTC"}


def event(one: str, start: str, end: str, **more: Any) -> dict[str, Any]:
    return {
        "@odata.type": "#microsoft.graph.event", "@odata.etag": f'W/"{one}1"', "id": one, "changeKey": f"{one}1",
        "type": "singleInstance", "seriesMasterId": None, "subject": f"about {one}", "isAllDay": False,
        "isCancelled": False, "start": at(start), "end": at(end), "originalStartTimeZone": "Romance Standard Time",
        "originalEndTimeZone": "Romance Standard Time", "recurrence": None, "originalStart": None,
        "location": {"displayName": "Room 1"}, "iCalUId": f"u{one}",
        "organizer": {"emailAddress": {"name": "Ana", "address": "ana@acme.example"}},
        "attendees": [
            {"type": "required", "status": {"response": "none", "time": "0001-01-01T00:00:00Z"},
             "emailAddress": {"name": "Bob", "address": "bob@acme.example"}}
        ],
        "lastModifiedDateTime": "2026-01-02T03:04:05.1234567Z", **more,
    }  # fmt: skip


def master(one: str = "M", **more: Any) -> dict[str, Any]:
    """Mondays at 10 in Paris, since 2026-01-05."""
    found = event(one, "2026-01-05T09:00:00", "2026-01-05T10:00:00", type="seriesMaster", recurrence=WEEKLY)
    return {**found, **more}


def occurrence(start: str, series: str = "M", one: str = "") -> dict[str, Any]:
    """Skeletal, as they come."""
    end = (datetime.fromisoformat(start) + timedelta(hours=1)).isoformat()
    return {
        "@odata.type": "#microsoft.graph.event", "@odata.etag": 'W/"o"', "id": one or f"{series}.{start[:10]}",
        "seriesMasterId": series, "type": "occurrence", "start": at(start), "end": at(end),
    }  # fmt: skip


def mondays(first: str, count: int, *missing: str) -> list[dict[str, Any]]:
    """Occurrences of `master` in summer or winter time."""
    found = []
    for number in range(count):
        day = datetime.fromisoformat(first) + timedelta(weeks=number)
        if f"{day:%Y-%m-%d}" not in missing:
            summer = "2026-03-29" < f"{day:%Y-%m-%d}" < "2026-10-25"
            found.append(occurrence(f"{day:%Y-%m-%d}T{'08' if summer else '09'}:00:00"))
    return found


def exception(one: str, slot: str, start: str, series: str = "M", **more: Any) -> dict[str, Any]:
    end = (datetime.fromisoformat(start) + timedelta(hours=1)).isoformat()
    return event(one, start, end, type="exception", seriesMasterId=series, originalStart=f"{slot}Z", **more)


def removed(one: str) -> dict[str, Any]:
    return {"@odata.type": "#microsoft.graph.event", "id": one, "@removed": {"reason": "deleted"}}


def page(*items: Any, next: str = "", delta: str = "d1", status: int = 200) -> httpx.Response:  # noqa: A002
    link = {"@odata.nextLink": f"{ROOT}/next/{next}"} if next else {"@odata.deltaLink": f"{ROOT}/delta/{delta}"}
    return httpx.Response(status, json={"@odata.context": "x", **link, "value": list(items)})


class Round:
    """One calendar, read round by round into a set of records."""

    def __init__(self, microsoft: Microsoft, **options: Any) -> None:
        self.microsoft = microsoft
        self.options = options
        self.table: dict[str, Any] = {}
        self.records: dict[str, Record] = {}
        self.gone: list[str] = []
        self.bookmark: Any = None
        self.pages: list[Any] = []

    async def full(self, *answers: httpx.Response, **more: Any) -> None:
        """A first round. `answers`: the view, and then what each nextLink leads to."""
        names = [VIEW, *(f"/next/{number}" for number in range(2, len(answers) + 1))]
        await self._read(dict(zip(names, answers, strict=True)), Scan.FULL, None, more)

    async def delta(self, *answers: httpx.Response, **more: Any) -> None:
        names = [f"/delta/{self.bookmark['link'].rpartition('/')[2]}"]
        names += [f"/next/{number}" for number in range(2, len(answers) + 1)]
        await self._read(dict(zip(names, answers, strict=True)), Scan.DELTA, self.bookmark, more)

    async def _read(self, table: dict[str, Any], scan: Scan, cursor: Any, more: dict[str, Any]) -> None:
        self.microsoft.requests.clear()
        self.microsoft.routes({**self.table, **table})
        held = dict(self.records)

        async def lookup(ids: Any) -> dict[str, str | None]:
            return {one: None for one in ids if one in held}

        async def offspring(parents: Any) -> dict[str, list[str]]:
            found: dict[str, list[str]] = {}
            for one, record in held.items():
                if record.parent in parents:
                    found.setdefault(record.parent, []).append(one)
            return found

        context = {"partition": CAL, "options": self.options, "lookup": lookup, "offspring": offspring, **more}
        self.gone = []
        self.pages = await self.microsoft.pages("calendar", scan=scan, cursor=more.get("cursor", cursor), **{
            key: value for key, value in context.items() if key != "cursor"
        })  # fmt: skip
        for one in self.pages:
            for item in one.items:
                if isinstance(item, Tombstone):
                    self.gone.append(item.source_id)
                    self.records.pop(item.source_id, None)
                elif isinstance(item, Record):
                    self.records[item.source_id] = item
        self.bookmark = self.pages[-1].bookmark

    @property
    def asked(self) -> list[str]:
        """Requests below the version root."""
        return [where(request) for request in self.microsoft.requests]
