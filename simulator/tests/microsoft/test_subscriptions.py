"""Change notifications: subscribing with a handshake, renewing, and what is sent (microsoft.md §13)."""

import threading
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson
import pytest
from syncd_simulator.clock import SimClock
from syncd_simulator.microsoft import Editor, MicrosoftWorld, microsoft_app, tiny_microsoft
from syncd_simulator.microsoft.notices import deliver

pytestmark = pytest.mark.anyio
START = 1795262400.0  # 2026-11-21T12:00:00Z
HOOK = "https://syncd.example/hook?for=acme"
PLAIN = {"Content-Type": "text/plain"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Office:
    """An app, and an address that is told."""

    def __init__(self) -> None:
        self.world: MicrosoftWorld = tiny_microsoft(7, clock=SimClock.manual(START))
        self.world.subscriptions.transport = httpx.MockTransport(self._hear)
        self.editor = Editor(self.world, 3)
        self.ada, self.grace = list(self.world.users.values())[:2]
        self.handshakes: list[httpx.Request] = []
        self.posts: list[list[Any]] = []
        self.status = 202
        self.greeting: Any = None  # how a handshake is answered; None: as it should be
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(microsoft_app(self.world)), base_url="http://127.0.0.1:9/v1.0"
        )

    def _hear(self, request: httpx.Request) -> httpx.Response:
        query = parse_qs(request.url.query.decode())
        if "validationToken" not in query:
            self.posts.append(orjson.loads(request.content)["value"])
            return httpx.Response(self.status)
        self.handshakes.append(request)
        if isinstance(self.greeting, Exception):
            raise self.greeting
        return self.greeting or httpx.Response(200, text=query["validationToken"][0], headers=PLAIN)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.world.credentials.issue()}"} | headers
        return await self.http.request(method, path, json=body, headers=headers)

    def wanted(self, resource: str = "", **more: Any) -> dict[str, Any]:
        found = {
            "changeType": "created,updated,deleted", "notificationUrl": HOOK, "clientState": "s3cret",
            "resource": resource or f"/users/{self.ada.id}/contacts", "expirationDateTime": self.until(60), **more,
        }  # fmt: skip
        return {key: value for key, value in found.items() if value is not None}

    async def subscribe(self, resource: str = "", immutable: bool = True, **more: Any) -> Any:
        headers = {"Prefer": 'IdType="ImmutableId"'} if immutable else {}
        answer = await self.ask("POST", "/subscriptions", self.wanted(resource, **more), **headers)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def refused(self, resource: str = "", **more: Any) -> tuple[int, str, str]:
        answer = await self.ask("POST", "/subscriptions", self.wanted(resource, **more))
        assert answer.status_code >= 400, answer.text
        return answer.status_code, answer.json()["error"]["code"], answer.json()["error"]["message"]

    def until(self, minutes: float) -> str:
        return self.world.stamp(self.world.now() + minutes * 60)

    async def told(self, **more: Any) -> list[Any]:
        """The entries of one delivery."""
        self.posts.clear()
        await deliver(self.world, **more)
        return [entry for post in self.posts for entry in post]


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    found = Office()
    yield found
    await found.http.aclose()


# -- the handshake


async def test_an_address_is_asked_before_the_answer_with_an_encoded_token(office: Office) -> None:
    made = await office.subscribe(lifecycleNotificationUrl="https://syncd.example/life")
    first, second = office.handshakes
    assert (str(first.url).partition("&")[0], second.url.path) == (HOOK, "/life")
    assert "validationToken=Validation%3a+Testing" in str(first.url)
    assert (first.headers["content-type"], first.content) == ("text/plain; charset=utf-8", b"")
    assert (made["clientState"], made["applicationId"]) == ("s3cret", office.world.credentials.client_id)
    assert (await office.ask("GET", f"/subscriptions/{made['id']}")).json()["clientState"] is None


@pytest.mark.parametrize(
    "greeting",
    [
        httpx.Response(200, json="token"),
        httpx.Response(202, text="token", headers=PLAIN),
        httpx.Response(200, text="token\n", headers=PLAIN),
        httpx.ConnectError("nobody"),
    ],
)
async def test_a_wrong_greeting_is_no_subscription(office: Office, greeting: Any) -> None:
    office.greeting = greeting
    status, code, text = await office.refused()
    assert (status, code) == (400, "InvalidRequest")
    assert text.startswith("Subscription validation request failed.")
    assert office.world.subscriptions.living == {}


async def test_an_address_that_takes_too_long_is_told_so(office: Office) -> None:
    office.greeting = httpx.ReadTimeout("slow")
    assert (await office.refused())[2] == "Subscription validation request timed out."


async def test_one_bad_address_of_two_is_enough(office: Office) -> None:
    office.greeting = None
    real = office._hear
    office.world.subscriptions.transport = httpx.MockTransport(
        lambda request: httpx.Response(404) if "life" in request.url.path else real(request)
    )
    assert (await office.refused(lifecycleNotificationUrl="https://syncd.example/life"))[0] == 400


