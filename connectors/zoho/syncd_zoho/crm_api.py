"""The CRM's door: pages of a module, fields, deletions, records by id, writes (wire reference §8.1 to §8.3).

Public: Crm, Answer, Listed, Row, TokenLost, TooFar, FieldsGone, refuse, BASE, MOST_FIELDS, MOST_IDS, MOST_PAGES.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias
from urllib.parse import quote

import msgspec
import orjson

from syncd.sdk import AccountGone, Context, Forbidden, ProtocolError, Reject, SyncdError
from syncd.sdk.http import httpx

from .api import Api, Params
from .errors import NO_SERVICE, Fault, fault_of, later
from .settings import NOTIFICATIONS, SETTINGS
from .slices import Sliced
from .wire import decode, ident

__all__ = [
    "BASE",
    "MOST_FIELDS",
    "MOST_IDS",
    "MOST_PAGES",
    "Answer",
    "Crm",
    "FieldsGone",
    "Listed",
    "Row",
    "TokenLost",
    "TooFar",
    "refuse",
]

BASE = "/crm/v8"
PER_PAGE = 200  # §8.1: the most
MOST_FIELDS = 50  # §8.1: names per request
MOST_IDS = 100  # §8.1: ids per request
MOST_PAGES = 10  # §8.1: pages that have a number

Row: TypeAlias = dict[str, Any]
Listed: TypeAlias = Row | Reject


class Envelope(msgspec.Struct):
    data: list[msgspec.Raw] | None = None
    info: dict[str, Any] | None = None


PAGES: Sliced[Envelope, Row] = Sliced(Envelope, "data", dict[str, Any], "id")


class TokenLost(ProtocolError):
    """§8.1: a page token that expired, or that belongs to other parameters: start again, keeping what was stored."""


class TooFar(ProtocolError):
    """§8.1: the walk has reached as many records as one walk may show."""


class FieldsGone(ProtocolError):
    """A field that was asked for exists no more."""


@dataclass(slots=True)
class Answer:
    """A page. `at`: the server's time before it answered. `token`, `more`: how to go on."""

    rows: list[Listed]
    at: datetime
    token: str | None = None
    more: bool = False


