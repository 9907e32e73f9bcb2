"""Control through the daemon's socket: the same methods as `syncd.control.Control`, over HTTP.

Public: Remote, answering.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from syncd.control.errors import BUSY, CREDENTIAL, FAILED, ControlError, unknown
from syncd.sdk.http import httpx

__all__ = ["Remote", "answering"]

CONNECT = 5.0  # seconds


async def answering(socket: Path) -> bool:
    """Whether a daemon listens there. Raises ControlError if one may, and this user is not allowed to ask."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_unix_connection(socket), CONNECT)
    except PermissionError as error:
        raise ControlError(
            f"not allowed to talk to the daemon at {socket}",
            code="SYN-STATE-002",
            hint="run as root (sudo) or as a member of the daemon's group",
        ) from error
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


class Remote:
    """A daemon that answers on a unix socket. `tokens`: those that may open it, the likeliest first."""

    local = False

    def __init__(self, socket: Path, tokens: Iterable[str]) -> None:
        self._tokens = list(tokens)
        transport = httpx.AsyncHTTPTransport(uds=str(socket))
        timeout = httpx.Timeout(None, connect=CONNECT)  # an import may take minutes; the daemon decides
        self._http = httpx.AsyncClient(transport=transport, base_url="http://syncd/api/v1", timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def status(self) -> Any:
        return await self._get("/status")

    async def import_accounts(self, connection: str) -> Any:
        return await self._post(f"/connections/{_part(connection)}/import")

    async def accounts(self, connection: str) -> Any:
        return await self._get(f"/connections/{_part(connection)}/accounts")

    async def startable(self, names: Sequence[str], streams: Sequence[str] = ()) -> None:
        for name in names:
            card = await self._get(f"/syncs/{_part(name)}")
            known = [one["stream"] for one in card["streams"]]
            for stream in streams:
                if stream not in known:
                    raise unknown(f"stream of {name}", stream, known)

    def sync(
        self,
        name: str,
        *,
        streams: Sequence[str] = (),
        accounts: Sequence[str] = (),
        full: bool = False,
        dry_run: bool = False,
    ) -> AsyncIterator[dict[str, Any]]:
        body = {"streams": list(streams), "accounts": list(accounts), "full": full, "dry_run": dry_run}
        return self._events("POST", f"/syncs/{_part(name)}/runs", body)

    def follow(self, run: int) -> AsyncIterator[dict[str, Any]]:
        return self._events("GET", f"/runs/{run}/events", None)

    async def history(self, sync: str, limit: int = 50, before: int | None = None) -> Any:
        return await self._get(f"/syncs/{_part(sync)}/runs", limit=limit, before=before)

    async def show(self, run: int) -> Any:
        return await self._get(f"/runs/{run}")

    async def switch(self, sync: str, on: bool) -> Any:
        return await self._post(f"/syncs/{_part(sync)}/{'enable' if on else 'disable'}")

    async def resume(self, sync: str) -> Any:
        return await self._post(f"/syncs/{_part(sync)}/resume")

    async def cancel(self, run: int) -> Any:
        return await self._post(f"/runs/{run}/cancel")

    async def reset(self, sync: str, streams: Sequence[str] = (), accounts: Sequence[str] = ()) -> Any:
        return await self._post(f"/syncs/{_part(sync)}/reset", {"streams": list(streams), "accounts": list(accounts)})

    async def held(self, sync: str, streams: Sequence[str] = (), accounts: Sequence[str] = ()) -> Any:
        return await self._get(f"/syncs/{_part(sync)}/held", stream=list(streams), account=list(accounts))

    async def decide(
        self,
        sync: str,
        approve: bool,
        streams: Sequence[str] = (),
        accounts: Sequence[str] = (),
        shown: str | None = None,
    ) -> Any:
        body = {"streams": list(streams), "accounts": list(accounts), "shown": shown}
        return await self._post(f"/syncs/{_part(sync)}/{'approve' if approve else 'reject'}", body)

    async def records(self, **query: Any) -> AsyncIterator[bytes]:
        async with self._open("GET", "/records", params=_given(query)) as answer:
            async for line in _lines(answer):
                yield line

    async def blob(self, sha256: str) -> AsyncIterator[bytes]:
        async with self._open("GET", f"/blobs/{_part(sha256)}") as answer:
            async for chunk in answer.aiter_bytes():
                yield chunk

    async def check(self, connection: str | None = None) -> Any:
        return await self._post("/check", {"connection": connection})

    async def keys_status(self, *, counts: bool = True) -> Any:
        return await self._get("/keys", counts="true" if counts else "false")

    def keys_rotate(self, *, data_key: bool = False) -> AsyncIterator[dict[str, Any]]:
        return self._events("POST", "/keys/rotate", {"data_key": data_key})

    async def purge_preview(self, connection: str, accounts: Sequence[str] = (), streams: Sequence[str] = ()) -> Any:
        return await self._get(f"/connections/{_part(connection)}/purge", account=list(accounts), stream=list(streams))

    def purge(
        self, connection: str, accounts: Sequence[str] = (), streams: Sequence[str] = (), shown: str | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        body = {"accounts": list(accounts), "streams": list(streams), "shown": shown}
        return self._events("POST", f"/connections/{_part(connection)}/purge", body)

    async def notices(self) -> Any:
        return await self._get("/notices")

    async def notify_test(self) -> Any:
        return await self._post("/notices/test")

    async def plan(self, folder: str, files: Mapping[str, str]) -> Any:
        return await self._post("/plan", {"folder": folder, "files": dict(files)})

    # -- inside

    async def _get(self, path: str, **query: Any) -> Any:
        return await self._call("GET", path, params=_given(query))

    async def _post(self, path: str, body: Any = None) -> Any:
        return await self._call("POST", path, json={} if body is None else body)

    async def _call(self, method: str, path: str, **more: Any) -> Any:
        async with self._open(method, path, **more) as answer:
            return json.loads(await answer.aread())

    async def _events(self, method: str, path: str, body: Any) -> AsyncIterator[dict[str, Any]]:
        headers = {"accept": "text/event-stream"}
        async with self._open(method, path, json=body, headers=headers) as answer:
            async for line in _lines(answer):
                if line.startswith(b"data:"):
                    event = json.loads(line[5:])
                    if event["event"] == "error":
                        raise _error(event)
                    yield event

    @asynccontextmanager
    async def _open(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> AsyncIterator["httpx.Response"]:
        """The daemon's answer. Its refusals raise ControlError."""
        try:
            answer = await self._answered(method, path, headers or {}, more)
            async with aclosing(answer):
                if answer.status_code >= 400:
                    raise _refusal(answer.status_code, await answer.aread())
                yield answer
        except httpx.TransportError as error:
            raise ControlError(
                "the daemon went away in the middle of the answer",
                code="SYN-RUN-002",
                hint="see its log (journalctl -u syncd), then ask again",
                exit_code=BUSY,
            ) from error

    async def _answered(
        self, method: str, path: str, headers: Mapping[str, str], more: Mapping[str, Any]
    ) -> "httpx.Response":
        """The answer to the first token that the daemon takes, which is the one to use from then on."""
        plain = [(name.encode(), value.encode()) for name, value in headers.items()]
        for token in [*self._tokens] or [""]:
            bearer = [(b"authorization", f"Bearer {token}".encode())] if token else []
            request = self._http.build_request(method, path, headers=[*plain, *bearer], **more)
            answer = await self._http.send(request, stream=True)
            if answer.status_code != 401:
                self._tokens = [token]
                return answer
            await answer.aclose()
        raise ControlError(
            "the daemon takes none of the tokens that this command can read" if token else "the daemon needs its token",
            code="SYN-API-001",
            hint="set SYNCD_TOKEN, name the daemon's folder with --config, or run as the daemon's user (sudo)",
            exit_code=CREDENTIAL,
        )


async def _lines(answer: "httpx.Response") -> AsyncIterator[bytes]:
    """Lines that end in \\n and nothing else (httpx's own way also breaks at U+2028, which JSON may contain)."""
    rest = b""
    async for chunk in answer.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
    if rest:
        yield rest


def _part(name: str) -> str:
    return quote(name, safe="")


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value not in (None, [], (), False)}


def _refusal(status: int, body: bytes) -> ControlError:
    try:
        return _error(json.loads(body))
    except (ValueError, TypeError, KeyError):
        return ControlError(f"the daemon answered {status}", hint="is it of the same version as this command?")


def _error(body: Mapping[str, Any]) -> ControlError:
    return ControlError(
        str(body["message"]),
        code=str(body.get("code", "")),
        hint=str(body.get("hint", "")),
        exit_code=int(body.get("exit_code", FAILED)),
        problems=body.get("problems", ()),
    )
