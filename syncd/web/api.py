"""`/api/v1`: the command line over HTTP, one to one.

Public: mount. Errors are JSON `{code, message, hint, exit_code}`; progress of runs is server-sent events, each
`data:` line one object with `event`, the last one `report`; records are NDJSON, or pages of JSON for who accepts only that.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, FastAPI, Path, Query, Request, Response
from fastapi.params import Depends
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPBearer

from syncd.control.control import Control

from . import models
from .answers import as_json
from .streams import EVENTS, NDJSON, begun, event_stream, json_lines

__all__ = ["mount"]

JSON = "application/json"
MOST = 2**62  # what a database's numbers hold
LARGEST_FOLDER = 32 << 20  # bytes of a configuration folder that is sent for `plan`
PAGE, LARGEST_PAGE = 100, 1000

Names = Annotated[list[str], Query()]
Number = Annotated[int, Path(ge=1, le=MOST)]
Before = Annotated[int | None, Query(ge=1, le=MOST, description="Runs before this one.")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Seq = Annotated[int | None, Query(ge=0, le=MOST)]

EVENT = {
    "type": "object",
    "properties": {"data": {"type": "string", "contentMediaType": JSON, "description": "One object with `event`."}},
    "required": ["data"],
}
RunBody = Annotated[models.RunBody, Body(default_factory=models.RunBody)]
ScopeBody = Annotated[models.ScopeBody, Body(default_factory=models.ScopeBody)]
DecideBody = Annotated[models.DecideBody, Body(default_factory=models.DecideBody)]
CheckBody = Annotated[models.CheckBody, Body(default_factory=models.CheckBody)]

STREAM = {"content": {EVENTS: {"schema": EVENT}}, "description": "Server-sent events."}
BYTES = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
REFUSALS: dict[int | str, dict[str, Any]] = {"4XX": {"model": models.Refusal}, "5XX": {"model": models.Refusal}}


def mount(app: FastAPI, control: Control, stop: asyncio.Event) -> None:
    """Add the API's routes. Streams end when `stop` is set."""
    token = Depends(HTTPBearer(description="daemon.token, else api-token in the state directory", auto_error=False))
    api = APIRouter(prefix="/api/v1", responses=REFUSALS, dependencies=[token])
    for add in (_add_reports, _add_notices, _add_organisations, _add_switches, _add_decisions, _add_configuration):
        add(api, control)
    for stream in (_add_runs, _add_purge, _add_keys, _add_data):
        stream(api, control, stop)
    app.include_router(api)


def _add_reports(api: APIRouter, control: Control) -> None:
    @api.get("/status", response_model=models.Status, tags=["reports"])
    async def status() -> Response:
        """Every sync: its state, next and last run, records and how fresh they are."""
        return as_json(await control.status())

    @api.get("/syncs", response_model=list[models.SyncCard], tags=["reports"])
    async def syncs() -> Response:
        """The cards of `status`."""
        return as_json((await control.status())["syncs"])

    @api.get("/syncs/{name}", response_model=models.SyncCard, tags=["reports"])
    async def sync(name: str) -> Response:
        """One sync's card."""
        return as_json(await control.reports.card(name))

    @api.get("/problems", response_model=list[models.Problem], tags=["reports"])
    async def problems() -> Response:
        """What is wrong with the configuration folder now; the last good one keeps running."""
        return as_json((await control.status())["problems"])

    @api.get("/connectors", response_model=models.Connectors, tags=["reports"])
    async def connectors() -> Response:
        """Installed connectors, and plugins that are broken."""
        return as_json(control.connectors())

    @api.get("/errors", response_model=list[models.Entry], tags=["reports"])
    async def errors() -> Response:
        """The catalogue of error codes."""
        return as_json(control.reports.explanations())

    @api.get("/errors/{code}", response_model=models.Entry, tags=["reports"])
    async def explain(code: str) -> Response:
        """What an error code means, what syncd does about it, and what to do."""
        return as_json(control.reports.explain(code))


def _add_notices(api: APIRouter, control: Control) -> None:
    @api.get("/notices", response_model=models.Notices, tags=["notices"])
    async def notices() -> Response:
        """How the channels do, and what operators were told that is not over."""
        return as_json(await control.notices())

    @api.post("/notices/test", response_model=list[models.Tried], tags=["notices"])
    async def notify_test() -> Response:
        """Send a test message to each channel now."""
        return as_json(await control.notify_test())


def _add_organisations(api: APIRouter, control: Control) -> None:
    @api.get("/connections", response_model=list[models.Connection], tags=["organisations"])
    async def connections() -> Response:
        """The configured connections."""
        return as_json(await control.reports.connections())

    @api.get("/connections/{name}/accounts", response_model=list[models.Account], tags=["organisations"])
    async def accounts(name: str) -> Response:
        """The imported accounts of a connection."""
        return as_json(await control.accounts(name))

    @api.post("/connections/{name}/import", response_model=models.Imported, tags=["organisations"])
    async def import_accounts(name: str) -> Response:
        """Find the organisation's accounts and their roles."""
        return as_json(await control.import_accounts(name))

    @api.post("/check", response_model=list[models.Checked], tags=["organisations"])
    async def check(body: CheckBody) -> Response:
        """Try credentials and scopes at the provider, per stream."""
        return as_json(await control.check(body.connection))