async def test_a_subscription_in_a_batch_is_asked_about_too(office: Office) -> None:
    item = {"id": "1", "method": "POST", "url": "/subscriptions", "body": office.wanted(),
            "headers": {"Content-Type": "application/json"}}  # fmt: skip
    (answer,) = (await office.ask("POST", "/$batch", {"requests": [item]})).json()["responses"]
    assert (answer["status"], len(office.handshakes)) == (201, 1)


# -- what may be asked for


@pytest.mark.parametrize(
    ("resource", "minutes"),
    [("users/{u}/messages", 10_080), ("users/{u}/events", 10_080), ("users/{u}/contacts", 10_080),
     ("users/{u}/mailFolders('inbox')/messages", 10_080), ("users/{u}/drive/root", 42_300), ("drives/{d}/root", 42_300),
     ("users", 41_760), ("users/{u}", 41_760)],
)  # fmt: skip
async def test_trap_46_each_resource_has_a_longest_life(office: Office, resource: str, minutes: int) -> None:
    where = "/" + resource.replace("{u}", office.ada.id).replace("{d}", office.ada.drive.id)
    change = {"changeType": "updated"}
    made = await office.subscribe(where, **change, expirationDateTime=office.until(minutes))
    assert made["expirationDateTime"].startswith(office.until(minutes)[:-1])
    status, code, text = await office.refused(where, **change, expirationDateTime=office.until(minutes + 1))
    assert (status, code) == (400, "InvalidRequest")
    assert str(minutes) in text
    office.world.subscriptions.capped = True
    made = await office.subscribe(where, **change, expirationDateTime=office.until(minutes + 1))
    assert made["expirationDateTime"].startswith(office.until(minutes)[:-1])
    short = await office.subscribe(where, **change, expirationDateTime=office.until(5))
    assert short["expirationDateTime"].startswith(office.until(45)[:-1])


