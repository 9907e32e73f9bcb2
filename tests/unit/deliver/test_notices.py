"""Messages reach every channel at least once, whatever a channel does and whenever the process dies."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from syncd.deliver.channel import ChannelFailed
from syncd.deliver.notices import Notices
from syncd.deliver.occasions import Occasion
from syncd.deliver.telling import Telling
from syncd.sdk import Secret
from syncd.store import SqlStore, open_store
from syncd.testing.clock import FakeClock

pytestmark = pytest.mark.anyio
KIND = "not_fresh"


@dataclass
class FakeChannel:
    """What it was given; `broken`: why it takes nothing; `gate`: it answers only once that is set."""

    got: list[Telling] = field(default_factory=list)
    broken: str = ""
    gate: asyncio.Event | None = None

    async def send(self, telling: Telling) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.broken:
            raise ChannelFailed(self.broken)
        self.got.append(telling)

    def titles(self) -> list[str]:
        return [telling.title for telling in self.got]


class Bench:
    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock(auto=False)
        self.store: SqlStore = open_store(folder, self.clock)
        self.channels = {"${env:ONE}": FakeChannel(), "${env:TWO}": FakeChannel()}
        self.one, self.two = self.channels.values()
        self.notices = self.begin()

    def begin(self) -> Notices:
        """As a new process would."""
        return Notices(self.store, self.clock, lambda url: self.channels[url.reference], random.Random(1))

    async def configure(self, *names: str) -> None:
        await self.notices.configure([Secret(lambda: "json://x", name) for name in names or self.channels])

    async def settle(self, *keys: str) -> None:
        wanted = [Occasion(key, KIND, f"{key} is wrong", "text") for key in keys]
        await self.notices.settle(wanted, [KIND], lambda row: (f"{row.key} is over", ""))

    async def live(self, seconds: int) -> None:
        """The chore, each second; what it begins has come to rest before the clock goes on."""
        for _ in range(seconds):
            self.notices.deliver()
            tasks = [post.task for post in self.notices._posts.values() if post.task is not None]
            free = [task for task in tasks if not task.done()]
            if free:
                await asyncio.wait(free, timeout=0.05 if any(one.gate for one in self.channels.values()) else None)
            self.clock.advance(1)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    await bench.configure()
    yield bench
    for channel in bench.channels.values():
        channel.gate = None
    for post in bench.notices._posts.values():
        if post.task is not None:
            post.task.cancel()
    bench.store.close()


async def test_every_channel_gets_it_once_and_its_end_once(bench: Bench) -> None:
    await bench.settle("a")
    await bench.live(10)
    await bench.settle("a")
    await bench.settle()
    await bench.live(10)
    assert bench.one.titles() == bench.two.titles() == ["a is wrong", "a is over"]
    assert await bench.store.waiting_messages() == {}


async def test_a_thousand_at_once_are_one_message(bench: Bench) -> None:
    await bench.settle(*(f"s{number}" for number in range(1000)))
    await bench.live(30)
    assert bench.one.titles() == ["1,000 notices: 1,000 not fresh"]


async def test_trouble_that_spreads_is_a_few_messages(bench: Bench) -> None:
    for number in range(60):
        await bench.settle(*(f"s{one}" for one in range(number + 1)))
        await bench.live(1)
    await bench.live(10)
    assert len(bench.one.got) == 10
    bench.clock.advance(590)
    await bench.live(5)
    assert len(bench.one.got) == 11


async def test_a_dead_channel_delays_no_other_and_gets_it_all_once_it_lives(bench: Bench) -> None:
    bench.one.broken = "connection refused"
    await bench.settle("a")
    await bench.live(60)
    await bench.settle()
    await bench.live(60)
    assert bench.two.titles() == ["a is wrong", "a is over"]
    assert bench.notices.failing() == {"${env:ONE}": "connection refused"}
    bench.one.broken = ""
    await bench.live(200)
    assert bench.one.titles() == ["2 notices: 1 not fresh, 1 over"]
    assert bench.notices.failing() == {}


async def test_a_channel_that_hangs_delays_nobody(bench: Bench) -> None:
    bench.one.gate = asyncio.Event()
    await bench.settle("a")
    await bench.live(5)
    assert bench.two.titles() == ["a is wrong"]
    bench.one.gate.set()
    await bench.live(2)
    assert bench.one.titles() == ["a is wrong"]


async def test_what_was_written_down_is_sent_by_the_next_process(bench: Bench) -> None:
    await bench.settle("a")
    bench.notices = bench.begin()
    await bench.configure()
    await bench.settle("a")  # it is known: not told anew
    await bench.live(5)
    assert bench.one.titles() == ["a is wrong"]


async def test_a_kill_between_sending_and_striking_off_sends_it_once_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(ids: object) -> None:
        raise OSError("killed")

    await bench.settle("a")
    with monkeypatch.context() as patched:
        patched.setattr(bench.store, "drop_messages", killed)
        await bench.live(3)
    bench.notices = bench.begin()
    await bench.configure()
    await bench.live(5)
    assert bench.one.titles() == ["a is wrong", "a is wrong"]


async def test_other_urls_are_used_from_the_next_message_on(bench: Bench) -> None:
    await bench.configure("${env:ONE}")
    await bench.settle("a")
    await bench.configure("${env:TWO}")
    await bench.notices.forget_others()
    await bench.settle("a", "b")
    await bench.live(5)
    assert (bench.one.titles(), bench.two.titles()) == ([], ["b is wrong"])
    assert await bench.store.waiting_messages() == {}


async def test_news_of_last_week_are_dropped(bench: Bench) -> None:
    bench.one.broken = "gone"
    await bench.settle("a")
    bench.clock.advance(8 * 86_400)
    bench.one.broken = ""
    await bench.live(5)
    assert bench.one.titles() == []
    assert await bench.store.waiting_messages() == {}


async def test_without_channels_it_stands_in_the_log(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    say = SimpleNamespace(warning=lambda title, **_: said.append(title), info=lambda title, **_: said.append(title))
    monkeypatch.setattr("syncd.deliver.notices.log", say)
    bench.notices = bench.begin()
    await bench.settle("a")
    await bench.settle("a")
    await bench.settle()
    assert said == ["a is wrong", "a is over"]


async def test_a_command_that_ends_tries_once_and_leaves_the_rest(bench: Bench) -> None:
    bench.one.broken = "connection refused"
    await bench.settle("a")
    await bench.notices.flush(5.0)
    assert bench.two.titles() == ["a is wrong"]
    assert await bench.store.waiting_messages() == {"${env:ONE}": 1}


async def test_a_test_names_who_failed_and_why(bench: Bench) -> None:
    bench.two.broken = "connection refused"
    assert await bench.notices.test() == [
        {"channel": "${env:ONE}", "ok": True, "error": None},
        {"channel": "${env:TWO}", "ok": False, "error": "connection refused"},
    ]
