"""A served world and a small HTTP client for it."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
from syncd_simulator import Editor, GoogleWorld, RunningServer, SimClock, User, google_app, serve, tiny_organisation
from syncd_simulator.google.auth import KNOWN_SCOPES

EVERYTHING = [scope for scope in KNOWN_SCOPES if not scope.endswith("gmail.metadata")]


class Site:
    """A world, its server, and requests as one of its users."""

    def __init__(self, world: GoogleWorld, server: RunningServer) -> None:
        self.world, self.url = world, server.url
        self.clock = world.clock
        self.editor = Editor(world, 9)
        self.admin = next(iter(world.users.values()))
        self.http = httpx.Client(base_url=server.url)
        self._tokens: dict[tuple[str, float], str] = {}

    def bearer(self, user: User | None = None, scopes: list[str] | None = None) -> dict[str, str]:
        """A header with a fresh token."""
        user = user or self.admin
        token = self.world.credentials.issue(user, frozenset(EVERYTHING if scopes is None else scopes))
        return {"Authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str, user: User | None = None, **more: Any) -> httpx.Response:
        """Any request."""
        headers = self.bearer(user) | more.pop("headers", {})
        return self.http.request(method, path, headers=headers, **more)

    def get(self, path: str, user: User | None = None, **params: Any) -> Any:
        """The JSON of a GET that must succeed."""
        response = self.ask("GET", path, user, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def refused(self, path: str, user: User | None = None, method: str = "GET", **more: Any) -> tuple[int, Any]:
        """(status, error object) of a request that must fail."""
        response = self.ask(method, path, user, **more)
        assert response.status_code >= 400, response.text
        assert response.status_code == response.json()["error"]["code"]
        return response.status_code, response.json()["error"]

    def all_pages(self, path: str, key: str, user: User | None = None, **params: Any) -> tuple[list[Any], Any]:
        """Every item of a list, and the last page."""
        items, page = [], {"nextPageToken": None}
        while "nextPageToken" in page:
            token = {"pageToken": page["nextPageToken"]} if page["nextPageToken"] else {}
            page = self.get(path, user, **(params | token))
            items += page.get(key, [])
        return items, page

    def assertion(self, **claims: Any) -> str:
        """A signed assertion; `iat` and `exp` count in seconds from the site's now, claims given as None are left out."""
        key = self.world.key_file(f"{self.url}/token")
        now = int(self.clock.time())
        kid, alg = claims.pop("kid", key["private_key_id"]), claims.pop("alg", "RS256")
        secret = claims.pop("key", key["private_key"])
        body = {
            "iss": key["client_email"], "scope": "https://www.googleapis.com/auth/contacts.readonly",
            "aud": "https://oauth2.googleapis.com/token", "sub": self.admin.address, "iat": 0, "exp": 3600,
        } | claims  # fmt: skip
        body = {name: value for name, value in body.items() if value is not None}
        body |= {name: now + body[name] for name in ("iat", "exp") if name in body}
        return jwt.encode(body, secret, alg, headers={"kid": kid})

    def token(self, **claims: Any) -> httpx.Response:
        """`POST /token` with an assertion."""
        return self.grant(grant_type="urn:ietf:params:oauth:grant-type:jwt-bearer", assertion=self.assertion(**claims))

    def grant(self, **form: str) -> httpx.Response:
        """`POST /token` with a form."""
        return self.http.post("/token", data=form)


@pytest.fixture
def site() -> Iterator[Site]:
    """A tiny organisation on a clock that stands still, served."""
    world = tiny_organisation(seed=4, clock=SimClock.manual(time.time()))
    with serve(google_app(world)) as server:
        site = Site(world, server)
        yield site
        site.http.close()