@pytest.mark.parametrize(
    "more",
    [
        {"changeType": "moved"}, {"changeType": None}, {"clientState": "x" * 129}, {"notificationUrl": "http://h/x"},
        {"expirationDateTime": "2026-11-01T00:00:00Z"}, {"expirationDateTime": "soon"}, {"resource": "/groups"},
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused(office: Office, more: dict[str, Any]) -> None:
    assert (await office.refused(**more))[0] == 400
    assert office.handshakes == [] or more.keys() & {"changeType", "clientState", "expirationDateTime", "resource"}


async def test_trap_48_drives_know_updates_only(office: Office) -> None:
    assert (await office.refused(f"/users/{office.ada.id}/drive/root"))[0] == 400


async def test_permissions_and_rights(office: Office) -> None:
    office.world.permissions -= {"Contacts.ReadWrite"}
    assert (await office.refused())[:2] == (403, "ExtensionError")
    own = {"Authorization": f"Bearer {office.world.credentials.issue(office.ada)}"}
    mine, other = office.wanted("/me/contacts"), office.wanted(f"/users/{office.grace.id}/contacts")
    assert (await office.http.post("/subscriptions", json=mine, headers=own)).status_code == 201
    assert (await office.http.post("/subscriptions", json=other, headers=own)).status_code == 403


async def test_a_mailbox_takes_so_many(office: Office) -> None:
    office.world.subscriptions.per_mailbox = 1
    await office.subscribe()
    assert (await office.refused(f"/users/{office.ada.id}/events"))[0] == 403
    await office.subscribe(f"/users/{office.grace.id}/events")


# -- its life


async def test_a_subscription_is_renewed_and_ends(office: Office) -> None:
    made = await office.subscribe()
    where = f"/subscriptions/{made['id']}"
    later = await office.ask("PATCH", where, {"expirationDateTime": office.until(600)})
    assert (later.status_code, later.json()["expirationDateTime"][:16]) == (200, office.until(600)[:16])
    assert (await office.ask("PATCH", where, {"clientState": "new"})).status_code == 400
    assert (await office.ask("POST", where + "/reauthorize")).status_code == 204
    office.world.clock.advance(601 * 60)
    gone = await office.ask("PATCH", where, {"expirationDateTime": office.until(60)})
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "ResourceNotFound")


async def test_a_deleted_subscription_says_nothing_more(office: Office) -> None:
    made = await office.subscribe()
    office.editor.add_contact(office.ada)
    assert (await office.ask("DELETE", f"/subscriptions/{made['id']}")).status_code == 204
    assert await office.told() == []
    assert (await office.ask("DELETE", f"/subscriptions/{made['id']}")).status_code == 404


# -- what is sent


async def test_an_item_is_named_by_the_id_form_of_the_subscription(office: Office) -> None:
    await office.subscribe(changeType="created,updated")
    await office.subscribe(immutable=False, changeType="deleted")
    contact = office.editor.add_contact(office.ada)
    office.editor.add_contact(office.grace)
    (made,) = await office.told()
    assert (made["changeType"], made["clientState"], made["tenantId"]) == ("created", "s3cret", office.world.tenant)
    assert made["resourceData"]["id"] == contact.key
    assert made["resource"].startswith(f"users/{office.ada.id}@{office.world.tenant}/contacts/")
    office.editor.delete_contact(office.ada, contact)
    (gone,) = await office.told()
    assert (gone["changeType"], gone["resourceData"]["id"]) == ("deleted", contact.plain)


async def test_one_post_mixes_subscriptions(office: Office) -> None:
    await office.subscribe()
    await office.subscribe(f"/users/{office.grace.id}/events", clientState="other")
    office.editor.add_contact(office.ada)
    office.editor.add_event(office.grace)
    assert {entry["clientState"] for entry in await office.told()} == {"s3cret", "other"}
    assert len(office.posts) == 1


async def test_a_removed_occurrence_names_the_series(office: Office) -> None:
    await office.subscribe(f"/users/{office.ada.id}/events")
    series = office.editor.add_series(office.ada)
    office.editor.cancel_instance(office.ada, series)
    assert {entry["resourceData"]["id"] for entry in await office.told()} == {series.id}


async def test_trap_48_a_drive_says_that_it_changed_and_not_what(office: Office) -> None:
    await office.subscribe(f"/users/{office.ada.id}/drive/root", changeType="updated")
    office.editor.add_file(office.ada)
    office.editor.add_file(office.ada)
    (word,) = await office.told()
    assert word["changeType"] == "updated"
    assert "id" not in word["resourceData"]


async def test_users_that_come_and_go_to_the_bin_are_updates(office: Office) -> None:
    await office.subscribe("/users", changeType="updated,deleted")
    user = office.editor.add_user()
    office.world.delete_user(user)
    assert [entry["changeType"] for entry in await office.told()] == ["updated", "updated"]
    office.world.delete_user(user, purge=True)
    assert [entry["changeType"] for entry in await office.told()] == ["deleted"]


async def test_what_is_not_acknowledged_comes_again_for_four_hours(office: Office) -> None:
    await office.subscribe(lifecycleNotificationUrl=HOOK, expirationDateTime=office.until(600))
    office.editor.add_contact(office.ada)
    office.status = 500
    assert len(await office.told()) == len(await office.told()) == 1
    office.world.clock.advance(4 * 3600)
    await office.told()
    office.status = 202
    assert [entry.get("lifecycleEvent") for entry in await office.told()] == ["missed"]
    assert await office.told() == []


async def test_a_notice_may_come_twice(office: Office) -> None:
    await office.subscribe()
    office.editor.add_contact(office.ada)
    first, second = await office.told(repeat=True)
    assert first == second


@pytest.mark.parametrize("event", ["missed", "subscriptionRemoved", "reauthorizationRequired"])
async def test_trap_47_lifecycle_entries_name_no_resource(office: Office, event: str) -> None:
    made = await office.subscribe(lifecycleNotificationUrl=HOOK)
    office.editor.add_contact(office.ada)
    office.world.subscriptions.lifecycle(made["id"], event)
    entries = [entry for entry in await office.told() if "lifecycleEvent" in entry]
    assert [entry["lifecycleEvent"] for entry in entries] == [event]
    assert entries[0].keys() == {
        "subscriptionId", "subscriptionExpirationDateTime", "tenantId", "clientState", "lifecycleEvent",
    }  # fmt: skip
    living = (await office.ask("GET", f"/subscriptions/{made['id']}")).status_code
    assert living == (404 if event == "subscriptionRemoved" else 200)


async def test_the_control_door_sends_what_waits(office: Office) -> None:
    made = await office.subscribe(lifecycleNotificationUrl=HOOK)
    office.editor.add_contact(office.ada)
    door = "http://127.0.0.1:9/_sim"
    assert (await office.http.post(f"{door}/notices")).json() == {"sent": 1}
    await office.http.post(f"{door}/lifecycle", json={"id": made["id"], "event": "missed"})
    shown = (await office.http.get(f"{door}/subscriptions")).json()
    assert (len(shown["subscriptions"]), shown["waiting"], shown["sent"]) == (1, 1, 1)


# -- over real connections


class Receiver(BaseHTTPRequestHandler):
    """Gives tokens back, and keeps what it is told."""

    told: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token = parse_qs(urlsplit(self.path).query).get("validationToken", [""])[0]
        if not token:
            self.told.append(body)
        self.send_response(200 if token else 202)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(token)))
        self.end_headers()
        self.wfile.write(token.encode())

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def test_a_served_world_tells_a_listening_address(site: Any) -> None:
    Receiver.told.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        body = {
            "changeType": "created", "notificationUrl": f"http://127.0.0.1:{receiver.server_port}/hook",
            "resource": f"users/{site.ada.id}/contacts", "expirationDateTime": site.world.stamp(site.world.now() + 7200),
        }  # fmt: skip
        assert site.ask("POST", "/subscriptions", json=body).status_code == 201
        site.editor.add_contact(site.ada)
        assert site.http.post(f"{site.url}/_sim/notices").json() == {"sent": 1}
        receiver.shutdown()
    assert orjson.loads(Receiver.told[0])["value"][0]["changeType"] == "created"