@dataclass(slots=True)
class Crm:
    """Requests about one module. `filters`: so that no record is hidden silently (§8.1: converted, approved)."""

    ctx: Context
    stream: str
    module: str
    filters: Mapping[str, str] = field(default_factory=dict)
    api: Api = field(init=False)

    def __post_init__(self) -> None:
        self.api = Api(self.ctx, "crm", self.stream, f"{self._scope}.READ")

    async def page(
        self,
        fields: Sequence[str],
        *,
        since: datetime | None = None,
        token: str | None = None,
        number: int | None = None,
        sort: tuple[str, str] = ("Modified_Time", "asc"),
    ) -> Answer:
        """A page of the module. All parameters but the token are the same in every call of a walk (§8.1)."""
        params: Params = {
            "fields": ",".join(fields),
            "per_page": PER_PAGE,
            "sort_by": sort[0],
            "sort_order": sort[1],
            "page": None if token else number,  # never both (§10.33)
            "page_token": token,
            **self.filters,
        }
        what = f"CRM {self.module}"
        return await self._list(f"/{self.module}", what, params, since)

    async def deleted(self, since: datetime, number: int) -> Answer:
        """A page of what was deleted since then, into the bin or for good (§8.2)."""
        params: Params = {"type": "all", "per_page": PER_PAGE, "page": number}
        what = f"deletions of CRM {self.module}"
        return await self._list(f"/{self.module}/deleted", what, params, since)

    async def by_ids(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Row]:
        """Those of at most 100 records that exist, by id."""
        what = f"CRM {self.module} by ids"
        found: dict[str, Row] = {}
        token: str | None = None
        for _ in range(len(ids) + 1):
            params: Params = {
                "ids": ",".join(ids),
                "fields": ",".join(fields),
                "per_page": PER_PAGE,
                "page_token": token,
                **self.filters,
            }
            answer = self._answer(await self.api.get(f"{BASE}/{self.module}", what, params, self._refused), what)
            for row in answer.rows:
                key = None if isinstance(row, Reject) else ident(row.get("id"))
                if isinstance(row, Reject) or key is None:
                    raise ProtocolError(f"{what}: a record that cannot be read")
                found[key] = row
            if not answer.more:
                return found
            token = answer.token
            if token is None:
                break
        raise ProtocolError(f"{what}: the pages would never end")

    async def single(self, source_id: str) -> Row | None:
        """One record with all its fields; None if there is none."""
        what = f"CRM {self.module} {source_id}"
        path = f"{BASE}/{self.module}/{quote(source_id, safe='')}"
        try:
            answer = self._answer(await self.api.get(path, what, None, _absent), what)
        except _Absent:
            return None
        rows = [row for row in answer.rows if not isinstance(row, Reject) and ident(row.get("id")) == source_id]
        if answer.rows and not rows:
            raise ProtocolError(f"{what}: the answer is another record")
        return rows[0] if rows else None

    async def fields(self) -> tuple[list[str], datetime]:
        """The API names of all fields (§8), and the server's time. Forbidden if the token may not ask."""
        what = f"fields of CRM {self.module}"
        began = self.ctx.clock.monotonic()
        response = await self.api.get(
            f"{BASE}/settings/fields", what, {"module": self.module}, self._refused, scope=SETTINGS
        )
        if response.status_code != 200:
            raise ProtocolError(f"{what}: the answer is {response.status_code} without content")
        body = decode(response, what)
        rows = body.get("fields") if isinstance(body, dict) else None
        if not isinstance(rows, list) or not rows:
            raise ProtocolError(f"{what}: the answer has no fields")
        names = [row.get("api_name") if isinstance(row, dict) else None for row in rows]
        if not all(isinstance(name, str) and name for name in names):
            raise ProtocolError(f"{what}: a field without api_name")
        usable = (str(name) for name in names if name != "id" and not str(name).startswith("$"))
        return list(dict.fromkeys(usable)), self.server_time(response, began)

    async def send(
        self,
        method: str,
        path: str,
        what: str,
        body: Any = None,
        params: Params | None = None,
        since: str | None = None,
    ) -> list[Row]:
        """A write: its results, one per record (or channel), whatever the HTTP status says (§8.3, §10.35).

        `since`: `If-Unmodified-Since`. Throttling and what is refused as a whole is raised.
        """
        request_body = None if body is None else orjson.dumps(body)
        headers = {"Accept": "application/json"}
        if request_body is not None:
            headers["Content-Type"] = "application/json"
        if since is not None:
            headers["If-Unmodified-Since"] = since
        response = await self.ctx.http.request(
            method,
            self.api.root + BASE + path,
            content=request_body,
            params=[(key, value) for key, value in (params or {}).items() if value is not None],
            headers=headers,
            extensions=self.api.extensions(),
        )
        if response.status_code >= 400 and (waiting := later(response)) is not None:
            raise waiting
        found = _results(response)
        if found:
            return found
        if response.status_code >= 400 or response.content:
            own = path.startswith(f"/{self.module}")
            raise self.api.problem(response, what, None, f"{self._scope}.ALL" if own else NOTIFICATIONS)
        return []

    @property
    def _scope(self) -> str:
        return f"ZohoCRM.modules.{self.module.lower()}"

    def server_time(self, response: httpx.Response, began: float) -> datetime:
        """The server's time before the request: the answer's `Date` less what it took. This clock's without a `Date`."""
        took = timedelta(seconds=max(0, int(self.ctx.clock.monotonic() - began)))
        try:
            date = parsedate_to_datetime(response.headers.get("date", ""))
        except (TypeError, ValueError):
            return self.ctx.clock.now().replace(microsecond=0) - took
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return date.astimezone(UTC) - took

    async def _list(self, path: str, what: str, params: Params, since: datetime | None) -> Answer:
        began = self.ctx.clock.monotonic()
        headers = _since(since) if since else None
        response = await self.api.get(BASE + path, what, params, self._refused, headers=headers)
        return self._answer(response, what, self.server_time(response, began), listing=True)

    def _answer(
        self, response: httpx.Response, what: str, at: datetime | None = None, *, listing: bool = False
    ) -> Answer:
        """204 and 304 have no body and no rows (§10.31). A `listing` must say whether more follows."""
        at = at or self.ctx.clock.now()
        if response.status_code in (204, 304) or not response.content:
            if response.status_code not in (204, 304):
                raise ProtocolError(f"{what}: an answer of {response.status_code} without content")
            return Answer([], at)
        head, rows = PAGES.read(response.content, what)
        if head.data is None:
            raise self._in_success(response, what)
        info = head.info or {}
        more, token = info.get("more_records", None if listing else False), info.get("next_page_token")
        if not isinstance(more, bool) or not isinstance(token, str | None):
            raise ProtocolError(f"{what}: the answer does not say whether more follows")
        return Answer([row if isinstance(row, Reject) else row[0] for row in rows], at, token or None, more)

    def _in_success(self, response: httpx.Response, what: str) -> SyncdError:
        """An error in a success: the code outranks the status (§8.3)."""
        if fault_of(response).code:
            return self.api.problem(response, what, self._refused)
        return ProtocolError(f"{what}: the answer has no list data")

    def _refused(self, fault: Fault) -> SyncdError | None:
        parameter = fault.details.get("param_name")
        if fault.is_("TOKEN_BOUND_DATA_MISMATCH") or (fault.is_("EXPIRED_VALUE") and parameter in ("page_token", None)):
            return TokenLost(f"CRM {self.module}: {fault}")
        if fault.is_("PAGINATION_LIMIT_EXCEEDED", "DISCRETE_PAGINATION_LIMIT_EXCEEDED"):
            return TooFar(f"CRM {self.module}: {fault}")
        if fault.is_("INVALID_DATA", "INVALID_QUERY") and parameter == "fields":
            return FieldsGone(f"CRM {self.module}: {fault}")
        if fault.is_("INVALID_MODULE"):
            return AccountGone(f"CRM {self.module}: {fault}", state=f"no CRM module {self.module}", code=NO_SERVICE)
        return None


