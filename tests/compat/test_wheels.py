"""Connectors that were built for earlier versions of the SDK run against the present one, as they were built."""

import csv
import importlib
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

from syncd.config.model import Config, ConnectionConfig, DaemonConfig, SyncConfig
from syncd.engine.executor import Executor, RunRequest
from syncd.plugins import discover
from syncd.sdk import API_VERSION, Connector
from syncd.store import open_store
from syncd.testing import FakeClock
from syncd.testing.bench import Case
from syncd.testing.checks import run_checks
from syncd.testing.notes import NotesSource
from tests.compat.wheel import WHEELS, build, digest, example

pytestmark = pytest.mark.anyio
KEPT = sorted(WHEELS.glob("*.whl"))
FIRST = WHEELS / "syncd_notes-0.1.0-py3-none-any.whl"


class FeedSource(NotesSource):
    """The provider as the example asks it. What it says besides 429 and 5xx is not the example's."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, "feed")

    throttles = None  # type: ignore[assignment]
    troubles = None  # type: ignore[assignment]


@pytest.fixture(params=KEPT, ids=lambda path: path.stem)
def connector(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connector]:
    """The wheel, installed into a folder of its own and found by its entry point."""
    target = tmp_path / "site"
    with zipfile.ZipFile(request.param) as wheel:
        wheel.extractall(target)
    monkeypatch.syspath_prepend(str(target))
    importlib.invalidate_caches()
    try:
        found = discover()
        assert "notes" not in found.broken
        assert found.installed["notes"].distribution == "syncd-notes"
        yield found.connectors["notes"]
    finally:
        sys.modules.pop("syncd_notes", None)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_a_kept_wheel_is_whole_and_small(path: Path) -> None:
    assert path.stat().st_size < 20_000
    with zipfile.ZipFile(path) as wheel:
        (record,) = [name for name in wheel.namelist() if name.endswith("/RECORD")]
        rows = {name: (sum_, size) for name, sum_, size in csv.reader(wheel.read(record).decode().splitlines())}
        assert rows.keys() == set(wheel.namelist())
        for name in rows.keys() - {record}:
            raw = wheel.read(name)
            assert rows[name] == (digest(raw), str(len(raw)))


def test_the_same_text_gives_the_same_wheel(tmp_path: Path) -> None:
    with zipfile.ZipFile(FIRST) as wheel:
        code = wheel.read("syncd_notes/__init__.py").decode()
    assert build(tmp_path, "0.1.0", code).read_bytes() == FIRST.read_bytes()
    assert build(tmp_path, "0.1.0", example() + "#").read_bytes() != FIRST.read_bytes()


async def test_an_earlier_connector_passes_the_suite_of_today(connector: Connector) -> None:
    assert connector.info.api <= API_VERSION
    outcomes = await run_checks(Case(connector, "notes", FeedSource, seeds=1))
    assert {outcome.check: outcome.message for outcome in outcomes if outcome.status == "failed"} == {}
    assert sum(outcome.status == "passed" for outcome in outcomes) >= 15


async def test_an_earlier_connector_syncs_in_the_engine_of_today(connector: Connector, tmp_path: Path) -> None:
    source, clock = FeedSource(1), FakeClock()
    connection = ConnectionConfig("acme", "notes", settings=source.settings)
    config = Config(DaemonConfig(), {"acme": connection}, {"nightly": SyncConfig("nightly", "acme", {"notes": {}})})
    store = open_store(tmp_path / "state", clock)
    try:
        async with Executor(store, config, {"notes": connector}, clock=clock, transport=source.transport) as executor:
            found = await executor.import_accounts("acme")
            for _ in range(2):  # in full, then by delta
                report = await (await executor.submit(RunRequest("nightly"))).report()
                assert (str(report.status), list(report.errors)) == ("completed", [])
            active = [row.account for row in found.accounts if row.account.state == "active"]
            wanted = {name for one in active for part in source.truth(one).values() for name in part}
            held = {row["source_id"] for row in store.records("acme", "notes")}
        assert held == wanted != set()
    finally:
        store.close()


def test_the_example_of_today_is_what_the_newest_wheel_was_built_from() -> None:
    """Once the example changes, what was built from the last one stays, and a new wheel joins it."""
    with zipfile.ZipFile(KEPT[-1]) as wheel:
        assert wheel.read("syncd_notes/__init__.py").decode() == example(), "python -m tests.compat.wheel VERSION"
    assert distribution("syncd").version
