"""The connector against the simulated Microsoft 365: the conformance suite, and an organisation as it might be."""

import hashlib
from typing import Any

import pytest
from microsoft_source import BASE, MicrosoftSource
from syncd_microsoft import MicrosoftConnector
from syncd_simulator.microsoft import Editor, MicrosoftWorld, demo_microsoft, microsoft_app, tiny_microsoft

from syncd.sdk import Account, AuthFailed, Bookmark, Context, Departed, Forbidden, Partition, RateLimited, Scan, Secret
from syncd.sdk.http import httpx
from syncd.testing import FakeClock
from syncd.testing.client import CapturingLog, EngineClient
from syncd.testing.suite import StreamSuite


class TestMicrosoftContacts(StreamSuite):
    connector, stream, seeds = MicrosoftConnector(), "contacts", 1

    def source(self, seed: int) -> MicrosoftSource:
        return MicrosoftSource("contacts", seed)


class TestMicrosoftCalendar(StreamSuite):
    connector, stream, seeds = MicrosoftConnector(), "calendar", 1

    def source(self, seed: int) -> MicrosoftSource:
        return MicrosoftSource("calendar", seed)


class TestMicrosoftFiles(StreamSuite):
    connector, stream, seeds = MicrosoftConnector(), "files", 1

    def source(self, seed: int) -> MicrosoftSource:
        return MicrosoftSource("files", seed)


class TestMicrosoftMail(StreamSuite):
    connector, stream, seeds = MicrosoftConnector(), "mail", 1

    def source(self, seed: int) -> MicrosoftSource:
        return MicrosoftSource("mail", seed)


class Tenant:
    """A connection to a simulated tenant."""

    def __init__(self, world: MicrosoftWorld, **settings: Any) -> None:
        self.world = world
        self.settings = {**world.settings(BASE), **settings}
        self.settings = {name: value for name, value in self.settings.items() if value is not None}
        self.connector = MicrosoftConnector()
        self.auth = self.connector.auth(self.settings)
        self.clock, self.log = FakeClock(), CapturingLog()
        self.transport = httpx.ASGITransport(microsoft_app(world))
        self.editor = Editor(world, 1)

    def context(self, account: Account | None = None, stream: str | None = None, **more: Any) -> Context:
        client = EngineClient(
            self.connector,
            self.settings,
            self.auth,
            self.transport,
            self.clock,
            account=account,
            stream=stream,
            tries=1,
        )
        return Context(client, self.clock, self.log, settings=self.settings, account=account, **more)

    async def imported(self, place: Bookmark | None = None) -> tuple[dict[str, Account], set[str], Bookmark]:
        more = {} if place is None else {"scan": Scan.DELTA, "cursor": place.value}
        found = [one async for one in self.connector.accounts(self.context(**more))]
        assert isinstance(found[-1], Bookmark)
        accounts = {one.id: one for one in found if isinstance(one, Account)}
        return accounts, {one.id for one in found if isinstance(one, Departed)}, found[-1]

    def stream(self, name: str) -> Any:
        return next(stream for stream in self.connector.streams() if stream.info.name == name)


pytestmark = pytest.mark.anyio


async def test_an_organisation_is_imported_with_kinds_states_and_what_is_missing() -> None:
    tenant = Tenant(demo_microsoft(3, people=12))
    accounts, gone, _ = await tenant.imported()
    assert set(accounts) == set(tenant.world.users)
    assert gone == set()
    for user in tenant.world.users.values():
        account = accounts[user.id]
        assert user.guest or account.address == user.address
        assert account.role == ("admin" if user.is_admin else "user")
        kinds = {"shared": "shared", "room": "room", "equipment": "equipment"}
        assert account.kind == kinds.get(user.purpose, "person")
        wanted = "guest" if user.guest else "active" if user.account_enabled or user.purpose in kinds else "disabled"
        assert account.state == wanted
        if account.state == "active":
            assert ("mail" in account.streams) is (user.mailbox_trouble is not None)
            assert ("files" in account.streams) is (user.drive_trouble is not None)
    assert {account.organization for account in accounts.values()} == {tenant.world.tenant}


async def test_imports_by_delta_follow_the_directory() -> None:
    tenant = Tenant(demo_microsoft(4, people=8))
    world = tenant.world
    accounts, _, place = await tenant.imported()
    ada, bob, cat, dan = [user for user in world.users.values() if accounts[user.id].state == "active"][:4]
    world.rename_user(ada, "renamed@contoso.example")
    world.suspend_user(bob)
    world.delete_user(cat)
    world.delete_user(dan)
    world.restore_user(dan)
    changed, gone, place = await tenant.imported(place)
    assert (changed[ada.id].address, changed[bob.id].state, gone) == ("renamed@contoso.example", "disabled", {cat.id})
    world.restore_user(cat)
    changed, gone, place = await tenant.imported(place)
    assert (set(changed), gone, changed[cat.id].state) == ({cat.id}, set(), "active")
    assert (await tenant.imported(place))[:2] == ({}, set())


