"""Answers that make no sense, of every form, to every kind of request of every connector, through the real engine and
store.

Each form is played in one kind of answer to one person until the run gives up. It must end in quarantine or a clear
error: no crash, no hang, no silent gap, nothing deleted; the colleague's data lands; and the first run after the
provider has come to its senses makes the mirror equal to the source.

Forms that are `plausible` could be honest answers (an item under another id, a listing that ended, a text that is
another). Nobody can see that something is wrong there, so they may not crash, hang or delete more than the brake lets
through, and the next full round mends what they did.
"""

import asyncio
import itertools
import random
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from syncd_google import calendar, files
from syncd_simulator.google.wire import Call, Reply

from syncd.config.model import MaxDelete
from syncd.engine import chain
from syncd.engine.executor import RunReport
from syncd.engine.ports import RunStatus
from syncd.sdk import SyncdError
from syncd.sdk.errors import explanation_of
from syncd.testing.malformed import MALFORMED, Form, Shape, garble
from tests.support.mirror import Lab
from tests.support.providers import GOOGLE, PROVIDERS, Kind, Provider
from tests.support.truth import differences

pytestmark = pytest.mark.anyio

PATIENCE = 20.0  # seconds that one run may take
BUDGET = 400  # requests that one run may make
INSIDE = ("a text is", "a number is", "an object is")  # something within an item: it may well be so
CRASHES = {"SYN-PLUGIN-001", "SYN-STATE-002", "SYN-RUN-004"}  # an exception nobody foresaw, a page nobody could store
EXPLAINED = [entry for provider in PROVIDERS.values() for entry in provider.connector().info.errors]

KINDS = [
    pytest.param(provider, kind, id=f"{provider.name}-{kind}")
    for provider in PROVIDERS.values()
    for kind in provider.kinds
]


@dataclass
class Trial:
    """One lab, on which form after form is tried for one kind of answer."""

    lab: Lab
    kind: Kind
    problems: list[str] = field(default_factory=list)
    played: int = 0

    def __post_init__(self) -> None:
        self.world = self.lab.world
        self.provider = self.lab.provider
        self.ada, self.grace = list(self.world.users.values())[:2]
        self.editor = self.provider.editor(self.world, 11)
        self.add, self.delete = self.provider.edits(self.world, self.editor, self.kind.stream)

    async def play(self, form: Form) -> None:
        """Edit, run with the form in place, look; clear, run, look again."""
        self._edit()
        if self.kind.full:
            await self.lab.store.reset("acme", [self.kind.stream], None)
        before = self._mirrored()
        told = len(self.problems)
        hits = self._break(form)
        self.world.requests.clear()
        report = await self._sync(f"{form.name}: ")
        self.world.faults.clear()
        if not hits:
            return
        self.played += 1
        if report is not None:
            self._judge(form, report, before)
        self.world.clock.advance(3600)
        await self._recover(form)
        if len(self.problems) > told:
            self.problems[-1] += (
                f" [{report and report.status}, {[e.code for e in report.errors][:3] if report else ''}]"
            )

    def _edit(self) -> None:
        """Something new and something gone for both, so that there is something to miss."""
        for user in (self.ada, self.grace):
            self.add(user)
            if len(self._true(user)) > 6:
                self.delete(user)

    def _break(self, form: Form) -> list[bytes]:
        """From now on Ada's answers of this kind have that form. The answers that were changed."""
        ids, hits = self.provider.ids(self.world, self.kind), list[bytes]()
        if form.name.startswith("a text"):
            ids |= self.provider.raws(self.world, self.kind.stream)

        def change(body: bytes) -> bytes:
            if form.endless and hits:
                body = hits[0]
            shape = Shape(
                frozenset(ids), random.Random(zlib.crc32(form.name.encode()) + (len(hits) if form.endless else 0))
            )
            made = garble(body, form, shape, "multipart/mixed" if body.startswith(b"--") else "")
            if made is None or (made == body and not form.endless):
                return body
            hits.append(body)
            return made

        whose = {} if self.kind.everyone else {"user": self.ada.address}
        self.world.faults.rewrite_bytes(change, method=self.kind.method, times=None, **whose, **self.kind.more)
        return hits

    def _true(self, user: Any) -> set[str]:
        """The ids of all that the mirror must hold of a person's own."""
        expected = self.provider.expected(self.world, self.kind.stream)
        return {source_id for account, _, source_id in expected if account == user.address}

    def _mirrored(self) -> dict[tuple[str, str, str], int]:
        return {
            (one["account"], one["partition"], one["source_id"]): one["version"]
            for one in self.lab.records(self.kind.stream)
        }

    async def _sync(self, told: str, full: bool = False) -> RunReport | None:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.lab.sync(full=full, streams=(self.kind.stream,))
        except TimeoutError:
            self.problems.append(f"{told}still running after {PATIENCE} s")
        except Exception as error:
            self.problems.append(f"{told}the run itself raised {error!r}")
        return None

    def _judge(self, form: Form, report: RunReport, before: Mapping[tuple[str, str, str], int]) -> None:
        def wrong(text: str) -> None:
            self.problems.append(f"{form.name}: {text}")

        if (asked := self.world.requests.total) > BUDGET and form.name != "new page tokens for ever":
            wrong(f"{asked} requests")
        wrong_codes = {error.code for error in report.errors} & CRASHES
        if wrong_codes:
            wrong(f"{[error.message for error in report.errors if error.code in wrong_codes][:2]}")
        if unknown := [error.code for error in report.errors if explanation_of(error.code, EXPLAINED) is None]:
            wrong(f"{unknown} is in no catalogue")
        if not all(error.message and error.hint for error in report.errors):
            wrong("an error without words or hint")
        apart = differences(self.lab, self.kind.stream)
        if report.status is RunStatus.COMPLETED and apart and not self._plausible(form):
            wrong(f"completed, but {apart[:2]}")
        waiting = "should be gone" if report.status is RunStatus.HELD else "\0"  # her folder may be empty by now
        others = [text for text in apart if self.grace.address in text and waiting not in text]
        if not self.kind.everyone and others:
            wrong(f"the colleague suffers: {others[:2]}")
        alive = self._true(self.ada) | self._true(self.grace)
        gone = {key for key in before.keys() - self._mirrored().keys() if key[2] in alive}
        if gone and not self._plausible(form):
            wrong(f"deleted {sorted(gone)[:2]}")
        if len(gone) >= 10 and len(gone) > len(before) / 4:
            wrong(f"deleted {len(gone)} past the brake")

    async def _recover(self, form: Form) -> None:
        """The provider is sane again. What an empty listing had held and is really gone still waits for a person."""
        report = await self._sync(f"{form.name}: afterwards ", full=self._plausible(form))
        if report is None:
            return
        if report.status is RunStatus.HELD:  # had it held what is alive, it would be missing below
            await self.lab.store.approve("acme", [self.kind.stream], None, "tombstone", self.lab.clock.now())
        elif report.status is not RunStatus.COMPLETED:
            text = [error.message for error in report.errors][:2]
            self.problems.append(f"{form.name}: afterwards {report.status} {text}")
        if apart := differences(self.lab, self.kind.stream):
            self.problems.append(f"{form.name}: afterwards {apart[:2]}")
            await self._sync("", full=True)

    def _plausible(self, form: Form) -> bool:
        return form.plausible or form.name.startswith((*INSIDE, *self.kind.plausible))