def _add_runs(api: APIRouter, control: Control, stop: asyncio.Event) -> None:
    @api.get("/runs", response_model=list[models.RunReport], tags=["runs"])
    async def runs(limit: Limit = 50, before: Before = None) -> Response:
        """Runs of all syncs, newest first."""
        return as_json(await control.reports.runs(limit, before))

    @api.get("/syncs/{name}/runs", response_model=list[models.RunReport], tags=["runs"])
    async def history(name: str, limit: Limit = 50, before: Before = None) -> Response:
        """Runs of a sync, newest first."""
        return as_json(await control.history(name, limit, before))

    started: dict[int | str, dict[str, Any]] = {200: STREAM, 202: {"model": models.RunNamed}}

    @api.post("/syncs/{name}/runs", status_code=202, responses=started, tags=["runs"])
    async def start(name: str, body: RunBody, request: Request) -> Response:
        """Start a run. With `Accept: text/event-stream` the answer follows it, else it names it."""
        events = control.sync(name, **body.model_dump())
        follows = EVENTS in request.headers.get("accept", "")
        return await event_stream(events, stop) if follows else await _named(events)

    @api.get("/runs/{run}", response_model=models.RunDetail, tags=["runs"])
    async def show(run: Number) -> Response:
        """One run: per stream and per account, with every error."""
        return as_json(await control.show(run))

    @api.get("/runs/{run}/events", responses={200: STREAM}, response_class=StreamingResponse, tags=["runs"])
    async def follow(run: Number) -> Response:
        """Follow a run to its `report`, from where it is now."""
        return await event_stream(control.follow(run), stop)

    @api.post("/runs/{run}/cancel", response_model=models.Cancelled, tags=["runs"])
    async def cancel(run: Number) -> Response:
        """End a run after the page it has in hand; the next one goes on from there."""
        return as_json(await control.cancel(run))

    @api.get("/events", responses={200: STREAM}, response_class=StreamingResponse, tags=["runs"])
    async def events() -> Response:
        """What changes, without an end: `sync` (that card is another now), `configuration`, `connection`, and
        `progress` of runs under way, once a second.
        """
        return await event_stream(control.watch(), stop)


def _add_switches(api: APIRouter, control: Control) -> None:
    @api.post("/syncs/{name}/enable", response_model=models.Switched, tags=["switches"])
    async def enable(name: str) -> Response:
        """Let a sync run by its schedule again."""
        return as_json(await control.switch(name, True))

    @api.post("/syncs/{name}/disable", response_model=models.Switched, tags=["switches"])
    async def disable(name: str) -> Response:
        """Keep a sync from running by its schedule, also after restarts and reloads."""
        return as_json(await control.switch(name, False))

    @api.post("/syncs/{name}/resume", response_model=models.Switched, tags=["switches"])
    async def resume(name: str) -> Response:
        """Lift a pause that failures or a refused credential caused."""
        return as_json(await control.resume(name))

    @api.post("/syncs/{name}/reset", response_model=models.ResetDone, tags=["switches"])
    async def reset(name: str, body: ScopeBody) -> Response:
        """Forget cursors: the next run reads everything. Data stays, nothing is duplicated."""
        return as_json(await control.reset(name, body.streams, body.accounts))


def _add_decisions(api: APIRouter, control: Control) -> None:
    @api.get("/syncs/{name}/held", response_model=models.Held, tags=["deletions"])
    async def held(name: str, stream: Names = [], account: Names = []) -> Response:  # noqa: B006 - never changed
        """Held deletions in sets, with examples."""
        return as_json(await control.held(name, stream, account))

    @api.post("/syncs/{name}/approve", response_model=models.Decision, tags=["deletions"])
    async def approve(name: str, body: DecideBody) -> Response:
        """Apply held deletions."""
        return as_json(await control.decide(name, True, body.streams, body.accounts, body.shown))

    @api.post("/syncs/{name}/reject", response_model=models.Decision, tags=["deletions"])
    async def reject(name: str, body: DecideBody) -> Response:
        """Drop held deletions: the records stay until a later full round misses them again."""
        return as_json(await control.decide(name, False, body.streams, body.accounts, body.shown))


