"""A served Microsoft world and a small HTTP client for it."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from syncd_simulator.clock import SimClock
from syncd_simulator.microsoft import Editor, MicrosoftWorld, User, microsoft_app, tiny_microsoft
from syncd_simulator.server import RunningServer, serve

IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}


class Round:
    """One finished delta round: `items` in the order they came, `link` to the next, `pages`."""

    def __init__(self, items: list[Any], link: str, pages: list[Any]) -> None:
        self.items, self.link, self.pages = items, link, pages

    @property
    def last(self) -> dict[str, Any]:
        """The last occurrence of each id."""
        return {item["id"]: item for item in self.items}

    @property
    def removed(self) -> set[str]:
        """Ids whose last occurrence is a tombstone."""
        return {key for key, item in self.last.items() if "@removed" in item}


class Site:
    """A world, its server, and requests of the app."""

    def __init__(self, world: MicrosoftWorld, server: RunningServer) -> None:
        self.world, self.url, self.clock = world, server.url, world.clock
        self.editor = Editor(world, 9)
        self.ada, self.grace, self.alan = list(world.users.values())[:3]
        self.http = httpx.Client(base_url=server.url)
        self._token: tuple[float, str] = (0.0, "")

    def bearer(self, user: User | None = None) -> dict[str, str]:
        """A header with a token that lives."""
        if user is not None:
            return {"Authorization": f"Bearer {self.world.credentials.issue(user)}"}
        if self._token[0] <= self.world.now():
            self._token = (self.world.now() + 3000, self.world.credentials.issue())
        return {"Authorization": f"Bearer {self._token[1]}"}

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Any request; `path` is below /v1.0, or a whole URL."""
        url = path if path.startswith("http") else self.url + "/v1.0" + path
        headers = self.bearer() | more.pop("headers", {})
        return self.http.request(method, url, headers=headers, **more)

    def get(self, path: str, headers: dict[str, str] | None = None, **params: Any) -> Any:
        """The JSON of a GET that must succeed."""
        response = self.ask("GET", path, headers=headers or {}, **({"params": params} if params else {}))
        assert response.status_code == 200, response.text
        return response.json()

    def refused(self, path: str, method: str = "GET", **more: Any) -> tuple[int, Any]:
        """(status, error object) of a request that must fail."""
        response = self.ask(method, path, **more)
        assert response.status_code >= 400, response.text
        return response.status_code, response.json()["error"]

    def everything(self, path: str, headers: dict[str, str] | None = None) -> list[Any]:
        """Every item of a plain list."""
        items, link = [], path
        while link:
            page = self.get(link, headers)
            items += page["value"]
            link = page.get("@odata.nextLink", "")
        return items

    def round(self, path: str, headers: dict[str, str] | None = None) -> Round:
        """A whole delta round with immutable ids unless `headers` say otherwise."""
        items, pages = [], []
        link = path
        while True:
            page = self.get(link, IMMUTABLE if headers is None else headers)
            pages.append(page)
            items += page["value"]
            assert ("@odata.nextLink" in page) != ("@odata.deltaLink" in page)
            if "@odata.deltaLink" in page:
                return Round(items, page["@odata.deltaLink"], pages)
            link = page["@odata.nextLink"]

    def batch(self, *requests: dict[str, Any]) -> dict[str, Any]:
        """Responses of a batch by id."""
        answer = self.ask("POST", "/$batch", json={"requests": list(requests)})
        assert answer.status_code == 200, answer.text
        return {response["id"]: response for response in answer.json()["responses"]}

    def token(self, tenant: str | None = None, **form: str) -> httpx.Response:
        """`POST /{tenant}/oauth2/v2.0/token`."""
        return self.http.post(f"/{tenant or self.world.tenant}/oauth2/v2.0/token", data=form)

    def inbox(self, user: User | None = None) -> str:
        """Path of messages in an inbox."""
        box = (user or self.ada).mailbox
        return f"/users/{(user or self.ada).id}/mailFolders/{box.well_known['inbox']}/messages"

    def contacts(self, user: User | None = None) -> str:
        """Path of contacts in the default folder."""
        user = user or self.ada
        return f"/users/{user.id}/contactFolders/{user.mailbox.default_contacts}/contacts"


@pytest.fixture
def site() -> Iterator[Site]:
    """A tiny organisation on a clock that stands still, served."""
    world = tiny_microsoft(seed=4, clock=SimClock.manual(float(int(time.time()))))
    with serve(microsoft_app(world)) as server:
        site = Site(world, server)
        yield site
        site.http.close()
