"""The loopback server: what ASGI has no word for."""

import httpx
from starlette.types import Receive, Scope, Send
from syncd_simulator import serve


async def told(scope: Scope, receive: Receive, send: Send) -> None:
    more = {"reason": "INVALID_OAUTHSCOPE"} if scope["path"] == "/scope" else {}
    await send({"type": "http.response.start", "status": 401, "headers": [(b"x-kept", b"yes")], **more})
    await send({"type": "http.response.body", "body": b"no"})


def test_an_application_chooses_the_reason_phrase_of_one_answer() -> None:
    with serve(told) as server, httpx.Client(base_url=server.url) as client:
        answers = [client.get(path) for path in ("/scope", "/other", "/scope")]
    assert [one.reason_phrase for one in answers] == ["INVALID_OAUTHSCOPE", "Unauthorized", "INVALID_OAUTHSCOPE"]
    assert {(one.status_code, one.text, one.headers["x-kept"]) for one in answers} == {(401, "no", "yes")}