async def test_each_way_to_sign_in() -> None:
    world = tiny_microsoft(1)
    pair = world.certificate()
    certified = Tenant(world, client_secret=None, certificate=pair["certificate"], private_key=pair["private_key"])
    assert len((await certified.imported())[0]) == len(world.users)
    ada = next(iter(world.users.values()))
    token = world.refresh_token(ada)
    delegated = Tenant(world, refresh_token=Secret(lambda: token, "${env:R}"))
    found = [one async for one in delegated.connector.accounts(delegated.context())]
    assert [one.id for one in found] == [ada.id]
    wrong = Tenant(world, client_secret="wrong-secret")
    with pytest.raises(AuthFailed) as caught:
        await wrong.imported()
    assert caught.value.code == "SYN-MICROSOFT-001"


async def test_a_missing_permission_is_told_by_check_and_met_as_forbidden() -> None:
    world = tiny_microsoft(2)
    world.permissions -= {one for one in world.permissions if one.startswith("Mail.")}
    tenant = Tenant(world)
    states = await tenant.connector.check(tenant.context())
    assert "Mail.Read" in states["mail"]
    assert states["contacts"] == "ready"
    accounts, _, _ = await tenant.imported()
    ada = next(iter(accounts.values()))
    assert "mail" not in ada.streams
    with pytest.raises(Forbidden):
        await tenant.stream("mail").partitions(tenant.context(ada, "mail"))


async def test_contents_are_the_mails_themselves_one_by_one_and_in_batches() -> None:
    tenant = Tenant(tiny_microsoft(5))
    accounts, _, _ = await tenant.imported()
    ada = next(iter(accounts.values()))
    stream = tenant.stream("mail")
    truth = {
        one: item["sha256"]
        for items in tenant.world.snapshot(tenant.world.user(ada.id), "mail").values()
        for one, item in items.items()
    }
    blobs = []
    for partition in await stream.partitions(tenant.context(ada, "mail")):
        async for page in stream.pages(tenant.context(ada, "mail", partition=partition, scan=Scan.FULL)):
            blobs += [item.blob for item in page.items]
    assert {blob.ref["id"] for blob in blobs} == set(truth)
    ctx = tenant.context(ada, "mail", partition=Partition("x"))
    many = {blob.ref["id"]: answer async for blob, answer in stream.fetch_many(ctx, blobs)}
    for blob in blobs:
        alone = b"".join([chunk async for chunk in stream.fetch(ctx, blob)])
        assert hashlib.sha256(alone).hexdigest() == truth[blob.ref["id"]]
        assert many[blob.ref["id"]] == alone
    assert max(tenant.world.most_at_once.values()) <= 4


async def test_batches_stay_below_what_a_mailbox_bears() -> None:
    world = tiny_microsoft(6)
    world.concurrency = 1
    tenant = Tenant(world)
    accounts, _, _ = await tenant.imported()
    for account in accounts.values():
        for name in ("contacts", "mail"):
            await tenant.stream(name).partitions(tenant.context(account, name))
    ada = next(iter(world.users.values()))
    ids = [one for items in world.snapshot(ada, "mail").values() for one in items]
    ctx = tenant.context(accounts[ada.id], "mail", partition=Partition("x"))
    assert len([item async for item in tenant.stream("mail").get(ctx, ids)]) == len(ids)
    assert max(world.most_at_once.values()) == 1


async def test_contacts_need_no_well_known_name() -> None:
    tenant = Tenant(tiny_microsoft(8))
    accounts, _, _ = await tenant.imported()
    ada = accounts[next(iter(tenant.world.users))]
    found = await tenant.stream("contacts").partitions(tenant.context(ada, "contacts"))
    tenant.world.contacts_by_name = False
    without = await tenant.stream("contacts").partitions(tenant.context(ada, "contacts"))
    assert {one.id for one in without} == {one.id for one in found}


async def test_a_throttled_mailbox_says_for_how_long() -> None:
    tenant = Tenant(tiny_microsoft(7))
    accounts, _, _ = await tenant.imported()
    ada = next(iter(accounts.values()))
    tenant.world.faults.answer("throttled", retry_after=17, times=1)
    with pytest.raises(RateLimited) as caught:
        await tenant.stream("contacts").partitions(tenant.context(ada, "contacts"))
    assert caught.value.retry_after == 17