@asynccontextmanager
async def trial(folder: Path, provider: Provider, kind: Kind) -> AsyncIterator[Trial]:
    streams = {kind.stream: provider.streams[kind.stream]}
    async with Lab(provider.small(5), folder, streams, max_delete=MaxDelete(), provider=provider) as lab:
        one = Trial(lab, kind)
        first = await lab.sync()
        assert first.status is RunStatus.COMPLETED
        provider.shrink_pages(lab.world)
        yield one


@pytest.mark.parametrize(("provider", "kind"), KINDS)
async def test_a_malformed_answer_ends_in_quarantine_or_a_clear_error(
    provider: Provider, kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "EMPTY_PAGES", 100)
    await _play(provider, kind, _share(provider, kind), tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize(("provider", "kind"), KINDS)
async def test_every_malformed_answer_ends_in_quarantine_or_a_clear_error(
    provider: Provider, kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "EMPTY_PAGES", 100)
    await _play(provider, kind, list(MALFORMED.values()), tmp_path)


def _share(provider: Provider, kind: Kind) -> list[Form]:
    """The forms that are played by day: the kinds of a stream have all of them among themselves, one alone has half."""
    kinds = [one for one in provider.kinds if one.stream == kind.stream]
    return list(MALFORMED.values())[kinds.index(kind) :: max(2, len(kinds))]


async def _play(provider: Provider, kind: Kind, forms: Sequence[Form], folder: Path) -> None:
    async with trial(folder, provider, kind) as one:
        for form in forms:
            if form.name != "new page tokens for ever":  # the next test
                await one.play(form)
        assert one.played > len(forms) / 4, f"only {one.played} forms fitted"
        told = "\n".join(text[:300] for text in one.problems)
        assert not one.problems, f"{len(one.problems)} problems of {one.played} forms:\n{told}"


# -- answers that belong to no stream


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=str)
async def test_a_malformed_directory_changes_no_account(provider: Provider, tmp_path: Path) -> None:
    problems = []
    world = provider.small(5)
    async with Lab(world, tmp_path, {"contacts": {}}, provider=provider) as lab:
        ids = frozenset(text for user in world.users.values() for text in (user.id, user.address))
        for form in MALFORMED.values():
            hits = _garble_all(world, form, ids, provider.directory)
            world.requests.clear()
            try:
                async with asyncio.timeout(PATIENCE):
                    await lab.executor.import_accounts("acme")
            except SyncdError as error:
                if explanation_of(error.code, EXPLAINED) is None or error.code in CRASHES:
                    problems.append(f"{form.name}: {error!r}")
            except Exception as error:
                problems.append(f"{form.name}: {error!r}")
            gone = [row.label for row in await lab.store.accounts("acme") if row.gone_at and row.account.id in ids]
            if hits and gone and not (form.plausible or form.name.startswith(INSIDE)):
                problems.append(f"{form.name}: {gone}")
            if world.requests.total > BUDGET:
                problems.append(f"{form.name}: {world.requests.total} requests")
            world.faults.clear()
            await lab.executor.import_accounts("acme")
            there = {row.account.id for row in await lab.store.accounts("acme") if not row.gone_at}
            if there != {user.id for user in world.users.values()}:
                problems.append(f"{form.name}: afterwards {there}")
    assert not problems, "\n".join(text[:300] for text in problems)


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=str)
async def test_a_malformed_token_answer_is_no_refusal_and_no_crash(provider: Provider, tmp_path: Path) -> None:
    """The credential is fine: nothing is paused (77) because a proxy garbled the token host's answer."""
    problems = []
    world = provider.small(5)
    async with Lab(world, tmp_path, {"contacts": {}}, max_delete=MaxDelete(), provider=provider) as lab:
        assert (await lab.sync()).status is RunStatus.COMPLETED
        for form in MALFORMED.values():
            hits = _garble_all(world, form, frozenset(), provider.token)
            lab.executor.forget("acme")
            async with asyncio.timeout(PATIENCE):
                report = await lab.sync()
            if hits and report.auth_failed:
                problems.append(f"{form.name}: taken for a refusal: {[error.message for error in report.errors][:1]}")
            if wrong := {error.code for error in report.errors} & CRASHES:
                problems.append(f"{form.name}: {wrong} {[error.message for error in report.errors][:1]}")
            world.faults.clear()
            world.clock.advance(3600)
            lab.executor.forget("acme")
            if (after := await lab.sync()).status is not RunStatus.COMPLETED:
                problems.append(f"{form.name}: afterwards {after.status} {[e.message for e in after.errors][:1]}")
    assert not problems, "\n".join(text[:300] for text in problems)


