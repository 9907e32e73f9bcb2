"""The connector against the simulated Google, as a black box, with Google's own discovery documents as witness."""

import hashlib
import importlib.util
import json
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from syncd_google import GoogleConnector
from syncd_simulator import Editor, GoogleWorld, google_app, serve, tiny_organisation

from syncd.sdk import Account, Context, CursorExpired, Partition, Record, Reject, Scan, Secret, Tombstone

pytestmark = pytest.mark.anyio
STREAMS = ("contacts", "calendar", "files", "mail")
FIELDS = {
    "contacts": ("names", "emailAddresses", "phoneNumbers", "organizations"),
    "calendar": ("status", "summary", "start", "end", "recurrence", "recurringEventId"),
    "files": ("name", "mimeType", "parents", "trashed", "md5Checksum", "size", "driveId"),
    "mail": ("threadId", "internalDate", "labelIds"),
}


def _witness() -> Any:
    """tests/support/discovery.py, which belongs to no package."""
    name = "syncd_google_discovery_witness"
    if name not in sys.modules:
        path = Path(__file__).parents[3] / "tests" / "support" / "discovery.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name].DiscoveryWitness


class Mirror:
    """What pages add up to, for one connection: the simplest thing that follows the contract."""

    def __init__(self, world: GoogleWorld, url: str) -> None:
        key = json.dumps(world.key_file(url + "/token"))
        self.world = world
        self.settings = {
            "service_account": Secret(lambda: key, "${env:KEY}"),
            "admin": next(user.address for user in world.users.values() if user.is_admin),
            "endpoints": world.endpoints(url),
        }
        self.connector = GoogleConnector()
        self.client = httpx.AsyncClient(auth=self.connector.auth(self.settings), timeout=30)
        self.live: dict[tuple[str, str, str], dict[str, dict[str, Any]]] = {}
        self.tags: dict[tuple[str, str, str], dict[str, str | None]] = {}
        self.bookmarks: dict[tuple[str, str, str], Any] = {}
        self.rejects: list[Reject] = []
        self.full_rounds = 0

    def context(self, account: Account | None, **more: Any) -> Context:
        class Clock:
            def now(self) -> Any:
                from syncd.sdk import SystemClock

                return SystemClock().now()

            def monotonic(self) -> float:
                return 0.0

            async def sleep(self, seconds: float) -> None:
                pass

        return Context(self.client, Clock(), None, settings=self.settings, account=account, **more)

    async def accounts(self) -> list[Account]:
        return [one async for one in self.connector.accounts(self.context(None))]

    async def sync(self, *, forget: bool = False) -> None:
        options: dict[str, Any] = {"calendar": {"calendars": "all"}}
        listed: set[tuple[str, str, str]] = set()
        for account in await self.accounts():
            if account.state != "active":
                listed |= {key for key in self.live if key[1] == account.id}
                continue
            for stream in self.connector.streams():
                name = stream.info.name
                ctx = self.context(account, options=options.get(name, {}))
                for partition in await stream.partitions(ctx):
                    key = (name, "" if partition.shared else account.id, partition.id)
                    await self._round(stream, account, partition, options.get(name, {}), key, forget)
                    listed.add(key)
        for gone in set(self.live) - listed:
            del self.live[gone]
            del self.bookmarks[gone]

    async def _round(
        self, stream: Any, account: Account, partition: Partition, options: Any, key: Any, forget: bool
    ) -> None:
        bookmark = None if forget else self.bookmarks.get(key)
        try:
            await self._read(stream, account, partition, options, key, bookmark)
        except CursorExpired:
            assert bookmark is not None
            await self._read(stream, account, partition, options, key, None)

    async def _read(
        self, stream: Any, account: Account, partition: Partition, options: Any, key: Any, bookmark: Any
    ) -> None:
        live, tags = self.live.setdefault(key, {}), self.tags.setdefault(key, {})
        seen: set[str] = set()
        self.full_rounds += bookmark is None

        async def lookup(ids: Any) -> dict[str, str | None]:
            return {one: tags.get(one) for one in ids if one in live}

        scan = Scan.DELTA if bookmark is not None else Scan.FULL
        ctx = self.context(account, partition=partition, options=options, scan=scan, cursor=bookmark, lookup=lookup)
        last = False
        async for page in stream.pages(ctx):
            assert not last
            last = page.last
            for item in page.items:
                await self._apply(stream, ctx, item, live, tags, seen)
            if page.last:
                self.bookmarks[key] = orjson.loads(orjson.dumps(page.bookmark))
        assert last
        if bookmark is None:
            for gone in set(live) - seen:
                del live[gone]
                tags.pop(gone, None)

    async def _apply(self, stream: Any, ctx: Context, item: Any, live: Any, tags: Any, seen: set[str]) -> None:
        if isinstance(item, Reject):
            self.rejects.append(item)
        elif isinstance(item, Tombstone):
            live.pop(item.source_id, None)
            tags.pop(item.source_id, None)
            seen.discard(item.source_id)
        else:
            assert isinstance(item, Record)
            for before in item.previous_ids:
                live.pop(before, None)
            data = orjson.loads(item.data)
            content = live.get(item.source_id, {}).get("content")
            if item.blob is not None and not item.blob.skip and tags.get(item.source_id) != item.blob.tag:
                chunks = [item.blob.content] if item.blob.content is not None else stream.fetch(ctx, item.blob)
                body = b"".join(chunks) if isinstance(chunks, list) else b"".join([chunk async for chunk in chunks])
                content = hashlib.sha256(body).hexdigest()
                tags[item.source_id] = item.blob.tag
            live[item.source_id] = {"data": data, "content": content}
            seen.add(item.source_id)

    def differences(self) -> list[str]:
        """What is otherwise than in the world."""
        out = [f"rejected {one!r}" for one in self.rejects]
        with self.world.lock:
            for name in STREAMS:
                expected = self._truth(name)
                found = {
                    (key[1], key[2], one): record
                    for key, records in self.live.items()
                    if key[0] == name
                    for one, record in records.items()
                    if record["data"].get("status") != "cancelled"
                }
                out += [f"{name}: missing {key}" for key in expected.keys() - found.keys()]
                out += [f"{name}: should be gone {key}" for key in found.keys() - expected.keys()]
                for key in expected.keys() & found.keys():
                    out += [f"{name}: {key} {text}" for text in _compare(name, expected[key], found[key])]
        return out

    def _truth(self, name: str) -> dict[tuple[str, str, str], Any]:
        out: dict[tuple[str, str, str], Any] = {}
        for user in self.world.users.values():
            if user.suspended:
                continue
            truth = self.world.snapshot(user, name)
            if name == "calendar":
                out |= {(user.id, cal, one): event for cal, events in truth.items() for one, event in events.items()}
            else:
                for one, item in truth.items():
                    drive = item.get("driveId", "") if name == "files" else ""
                    out[("" if drive else user.id, drive, one)] = item
        return out