class _Absent(ProtocolError):
    """There is no such record."""


def _absent(fault: Fault) -> SyncdError | None:
    """§8.1: 404 or 400 `INVALID_DATA`. A wrong path is a 404 of another code."""
    if fault.is_("INVALID_DATA", "RECORD_NOT_FOUND") or (fault.http == 404 and not fault.is_("INVALID_URL_PATTERN")):
        return _Absent(str(fault))
    return None


def _since(moment: datetime) -> dict[str, str]:
    """§8.1: ISO 8601 with a numeric offset, not the HTTP-date (§10.34)."""
    return {"If-Modified-Since": moment.astimezone(UTC).isoformat(timespec="seconds")}


def _results(response: httpx.Response) -> list[Row]:
    """The results of a write, at any status; [] if there are none."""
    try:
        body = orjson.loads(response.content) if response.content else None
    except orjson.JSONDecodeError:
        return []
    if not isinstance(body, dict):
        return []
    found = next((body[key] for key in ("data", "watch") if isinstance(body.get(key), list)), None)
    if found is None:
        return []
    return [row for row in found if isinstance(row, dict) and "status" in row]


def refuse(result: Row, what: str) -> SyncdError:
    """The error for a result whose status is not success."""
    code, details = str(result.get("code") or ""), result.get("details")
    where = details.get("json_path") or details.get("api_name") or "" if isinstance(details, dict) else ""
    message = f"{what}: Zoho answered {code}: {result.get('message') or ''} {where}".strip()[:300]
    locked = {"NO_PERMISSION", "RECORD_LOCKED", "RECORD_IN_BLUEPRINT", "NOT_APPROVED", "OAUTH_SCOPE_MISMATCH"}
    return Forbidden(message) if code in locked else ProtocolError(message)
