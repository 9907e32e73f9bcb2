"""Seeded random walks: edits, moves, deletions, expiry, throttles, faults, restarts and resets in any order, and at the
end the mirror equals the simulated organisation.

A failure prints its seed: `pytest tests/walks -k "[google-17]"` walks it again. `make nightly` walks a thousand.
"""

import random
from pathlib import Path

import pytest

from syncd.engine.ports import RunStatus
from tests.support.mirror import Lab
from tests.support.providers import PROVIDERS, Provider
from tests.support.truth import differences

KEY = bytes(range(32))  # a quarter of the walks are encrypted from the start, a quarter from a restart on
WALKS = {"google": 24, "microsoft": 14, "zoho": 12}


class Walk:
    """One walk: a world, its editor, and the syncd that follows it."""

    def __init__(self, provider: Provider, seed: int, folder: Path) -> None:
        self.provider = provider
        self.streams = list(provider.streams)
        self.rng = random.Random(seed)
        self.world = provider.tiny(seed)
        self.editor = provider.editor(self.world, seed)
        keys = (KEY,) if seed % 4 == 0 else ()
        self.lab = Lab(self.world, folder, provider.streams, provider=provider, keys=keys)
        self.gets_keys = seed % 4 == 1
        self.told: list[str] = []

    async def step(self) -> None:
        kinds = (
            self.edit,
            self.edit,
            self.edit,
            self.expire,
            self.fault,
            self.fault,
            self.restart,
            self.reset,
            self.wait,
        )
        name = self.rng.choice((*kinds, self.rotate) if self.lab.keys else kinds)
        self.told.append(name.__name__)
        await name()
        if self.rng.random() < 0.6:
            await self.sync()

    async def edit(self) -> None:
        for _ in range(self.rng.randint(1, 6)):
            self.told[-1] += f" {self.editor.random_edit()}"

    async def expire(self) -> None:
        user = self.rng.choice(list(self.world.users.values()))
        self.provider.expire(self.world, self.rng.choice(self.streams), user)

    async def fault(self) -> None:
        stream, times = self.rng.choice(self.streams), self.rng.randint(1, 4)
        api = self.provider.apis[stream]
        faults, skip = self.world.faults, self.rng.randint(0, 8)
        kind = self.rng.choice(("rate_limit", "backend", "truncate", "reset", "garbage", "html"))
        self.told[-1] += f" {kind} {api}"
        if kind == "rate_limit":
            self.provider.throttle(self.world, stream, times=times, skip=skip)
        elif kind == "backend":
            faults.raw(
                503,
                b'{"error": {"code": 503, "message": "The service is currently unavailable."}}',
                api=api,
                times=times,
                skip=skip,
            )
        elif kind == "truncate":
            faults.truncate(keep=self.rng.random(), api=api, times=times, skip=skip)
        elif kind == "reset":
            faults.reset(api=api, times=times, skip=skip)
        elif kind == "garbage":
            faults.invalid_json(api=api, times=times, skip=skip)
        else:
            faults.raw(502, b"<html>Bad gateway</html>", api=api, times=times, skip=skip)

    async def rotate(self) -> None:
        """Encrypt what is not under the newest key, or all of it under a new one."""
        async for one in self.lab.store.rotation().run(fresh=self.rng.random() < 0.5):
            assert not one.damaged, one

    async def restart(self) -> None:
        if self.gets_keys:
            self.lab.keys = (KEY,)
        await self.lab.restart()

    async def reset(self) -> None:
        await self.lab.store.reset("acme", [self.rng.choice(self.streams)], None)

    async def wait(self) -> None:
        self.world.clock.advance(self.rng.choice((60.0, 3600.0, 86400.0 * 3)))

    async def sync(self, full: bool = False) -> RunStatus:
        report = await self.lab.sync(full=full or self.rng.random() < 0.05)
        self.told.append(f"sync {report.status}")
        if report.status is RunStatus.HELD:
            await self.approve()
        return report.status

    async def approve(self) -> None:
        await self.lab.store.approve("acme", self.streams, None, "tombstone", self.lab.clock.now())
        self.told.append("approve")

    async def settle(self) -> None:
        """Clear skies, then sync until nothing is left to do."""
        self.world.faults.clear()
        self.world.clock.advance(3600)
        for _ in range(4):
            if await self.sync(full=self.provider.hearsay) is RunStatus.COMPLETED:
                return
        report = await self.lab.sync()
        raise AssertionError(f"never completed: {report.errors} after {self.told}")


async def walk(name: str, seed: int, folder: Path, steps: int = 12) -> None:
    here = Walk(PROVIDERS[name], seed, folder)
    async with here.lab:
        await here.sync()
        for _ in range(steps):
            await here.step()
        await here.settle()
        wrong = [text for stream in here.streams for text in differences(here.lab, stream)]
        assert not wrong, f"seed {seed}: {wrong[:10]} after {here.told}"
        quiet = await here.lab.sync()
        changed = quiet.counts.new, quiet.counts.updated, quiet.counts.deleted
        assert changed == (0, 0, 0), f"seed {seed}: a run without edits found {changed} after {here.told}"


@pytest.mark.anyio
@pytest.mark.parametrize(("name", "seed"), [(name, seed) for name in PROVIDERS for seed in range(WALKS[name])])
async def test_a_random_walk_ends_with_the_mirror_equal_to_the_source(name: str, seed: int, tmp_path: Path) -> None:
    await walk(name, seed, tmp_path)


@pytest.mark.nightly
@pytest.mark.anyio
@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("seed", range(1000, 2000))
async def test_a_thousand_random_walks(name: str, seed: int, tmp_path: Path) -> None:
    await walk(name, seed, tmp_path, steps=20)
