"""`/api/v1`: the command line over HTTP, one to one.

Public: create_app. Errors are JSON `{code, message, hint, exit_code}`; progress of runs is server-sent events, each
`data:` line one object with `event`, the last one `report`; records are NDJSON.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from syncd.control.control import Control
from syncd.control.errors import BUSY, CREDENTIAL, USAGE, ControlError
from syncd.sdk import redact

__all__ = ["create_app"]

T = TypeVar("T")
Names = Annotated[list[str], Query()]


class RunBody(BaseModel):
    """What a run covers; empty lists mean all."""

    streams: list[str] = []
    accounts: list[str] = []
    full: bool = False
    dry_run: bool = False


class ScopeBody(BaseModel):
    streams: list[str] = []
    accounts: list[str] = []


class DecideBody(ScopeBody):
    """`shown`: as `held` gave it; the decision is refused if something else is held by now."""

    shown: str | None = None


class CheckBody(BaseModel):
    connection: str | None = None


class PlanBody(BaseModel):
    """A configuration folder: where it stands, and its files, relative path → text."""

    folder: str
    files: dict[str, str]


class Refusal(BaseModel):
    """Every error."""

    code: str
    message: str
    hint: str
    exit_code: int


def create_app(control: Control, stop: asyncio.Event, version: str) -> FastAPI:
    """The app. Streams end when `stop` is set."""
    app = FastAPI(title="syncd", version=version, docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json")
    app.add_exception_handler(ControlError, _refuse)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)
    api = APIRouter(prefix="/api/v1", responses={"4XX": {"model": Refusal}})
    _add_reports(api, control)
    _add_runs(api, control, stop)
    _add_controls(api, control)
    _add_data(api, control, stop)
    app.include_router(api)
    return app


def _add_reports(api: APIRouter, control: Control) -> None:
    @api.get("/status")
    async def status() -> Any:
        return await control.status()

    @api.get("/problems")
    async def problems() -> Any:
        return (await control.status())["problems"]

    @api.get("/connectors")
    async def connectors() -> Any:
        return control.connectors()

    @api.get("/connections/{name}/accounts")
    async def accounts(name: str) -> Any:
        return await control.accounts(name)

    @api.get("/syncs/{name}/runs")
    async def history(name: str, limit: Annotated[int, Query(ge=1, le=1000)] = 50, before: int | None = None) -> Any:
        return await control.history(name, limit, before)

    @api.get("/runs/{run}")
    async def show(run: int) -> Any:
        return await control.show(run)

    @api.get("/syncs/{name}/held")
    async def held(name: str, stream: Names = [], account: Names = []) -> Any:  # noqa: B006 - never changed
        return await control.held(name, stream, account)


def _add_runs(api: APIRouter, control: Control, stop: asyncio.Event) -> None:
    @api.post("/syncs/{name}/runs", status_code=202)
    async def start(name: str, body: RunBody, request: Request) -> Response:
        """Start a run. With `Accept: text/event-stream` the answer follows it, else it names it."""
        events = control.sync(name, **body.model_dump())
        return await _started(events, stop) if _wants_events(request) else await _named(events)

    @api.get("/runs/{run}/events")
    async def events(run: int) -> Response:
        return await _started(control.follow(run), stop)

    @api.post("/runs/{run}/cancel")
    async def cancel(run: int) -> Any:
        return await control.cancel(run)


def _add_controls(api: APIRouter, control: Control) -> None:
    @api.post("/connections/{name}/import")
    async def import_accounts(name: str) -> Any:
        return await control.import_accounts(name)

    @api.post("/check")
    async def check(body: CheckBody) -> Any:
        return await control.check(body.connection)

    @api.post("/syncs/{name}/enable")
    async def enable(name: str) -> Any:
        return await control.switch(name, True)

    @api.post("/syncs/{name}/disable")
    async def disable(name: str) -> Any:
        return await control.switch(name, False)

    @api.post("/syncs/{name}/resume")
    async def resume(name: str) -> Any:
        return await control.resume(name)

    @api.post("/syncs/{name}/reset")
    async def reset(name: str, body: ScopeBody) -> Any:
        return await control.reset(name, body.streams, body.accounts)

    @api.post("/syncs/{name}/approve")
    async def approve(name: str, body: DecideBody) -> Any:
        return await control.decide(name, True, body.streams, body.accounts, body.shown)

    @api.post("/syncs/{name}/reject")
    async def reject(name: str, body: DecideBody) -> Any:
        return await control.decide(name, False, body.streams, body.accounts, body.shown)

    @api.post("/plan")
    async def plan(body: PlanBody) -> Any:
        return await control.plan(body.folder, body.files)

    @api.post("/reload")
    async def reload() -> Any:
        return await control.reload()


def _add_data(api: APIRouter, control: Control, stop: asyncio.Event) -> None:
    @api.get("/records")
    async def records(
        connection: str,
        stream: str,
        account: str | None = None,
        since: Annotated[int | None, Query(ge=0)] = None,
        deleted: bool = False,
        limit: Annotated[int | None, Query(ge=1)] = None,
    ) -> Response:
        lines = control.records(
            connection=connection, stream=stream, account=account, since=since, deleted=deleted, limit=limit
        )
        return StreamingResponse(_lines(await _begun(lines), stop), media_type="application/x-ndjson")

    @api.get("/blobs/{sha256}")
    async def blob(sha256: str) -> Response:
        headers = {"content-disposition": "attachment", "x-content-type-options": "nosniff"}
        headers["content-security-policy"] = "sandbox; default-src 'none'"
        chunks = await _begun(control.blob(sha256))
        return StreamingResponse(chunks, media_type="application/octet-stream", headers=headers)


def _wants_events(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "")


async def _named(events: AsyncIterator[dict[str, Any]]) -> Response:
    """The run's first event; the run itself goes on without a watcher."""
    async with aclosing(events) as first:  # type: ignore[type-var]
        return JSONResponse(await anext(first), status_code=202)