def _compare(name: str, truth: Any, found: Any) -> Iterator[str]:
    data = found["data"]
    for field in FIELDS[name]:
        expected = truth.get(field) if field != "labelIds" else sorted(truth.get(field, []))
        if data.get(field) != expected:
            yield f"{field}: {data.get(field)!r}, not {expected!r}"
    content = truth.get("contentSha256") or truth.get("sha256")
    if content and found["content"] != content:
        yield f"content {found['content']}, not {content}"


@pytest.fixture
def world() -> GoogleWorld:
    return tiny_organisation(seed=3)


@pytest.fixture
async def mirror(world: GoogleWorld) -> AsyncIterator[Mirror]:
    witness = _witness()(google_app(world))
    with serve(witness) as server:
        one = Mirror(world, server.url)
        yield one
        await one.client.aclose()
    assert witness.violations == []


async def test_everything_is_mirrored(mirror: Mirror) -> None:
    await mirror.sync()
    assert mirror.differences() == []
    assert all(any(key[0] == name and records for key, records in mirror.live.items()) for name in STREAMS)


async def test_check_is_ready_for_all_streams(mirror: Mirror) -> None:
    assert await mirror.connector.check(mirror.context(None)) == dict.fromkeys(STREAMS, "ready")


async def test_nothing_changed_is_one_request_per_partition(mirror: Mirror, world: GoogleWorld) -> None:
    await mirror.sync()
    people = sum(one.state == "active" for one in await mirror.accounts())
    calendars = sum(key[0] == "calendar" for key in mirror.bookmarks)
    world.requests.clear()
    await mirror.sync()
    asked = dict(world.requests.by_method)
    drives = asked.pop("drive.changes.list")  # this mirror reads a shared drive once per member; the engine does not
    assert people <= drives <= 2 * people
    assert asked == {
        "directory.users.list": 1,
        "people.people.connections.list": people,
        "calendar.calendarList.list": people,
        "calendar.events.list": calendars,
        "drive.drives.list": people,
        "gmail.users.history.list": people,
    }


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5, 6])
async def test_a_walk_of_edits_is_followed_by_delta(mirror: Mirror, world: GoogleWorld, seed: int) -> None:
    world.page_cap.update(people=7, calendar=6, drive=5, gmail=9)
    await mirror.sync()
    editor = Editor(world, seed)
    for _ in range(6):
        with world.lock:
            done = [editor.random_edit() for _ in range(25)]
        await mirror.sync()
        assert mirror.differences() == [], done
    fresh = Mirror(world, mirror.settings["endpoints"]["people"])
    await fresh.sync()
    await fresh.client.aclose()
    assert fresh.differences() == []


