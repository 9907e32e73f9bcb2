"""A served Zoho world and a small HTTP client for it."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from syncd_simulator.clock import SimClock
from syncd_simulator.server import RunningServer, serve
from syncd_simulator.zoho import Editor, User, ZohoWorld, zoho_app


class Site:
    """A world on a clock that stands still, its server, and requests as one of its users (by default the owner)."""

    def __init__(self, world: ZohoWorld, server: RunningServer) -> None:
        self.world, self.url = world, server.url
        self.clock = world.clock
        self.owner = world.owner
        self.editor = Editor(world, 9)
        self.endpoints = world.endpoints(server.url)
        self.http = httpx.Client(timeout=10)

    def bearer(self, user: User | None = None, scopes: list[str] | None = None) -> dict[str, str]:
        """A header with a fresh token; `scopes` None grants all."""
        held = None if scopes is None else frozenset(scopes)
        return {"Authorization": f"Zoho-oauthtoken {self.world.credentials.issue(user or self.owner, held)}"}

    def ask(self, method: str, product: str, path: str, user: User | None = None, **more: Any) -> httpx.Response:
        """Any request; `path` is appended to the product's root."""
        headers = self.bearer(user, more.pop("scopes", None)) | more.pop("headers", {})
        return self.http.request(method, self.endpoints[product] + path, headers=headers, **more)

    def get(self, product: str, path: str, user: User | None = None, **params: Any) -> Any:
        """The JSON of a GET that must answer 200."""
        response = self.ask("GET", product, path, user, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def refused(self, product: str, path: str, method: str = "GET", **more: Any) -> tuple[int, Any]:
        """(status, body) of a request that must fail."""
        response = self.ask(method, product, path, **more)
        assert response.status_code >= 400, response.text
        return response.status_code, response.json()

    @property
    def mail(self) -> str:
        """The path of the owner's mailbox."""
        return f"/api/accounts/{self.owner.account_id}"

    def rows(self, folder: str | None = None, **params: Any) -> list[Any]:
        """One page of a mail listing."""
        params |= {"folderId": folder} if folder else {}
        rows: list[Any] = self.get("mail", f"{self.mail}/messages/view", **params)["data"]
        return rows

    def window(self, first: float = -15, last: float = 15) -> str:
        """The `range` of a window around the world's first day, in days."""
        days = (time.gmtime(self.world.base + day * 86400) for day in (first, last))
        start, end = (time.strftime("%Y%m%d", day) for day in days)
        return f'{{"start":"{start}","end":"{end}"}}'

    def token(self, **form: str) -> httpx.Response:
        """`POST /oauth/v2/token` with the right client; `form` wins."""
        known = self.world.credentials
        body = {"grant_type": "refresh_token", "client_id": known.client_id, "client_secret": known.client_secret}
        if "refresh_token" not in form:
            body["refresh_token"] = known.refresh_token(self.owner)
        return self.http.post(f"{self.endpoints['accounts']}/oauth/v2/token", data=body | form)


@pytest.fixture
def world() -> ZohoWorld:
    """Three people and nothing else; limits are on."""
    world = ZohoWorld(seed=4, clock=SimClock.manual(time.time() // 1))
    world.add_user("Ada", "Lovelace", admin=True)
    world.add_user("Grace", "Hopper")
    world.add_user("Alan", "Turing")
    return world


@pytest.fixture
def site(world: ZohoWorld) -> Iterator[Site]:
    """`world`, served."""
    with serve(zoho_app(world)) as server:
        site = Site(world, server)
        yield site
        site.http.close()
