"""A Microsoft made of canned answers: requests go to a handler, tokens are minted by the way."""

import base64
import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

import httpx
from syncd_microsoft import MicrosoftConnector

from syncd.sdk import Account, Context, Partition, Scan, Secret, Stream
from syncd.testing import FakeClock
from syncd.testing.client import CapturingLog, EngineClient

TENANT = "3f6d0c1e-1111-4000-8000-000000000001"
ANA = Account(id="a0000000-0000-4000-8000-000000000001", address="ana@acme.example")
BOB = Account(id="b0000000-0000-4000-8000-000000000002", address="bob@acme.example")
SECRET = "hush-hush-client-secret"
ROOT = "https://graph.microsoft.com/v1.0"
Handler = Callable[[httpx.Request], httpx.Response]


class Microsoft:
    """Requests seen, and answers by handler. Tokens cost nothing unless `token` says otherwise."""

    def __init__(self, **settings: Any) -> None:
        self.settings: dict[str, Any] = {
            "tenant": TENANT,
            "client_id": "9a000000-0000-4000-8000-000000000009",
            "client_secret": Secret(lambda: SECRET, "${env:M365}"),
            **settings,
        }
        self.requests: list[httpx.Request] = []
        self.token_requests: list[httpx.Request] = []
        self.signed: list[str | None] = []
        self.answer: Handler = lambda request: httpx.Response(404, json=error("ErrorItemNotFound"))
        self.token: Handler = lambda request: httpx.Response(
            200,
            json={
                "token_type": "Bearer",
                "expires_in": 3599,
                "ext_expires_in": 3599,
                "access_token": f"eyJ.{len(self.token_requests)}",
            },
        )
        self.connector = MicrosoftConnector()
        self.clock = FakeClock()
        self.log = CapturingLog()
        self.auth = self.connector.auth(self.settings)
        self.tries = 1

    def client(self, account: Account | None, stream: str | None) -> EngineClient:
        transport = httpx.MockTransport(self._handle)
        return EngineClient(
            self.connector,
            self.settings,
            self.auth,
            transport,
            self.clock,
            account=account,
            stream=stream,
            tries=self.tries,
        )

    def _handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/oauth2/v2.0/token"):
            self.token_requests.append(request)
            return self.token(request)
        self.requests.append(request)
        self.signed.append(request.headers.get("authorization"))
        return self.answer(request)

    def stream(self, name: str) -> Stream:
        return next(stream for stream in self.connector.streams() if stream.info.name == name)

    def context(self, account: Account | None = ANA, stream: str | None = None, **more: Any) -> Context:
        more.setdefault("partition", Partition("F1"))
        more.setdefault("scan", Scan.FULL)
        return Context(
            self.client(account, stream), self.clock, self.log, settings=self.settings, account=account, **more
        )

    async def pages(self, name: str, **more: Any) -> list[Any]:
        return [page async for page in self.stream(name).pages(self.context(stream=name, **more))]

    async def partitions(self, name: str, **more: Any) -> list[Partition]:
        return list(await self.stream(name).partitions(self.context(stream=name, partition=None, **more)))

    async def get(self, name: str, ids: Iterable[str], **more: Any) -> list[Any]:
        return [item async for item in self.stream(name).get(self.context(stream=name, **more), list(ids))]

    async def accounts(self, **more: Any) -> list[Any]:
        return [one async for one in self.connector.accounts(self.context(None, partition=None, **more))]

    def replies(self, *answers: httpx.Response) -> None:
        """Give these answers, one after the other."""
        waiting = list(answers)
        self.answer = lambda request: waiting.pop(0)

    def routes(self, table: dict[str, Any]) -> None:
        """Answer by path with query below the version root; batches are taken apart. 404 for the rest."""

        def one(where: str) -> httpx.Response:
            found = table.get(where)
            if found is None:
                found = table.get(where.split("?")[0])
            if callable(found):
                found = found(where)
            if found is None:
                return httpx.Response(404, json=error("ErrorItemNotFound"))
            return found if isinstance(found, httpx.Response) else httpx.Response(200, json=found)

        self.answer = lambda request: batched(request, one) if is_batch(request) else one(where(request))


def where(request: httpx.Request) -> str:
    """The path with query below the version root, unquoted."""
    return unquote(str(request.url).split("/v1.0", 1)[1])


def is_batch(request: httpx.Request) -> bool:
    return request.url.path.endswith("/$batch")


def items_of(request: httpx.Request) -> list[dict[str, Any]]:
    return list(json.loads(request.content)["requests"])


def batched(request: httpx.Request, one: Callable[[str], httpx.Response]) -> httpx.Response:
    """A batch answered as §12 says: dependants of a failed item get 424, answers come in another order."""
    done: dict[str, int] = {}
    responses = []
    for item in items_of(request):
        broken = any(done.get(other, 0) >= 400 for other in item.get("dependsOn", ()))
        answer = (
            httpx.Response(424, json=error("FailedDependency"))
            if broken
            else one(unquote("/" + item["url"].lstrip("/")))
        )
        done[item["id"]] = answer.status_code
        is_json = "json" in answer.headers.get("content-type", "")
        body = answer.json() if is_json else base64.b64encode(answer.content).decode()
        responses.append(
            {"id": item["id"], "status": answer.status_code, "headers": dict(answer.headers), "body": body}
        )
    return httpx.Response(200, json={"responses": responses[::-1]})


def error(code: str, message: str = "", **inner: Any) -> dict[str, Any]:
    """An error body of Graph."""
    found: dict[str, Any] = {"code": code, "message": message}
    if inner:
        found["innerError"] = inner
    return {"error": found}


def fail(status: int, code: str, message: str = "", headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.Response(status, json=error(code, message), headers=headers)


def knowing(**tags: str | None) -> dict[str, Any]:
    """For `context`: a mirror that holds these ids."""

    async def lookup(ids: Any) -> dict[str, str | None]:
        return {one: tags[one] for one in ids if one in tags}

    return {"lookup": lookup}