def _garble_all(world: Any, form: Form, ids: frozenset[str], method: str) -> list[bytes]:
    hits: list[bytes] = []

    def change(body: bytes) -> bytes:
        if form.endless and hits:
            body = hits[0]
        made = garble(body, form, Shape(ids, random.Random(zlib.crc32(form.name.encode()))))
        if made is None or (made == body and not form.endless):
            return body
        hits.append(body)
        return made

    world.faults.rewrite_bytes(change, method=method, times=None)
    return hits


# -- chains of pages without an end

CHAINS = [
    ("contacts", "people.people.connections.list", {"connections": []}),
    ("contacts", "people.people.connections.list", {"connections": [{"resourceName": "people/c1", "names": []}]}),
    ("calendar", "calendar.calendarList.list", {"items": []}),
    ("calendar", "calendar.events.list", {"items": []}),
    ("files", "drive.drives.list", {"drives": []}),
    ("files", "drive.files.list", {"files": []}),
    ("files", "drive.changes.list", {"changes": []}),
    ("mail", "gmail.users.messages.list", {"messages": []}),
    ("mail", "gmail.users.history.list", {"historyId": "1"}),
]


@pytest.mark.parametrize(
    ("stream", "method", "page"), CHAINS, ids=[f"{method}-{len(str(page))}" for _, method, page in CHAINS]
)
@pytest.mark.parametrize("tokens", ["one", "two", "new"])
async def test_pages_without_an_end_fail_their_partition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: str, method: str, page: dict[str, Any], tokens: str
) -> None:
    """Pages that go on for ever: with one token, with two in turn, with ever new ones; empty ones, and the same again."""
    monkeypatch.setattr(chain, "EMPTY_PAGES", 30)
    monkeypatch.setattr(chain, "SAME_PAGES", 30)
    for module in (calendar, files):
        monkeypatch.setattr(module, "LONGEST_LIST", 30)
    async with Lab(GOOGLE.small(5), tmp_path, {stream: GOOGLE.streams[stream]}, max_delete=MaxDelete()) as lab:
        await lab.sync()
        before = lab.ids(stream)
        if method not in ("drive.changes.list", "gmail.users.history.list"):
            await lab.store.reset("acme", [stream], None)
        asked = itertools.count()

        def endless(call: Call, _: Reply | None) -> Reply:
            number = next(asked)
            token = {"one": "t", "two": f"t{number % 2}", "new": f"t{number}"}[tokens]
            return Reply(200, page | {"nextPageToken": token})

        lab.world.faults._add(endless, True, {"method": method, "times": None})
        async with asyncio.timeout(PATIENCE):
            report = await lab.sync()
        assert report.status in (RunStatus.FAILED, RunStatus.PARTIAL)
        assert {error.code for error in report.errors} == {"SYN-PROTO-001"}
        assert lab.ids(stream) >= before
        lab.world.faults.clear()
        lab.world.clock.advance(3600)
        assert (await lab.sync()).status is RunStatus.COMPLETED
        assert differences(lab, stream) == []


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=str)
def test_there_are_enough_forms_for_each_stream(provider: Provider) -> None:
    for stream in provider.streams:
        kinds = [kind for kind in provider.kinds if kind.stream == stream]
        played = {form.name for kind in kinds for form in _share(provider, kind) if not form.plausible}
        assert len(played) >= 60, stream
