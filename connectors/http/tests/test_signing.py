"""How requests sign in, and what refusals mean."""

from typing import Any

import httpx
import pytest

from syncd.sdk import AuthFailed, ProtocolError, RateLimited, Secret, Transient

from .desk import Desk, secret

THINGS = {"path": "/things", "id": "id"}
TOKEN = "https://login.example/token"
CLIENT = {"token_url": TOKEN, "client_id": "me", "client_secret": secret("the-client-secret")}

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def form(request: httpx.Request) -> dict[str, str]:
    return dict(httpx.QueryParams(request.content.decode()).multi_items())


class Login:
    """A token endpoint: `answers` one after the other, the last for good. Tokens are good unless `refused`."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.refused: set[str] = set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.host != "login.example":
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            return httpx.Response(401 if token in self.refused else 200, json=[])
        self.asked.append(request)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return found if isinstance(found, httpx.Response) else httpx.Response(200, json=found)


def desk_of(login: Any, **auth: Any) -> Desk:
    return Desk({"things": THINGS}, login, auth=auth)


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ({"bearer": secret("tok-1\n")}, "authorization", "Bearer tok-1"),
        ({"basic": {"username": "me", "password": secret("pw")}}, "authorization", "Basic bWU6cHc="),
        ({"header": {"name": "X-Key", "value": secret("k1")}}, "x-key", "k1"),
        ({"header": {"name": "Authorization", "prefix": "Token ", "value": secret("k1")}}, "authorization", "Token k1"),
    ],
)
async def test_each_way_to_sign_in_stands_in_its_header(auth: dict[str, Any], header: str, value: str) -> None:
    desk = desk_of(lambda _: httpx.Response(200, json=[]), **auth)
    await desk.pages()
    assert desk.asked[0].headers[header] == value


async def test_a_key_may_stand_in_the_query() -> None:
    desk = desk_of(lambda _: httpx.Response(200, json=[]), query={"name": "api_key", "value": secret("a&b")})
    await desk.pages()
    assert str(desk.asked[0].url).endswith("/things?api_key=a%26b")


async def test_a_key_that_comes_back_in_a_link_is_not_kept() -> None:
    things = {"path": "/things", "records": "items", "id": "id", "pagination": {"next_link": {"path": "next"}}}

    def answer(request: httpx.Request) -> httpx.Response:
        more = "at=2" not in str(request.url)
        return httpx.Response(200, json={"items": [], "next": f"{request.url}&at=2" if more else None})

    desk = Desk({"things": things}, answer, auth={"query": {"name": "api_key", "value": secret("a-key-123")}})
    first, _ = await desk.pages()
    assert "a-key-123" not in str(first.resume)
    assert dict(desk.asked[1].url.params) == {"api_key": "a-key-123", "at": "2"}


async def test_a_401_refuses_the_credential() -> None:
    with pytest.raises(AuthFailed):
        await desk_of(lambda _: httpx.Response(401), bearer=secret("tok-123")).pages()


@pytest.mark.parametrize("value", ["", "two\nlines", "kl\u00e9"])
async def test_a_secret_that_no_header_can_hold_is_told_without_it(value: str) -> None:
    desk = desk_of(lambda _: httpx.Response(200, json=[]), bearer=secret(value))
    with pytest.raises(AuthFailed) as raised:
        await desk.pages()
    assert not value or value not in str(raised.value)
    assert desk.asked == []


async def test_a_secret_that_is_gone_refuses_the_credential() -> None:
    def gone() -> str:
        raise OSError(2, "No such file or directory")

    with pytest.raises(AuthFailed, match="No such file"):
        await desk_of(lambda _: httpx.Response(200, json=[]), bearer=Secret(gone, "${file:x}")).pages()


async def test_client_credentials_give_one_token_for_many_requests() -> None:
    login = Login({"access_token": "at-1", "expires_in": 3600})
    desk = desk_of(login, oauth2={**CLIENT, "scope": "read", "params": {"audience": "x"}})
    await desk.pages()
    await desk.pages()
    assert [form(one) for one in login.asked] == [
        {"grant_type": "client_credentials", "client_id": "me", "client_secret": "the-client-secret", "scope": "read", "audience": "x"}
    ]  # fmt: skip
    assert desk.asked[-1].headers["authorization"] == "Bearer at-1"


async def test_the_client_may_say_who_it_is_by_basic() -> None:
    login = Login({"access_token": "at-1"})
    await desk_of(login, oauth2={**CLIENT, "client_in": "basic"}).pages()
    assert login.asked[0].headers["authorization"].startswith("Basic ")
    assert form(login.asked[0]) == {"grant_type": "client_credentials"}


async def test_a_refused_token_leads_to_a_fresh_one() -> None:
    login = Login({"access_token": "at-1"}, {"access_token": "at-2"})
    login.refused.add("at-1")
    await desk_of(login, oauth2=CLIENT).pages()
    assert len(login.asked) == 2


async def test_a_rotated_refresh_token_is_kept_and_used_until_another_is_configured() -> None:
    login = Login({"access_token": "at-1", "refresh_token": "rt-2"}, {"access_token": "at-2"})
    desk = desk_of(login, oauth2={**CLIENT, "refresh_token": secret("rt-1")})
    await desk.pages()
    assert form(login.asked[0])["refresh_token"] == "rt-1"
    desk.auth.forget()
    await desk.pages()
    assert form(login.asked[1])["refresh_token"] == "rt-2"
    other = desk_of(login, oauth2={**CLIENT, "refresh_token": secret("rt-9")})
    other.auth.vault = desk.auth.vault
    await other.pages()
    assert form(login.asked[2])["refresh_token"] == "rt-9"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(400, json={"error": "invalid_client"}), AuthFailed),
        (httpx.Response(401), AuthFailed),
        (httpx.Response(200, json={"error": "invalid_grant"}), AuthFailed),
        (httpx.Response(200, json={"access_token": 7}), ProtocolError),
        (httpx.Response(200, json={"access_token": "two\nlines"}), ProtocolError),
        (httpx.Response(200, content=b"<html>"), ProtocolError),
        (httpx.Response(429, headers={"Retry-After": "3"}), RateLimited),
        (httpx.Response(502), Transient),
    ],
)
async def test_what_the_token_endpoint_says_is_understood(answer: httpx.Response, error: type[Exception]) -> None:
    with pytest.raises(error):
        await desk_of(Login(answer), oauth2=CLIENT).pages()


async def test_an_error_of_the_token_endpoint_is_named_and_its_text_is_not() -> None:
    answer = httpx.Response(400, json={"error": "invalid_grant", "error_description": "the-client-secret is wrong"})
    with pytest.raises(AuthFailed) as raised:
        await desk_of(Login(answer), oauth2=CLIENT).pages()
    assert "invalid_grant" in str(raised.value)
    assert "the-client-secret" not in str(raised.value)


def test_credentials_may_go_to_the_api_and_to_the_token_endpoint_only() -> None:
    desk = desk_of(Login({}), oauth2=CLIENT)
    assert desk.connector.origins(desk.settings) == ["https://api.example", "https://login.example"]
    assert desk.connector.downloads(desk.settings) == []