async def test_renamed_contacts_are_followed(mirror: Mirror, world: GoogleWorld) -> None:
    await mirror.sync()
    editor = Editor(world, 7)
    with world.lock:
        renamed = [editor.rename_contact() for _ in range(5)]
    assert any(renamed)
    await mirror.sync()
    assert mirror.differences() == []


async def test_lost_cursors_are_no_event(mirror: Mirror, world: GoogleWorld) -> None:
    await mirror.sync()
    before = mirror.full_rounds
    for user in list(world.users.values()):
        for api in ("people", "calendar", "gmail"):
            world.expire(api, user)
    editor = Editor(world, 9)
    with world.lock:
        for _ in range(40):
            editor.random_edit()
    await mirror.sync()
    assert mirror.differences() == []
    assert mirror.full_rounds > before


async def test_messages_are_fetched_once(mirror: Mirror, world: GoogleWorld) -> None:
    await mirror.sync()
    await mirror.sync(forget=True)
    assert mirror.differences() == []
    raw = [count for (_, _, kind), count in world.mail_counter.items() if kind == "raw"]
    assert set(raw) == {1}


async def test_a_series_that_ends_takes_its_occurrences(mirror: Mirror, world: GoogleWorld) -> None:
    user = next(iter(world.users.values()))
    editor = Editor(world, 4)
    with world.lock:
        calendar = editor.add_calendar(user)
        series = [editor.add_series(user, calendar)["id"] for _ in range(4)]
        for _ in range(12):
            editor.change_instance(user, calendar)
            editor.cancel_instance(user, calendar)
    await mirror.sync()
    records = mirror.live["calendar", user.id, calendar.id]
    occurrences = [one for one, record in records.items() if record["data"].get("recurringEventId")]
    assert occurrences
    with world.lock:
        for one in series[:3]:
            editor.delete_event(user, calendar, one)
    await mirror.sync()
    by_delta = set(records)
    assert {
        record["data"]["recurringEventId"] for record in records.values() if "recurringEventId" in record["data"]
    } <= {series[3]}
    await mirror.sync(forget=True)
    assert set(records) == by_delta, "as a new listing has it"
    assert mirror.differences() == []


@pytest.mark.parametrize("fault", ["rate_limit_part", "batch_missing"])
async def test_batches_in_trouble(mirror: Mirror, world: GoogleWorld, fault: str) -> None:
    if fault == "rate_limit_part":
        world.faults.answer("rate_limit", api="gmail", in_batch=True, times=7)
    else:
        world.faults.raw(404, b"<html>", path=r"^/batch$", times=None)
    await mirror.sync()
    assert mirror.differences() == []


async def test_one_scope_missing(mirror: Mirror, world: GoogleWorld) -> None:
    prefix = "https://www.googleapis.com/auth/"
    world.granted_scopes = {
        prefix + one
        for one in ("admin.directory.user.readonly", "contacts.readonly", "calendar.readonly", "drive.readonly")
    }
    found = await mirror.connector.check(mirror.context(None))
    assert {name for name, state in found.items() if state == "ready"} == {"contacts", "calendar", "files"}
    assert "gmail.readonly" in found["mail"]


async def test_refresh_token_mode(mirror: Mirror, world: GoogleWorld) -> None:
    user = next(iter(world.users.values()))
    values = {
        "client_id": world.client_id,
        "client_secret": world.client_secret,
        "refresh_token": world.refresh_token(user),
        "endpoints": mirror.settings["endpoints"],
    }
    async with httpx.AsyncClient(auth=mirror.connector.auth(values), timeout=30) as client:
        ctx = Context(client, mirror.context(None).clock, None, settings=values)
        (account,) = [one async for one in mirror.connector.accounts(ctx)]
        assert account.address == user.address
        ctx.account = account
        assert [page async for page in mirror.connector.streams()[0].pages(ctx)][-1].last
