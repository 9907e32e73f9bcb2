"""SIGKILL at random moments of first and delta runs: in the end the same records, versions and content as without.

Each test compares two sites on one simulated organisation: one whose daemon is killed again and again, one left in peace.
"""

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from syncd_simulator import serve

from tests.support.process import Site
from tests.support.providers import PROVIDERS, Provider

LONGEST = 0.9  # seconds after the start of a run at which it is killed
MOST = {"zoho": 6}  # kills of one site: every start costs an access token, and Zoho gives ten in ten minutes


def told(site: Site, provider: Provider) -> dict[tuple[str, ...], Any]:
    """Every record, tombstones too, without what may differ: numbers of the feed, moments."""
    out = {}
    for stream in provider.streams:
        for record in [*site.records(stream), *site.records(stream, deleted=True)]:
            key = (stream, *provider.key(record))
            assert key not in out, f"twice: {key}"
            out[key] = (record["version"], record["deleted_at"] is None, record["data"], record["summary"])
    return out


def run_killed(site: Site, rng: random.Random, kills: int) -> None:
    """`kills` daemons die in the middle, the next one finishes."""
    for _ in range(kills):
        with site.daemon() as daemon:
            daemon.begin()
            time.sleep(rng.uniform(0, LONGEST))
            daemon.kill()
    with site.daemon() as daemon:
        for _ in range(3):
            report = daemon.sync()
            if report["status"] == "completed":
                return
    raise AssertionError(json.dumps(report["errors"][:5]))


def run_in_peace(site: Site) -> None:
    with site.daemon() as daemon:
        assert daemon.sync()["status"] == "completed"


def killed_and_compared(provider: Provider, folder: Path, seed: int, kills: int) -> None:
    rng = random.Random(seed)
    world = provider.demo(seed, people=5)
    with serve(provider.app(world)) as server:
        killed, peaceful = (
            Site(folder / name, world, server.url, provider.streams, provider=provider, max_delete="100%")
            for name in ("a", "b")
        )
        for site in (killed, peaceful):
            site.run("import", "acme")
        first = kills // 2
        run_killed(killed, rng, first)
        run_in_peace(peaceful)
        assert told(killed, provider) == told(peaceful, provider), f"seed {seed}: the first run"
        with world.lock:
            editor = provider.editor(world, seed)
            for _ in range(60):
                editor.random_edit()
        run_killed(killed, rng, kills - first)
        run_in_peace(peaceful)
        assert told(killed, provider) == told(peaceful, provider), f"seed {seed}: the delta run"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", PROVIDERS)
def test_a_daemon_killed_ten_times_ends_with_the_same_mirror(name: str, tmp_path: Path) -> None:
    killed_and_compared(PROVIDERS[name], tmp_path, seed=1, kills=MOST.get(name, 10))


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("seed", range(100, 110))
def test_a_daemon_killed_two_hundred_times_in_all(name: str, seed: int, tmp_path: Path) -> None:
    killed_and_compared(PROVIDERS[name], tmp_path, seed, kills=MOST.get(name, 20))