def _add_configuration(api: APIRouter, control: Control) -> None:
    @api.post("/plan", response_model=models.Plan, max_body_size=LARGEST_FOLDER, tags=["configuration"])
    async def plan(body: models.FolderBody) -> Response:
        """What this folder would change. Changes nothing."""
        return as_json(await control.plan(body.folder, body.files))

    @api.post("/validate", response_model=models.Validation, max_body_size=LARGEST_FOLDER, tags=["configuration"])
    async def validate(body: models.FolderBody) -> Response:
        """Every problem of this folder, with its place. Reads nothing outside it."""
        return as_json(await control.validate(body.folder, body.files))

    @api.post("/reload", response_model=models.Reloaded, tags=["configuration"])
    async def reload() -> Response:
        """Read the configuration folder again and take it over if it is valid."""
        return as_json(await control.reload())

    @api.get("/schema", tags=["configuration"], response_model=dict[str, Any])
    async def schema(connector: str | None = None) -> Response:
        """JSON Schema of the YAML for editors, or of one connector's settings and stream options."""
        return as_json(control.reports.schema(connector))


def _add_purge(api: APIRouter, control: Control, stop: asyncio.Event) -> None:
    @api.get("/connections/{name}/purge", response_model=models.PurgePreview, tags=["deletions"])
    async def preview(name: str, stream: Names = [], account: Names = []) -> Response:  # noqa: B006 - never changed
        """What a purge would remove, and what it cannot reach. Removes nothing."""
        return as_json(await control.purge_preview(name, account, stream))

    @api.post(
        "/connections/{name}/purge", responses={200: STREAM}, response_class=StreamingResponse, tags=["deletions"]
    )
    async def purge(name: str, body: models.PurgeBody) -> Response:
        """Remove what the preview showed, for good, and follow that to its `report`. It goes on if nobody follows."""
        return await event_stream(control.purge(name, body.accounts, body.streams, body.shown), stop)


def _add_keys(api: APIRouter, control: Control, stop: asyncio.Event) -> None:
    @api.get("/keys", response_model=models.KeyStatus, tags=["keys"])
    async def keys(counts: bool = True) -> Response:
        """Encryption keys by their ids; with `counts` how much lies under each, or in clear."""
        return as_json(await control.keys_status(counts=counts))

    @api.post("/keys/rotate", responses={200: STREAM}, response_class=StreamingResponse, tags=["keys"])
    async def rotate(body: models.RotateBody) -> Response:
        """Seal everything under the first key, and follow that to its `report`. Whoever leaves stops it, and may go on."""
        return await event_stream(control.keys_rotate(data_key=body.data_key), stop)


def _add_data(api: APIRouter, control: Control, stop: asyncio.Event) -> None:
    lines = {"schema": {"type": "string", "description": "One record a line."}}

    @api.get("/records", response_model=models.RecordPage, responses={200: {"content": {NDJSON: lines}}}, tags=["data"])
    async def records(
        request: Request,
        connection: str,
        stream: str,
        account: str | None = None,
        since: Seq = None,
        after: Seq = None,
        deleted: bool = False,
        limit: Annotated[int | None, Query(ge=1, le=MOST)] = None,
    ) -> Response:
        """Records of one stream by `seq`: live ones; with `deleted` tombstones; with `since` every change after that seq.

        With `Accept: application/json` a page of at most `limit` (100, at most 1,000), whose `next` is the `after` of the
        next one; else all of them, or `limit`, one a line.
        """
        query = {"connection": connection, "stream": stream, "account": account, "since": since, "deleted": deleted}
        query["after"] = after
        if not _wants_page(request):
            return await json_lines(control.records(**query, limit=limit), stop)
        return Response(await _page(control, query, min(limit or PAGE, LARGEST_PAGE)), media_type=JSON)

    path = Path(description="The provider's own identifier, verbatim; it may hold slashes.")

    @api.get("/records/{connection}/{stream}/{source_id:path}", response_model=models.Record, tags=["data"])
    async def record(
        connection: str,
        stream: str,
        source_id: Annotated[str, path],
        account: str | None = None,
        partition: str | None = None,
    ) -> Response:
        """One record by its id; a tombstone too. Name `account` or `partition` where several have that id."""
        return Response(await control.record(connection, stream, source_id, account, partition), media_type=JSON)

    @api.get("/blobs/{sha256}", responses={200: BYTES}, response_class=StreamingResponse, tags=["data"])
    async def blob(sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]) -> Response:
        """The content of a mail, file or export, as a download."""
        chunks = await begun(control.blob(sha256))
        headers = {
            "content-disposition": f'attachment; filename="{sha256}"',
            "content-security-policy": "sandbox; default-src 'none'",
        }
        return StreamingResponse(chunks, media_type="application/octet-stream", headers=headers)


def _wants_page(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return JSON in accept and NDJSON not in accept


async def _page(control: Control, query: dict[str, Any], limit: int) -> bytes:
    """One more than asked for is read, to know whether there is a next page."""
    found = [line async for line in control.records(**query, limit=limit + 1)]
    more = len(found) > limit
    last = orjson.loads(found[limit - 1])["seq"] if more else None
    body = b",\n".join(found[:limit])
    return b'{"records": [' + body + b'], "next": ' + (b"null" if last is None else str(last).encode()) + b"}"


async def _named(events: AsyncIterator[dict[str, Any]]) -> Response:
    """The run's first event; the run itself goes on without a watcher."""
    async with aclosing(events) as first:  # type: ignore[type-var]
        return as_json(await anext(first), 202)