async def _started(events: AsyncIterator[dict[str, Any]], stop: asyncio.Event) -> Response:
    """Follow the run; what keeps it from starting is an HTTP error, not a stream that ends with one."""
    stream = _events(await _begun(events), stop)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"cache-control": "no-store"})


async def _begun(source: AsyncIterator[T]) -> AsyncIterator[T]:
    """The same iterator, once its first element is there: errors before that reach the caller as such."""
    try:
        first = [await anext(source)]
    except StopAsyncIteration:
        first = []
    return _chained(first, source)


async def _chained(first: list[T], rest: AsyncIterator[T]) -> AsyncIterator[T]:
    for element in first:
        yield element
    async for element in rest:
        yield element


async def _events(events: AsyncIterator[dict[str, Any]], stop: asyncio.Event) -> AsyncIterator[bytes]:
    try:
        async for event in _until(stop, events):
            yield b"data: " + redact(json.dumps(event)).encode() + b"\n\n"
    except ControlError as error:
        yield b"data: " + json.dumps({"event": "error", **error.to_json()}).encode() + b"\n\n"


async def _lines(lines: AsyncIterator[bytes], stop: asyncio.Event) -> AsyncIterator[bytes]:
    """Many lines per chunk: a chunk costs far more than a line."""
    batch = bytearray()
    async for line in lines:
        batch += line
        batch += b"\n"
        if len(batch) >= 1 << 16:
            yield bytes(batch)
            batch.clear()
            if stop.is_set():
                raise ControlError("the daemon is stopping")  # a cut answer must not look complete
    yield bytes(batch)


async def _until(stop: asyncio.Event, source: AsyncIterator[T]) -> AsyncIterator[T]:
    """Elements of `source` until it ends or `stop` is set."""
    stopped = asyncio.ensure_future(stop.wait())
    try:
        while True:
            following = asyncio.ensure_future(anext(source))
            await asyncio.wait({following, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                following.cancel()
                with suppress(asyncio.CancelledError, StopAsyncIteration):
                    await following
                return
            try:
                yield following.result()
            except StopAsyncIteration:
                return
    finally:
        stopped.cancel()


STATUS = {"SYN-CONF-002": 404, "SYN-RUN-003": 409, "SYN-FEED-001": 410, "SYN-CONF-001": 422}


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, ControlError)
    by_exit = {USAGE: 422, BUSY: 503, CREDENTIAL: 502}
    status = error.status or STATUS.get(error.code) or by_exit.get(error.exit_code, 500)
    return _answer(status, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    places = "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors())
    return _answer(422, ControlError(places, hint="see /api/v1/openapi.json", exit_code=USAGE))


async def _unexpected(request: Request, error: Exception) -> Response:
    message = redact(f"unexpected {type(error).__name__}: {' '.join(str(error).split())}")
    return _answer(500, ControlError(message, hint="the daemon's log has the traceback"))


def _answer(status: int, error: ControlError) -> Response:
    return Response(redact(json.dumps(error.to_json())), status_code=status, media_type="application/json")
