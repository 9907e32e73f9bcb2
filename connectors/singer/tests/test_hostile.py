"""A tap may do anything: what was right before is kept, nothing is believed, nothing hangs, nothing is left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from syncd.sdk import DELTA, FULL, CursorExpired, ProtocolError, Record, Reject, Tombstone, Transient
from syncd.sdk.errors import Next
from syncd.testing import FakeClock

from .conftest import HERE, PASSWORD, Reading

pytestmark = pytest.mark.anyio
Hostile = Callable[..., Reading]
INCREMENTAL = {"replication": "incremental"}


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """No process that a tap has noted, and no private folder, outlives a test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    left = living(tmp_path)
    for pid in left:
        os.kill(int(pid), signal.SIGKILL)
    assert not left
    assert not list(tmp_path.glob("syncd-singer-*"))


def living(folder: Path) -> list[str]:
    noted = (folder / "pids").read_text().split() if (folder / "pids").exists() else []
    return [pid for pid in noted if os.path.exists(f"/proc/{pid}") and "Z" not in _state(pid)]


def _state(pid: str) -> str:
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


async def test_a_flood_of_log_lines_neither_blocks_the_tap_nor_fills_the_log(hostile: Hostile) -> None:
    found = await hostile("floods_stderr").read()
    assert (found.ids, found.error) == (["1"], None)
    assert 1_000 <= len(found.log.lines) < 1_010
    assert max(map(len, found.log.lines)) < 2_000


async def test_secrets_that_a_tap_prints_are_blotted_out(hostile: Hostile) -> None:
    found = await hostile("prints_secrets").read()
    assert isinstance(found.error, Transient)
    assert "exit code 1: cannot sign in with [secret]" in str(found.error)
    assert PASSWORD not in found.logged + str(found.error)


async def test_children_in_other_sessions_end_with_the_tap(hostile: Hostile) -> None:
    found = await hostile("forks_children").read()
    assert (found.ids, found.error) == (["1"], None)


async def test_a_tap_that_hangs_is_killed_when_its_time_is_over(hostile: Hostile) -> None:
    found = await hostile("hangs", timeout="1s").read()
    assert found.error is not None
    assert found.error.next is Next.FAIL  # started again, it would hang again
    assert (found.error.code, "after 1s" in str(found.error)) == ("SYN-SINGER-003", True)
    assert found.ids == ["1"]
    assert [page.resume for page in found.pages] == [{"state": {"at": 1}, "version": None}]


async def test_cancelled_at_a_tap_that_hangs_a_round_ends_at_once(hostile: Hostile, tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    task = asyncio.create_task(hostile("hangs").read())
    while not (tmp_path / "pids").exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before


async def test_a_tap_that_never_ends_waits_while_nobody_reads_and_is_killed_when_the_round_is_closed(
    hostile: Hostile,
) -> None:
    reading = hostile("streams_for_ever")
    pages: Any = reading.stream().pages(reading.context())
    async with aclosing(pages):
        sizes = [len((await anext(pages)).items) for _ in range(5)]
    assert max(sizes) <= 500


async def test_a_tap_gets_no_more_memory_than_it_may_have(hostile: Hostile) -> None:
    found = await hostile("eats_memory", memory="200MB").read()
    assert isinstance(found.error, Transient)
    assert "MemoryError" in str(found.error)


async def test_a_line_without_end_is_not_waited_for(hostile: Hostile) -> None:
    found = await hostile("endless_line").read()
    assert isinstance(found.error, ProtocolError)
    assert "a line of more than 16777216 bytes" in str(found.error)


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("invalid_json", "connecting to the database"),
        ("wrong_schema", "no Singer message"),
        ("no_schema", "before the stream's schema"),
        ("says_nothing", "without a word about the stream"),
        ("batches", "BATCH"),
        ("mixed_ids", "some ids as texts and some as numbers"),
        ("bad_catalog", "--discover"),
    ],
)
async def test_output_against_the_specification_fails_the_round(hostile: Hostile, mode: str, said: str) -> None:
    found = await hostile(mode).read()
    assert isinstance(found.error, ProtocolError)
    assert (found.error.code, said in str(found.error)) == ("SYN-SINGER-004", True)
    assert not any(page.last for page in found.pages)


@pytest.mark.parametrize("mode", ["no_object", "no_key", "bad_text"])
async def test_one_bad_record_is_rejected_and_the_others_land(hostile: Hostile, mode: str) -> None:
    found = await hostile(mode).read()
    assert (found.ids, found.error) == (["1"], None)
    assert [item.source_id for item in found.items if isinstance(item, Reject)] == [None]


async def test_a_tap_that_fails_midway_is_gone_on_with_from_its_last_state(hostile: Hostile) -> None:
    found = await hostile("exits_midway", INCREMENTAL).read()
    assert isinstance(found.error, Transient)
    assert "exit code 1: CRITICAL the far end hung up" in str(found.error)
    assert [page.resume for page in found.pages] == [{"state": {"at": 299}, "version": None}]
    assert len(found.ids) == 500


async def test_of_a_tap_that_fails_early_what_came_before_its_last_state_stays(hostile: Hostile) -> None:
    found = await hostile("states_between", INCREMENTAL, version=3).read()
    assert "exit code 3" in str(found.error)
    assert (found.ids, [page.resume for page in found.pages]) == (["1", "2"], [{"state": {"at": 2}, "version": None}])


async def test_a_slow_tap_gets_on_state_by_state(hostile: Hostile) -> None:
    class SlowClock(FakeClock):
        def monotonic(self) -> float:
            self.advance(60)
            return super().monotonic()

    reading = hostile("states_between", INCREMENTAL, version=0)
    reading.clock = SlowClock()
    found = await reading.read()
    assert [len(page.items) for page in found.pages] == [1, 1, 1]
    assert [page.resume and page.resume["state"] for page in found.pages] == [{"at": 1}, {"at": 2}, None]
    assert len((await hostile("states_between", INCREMENTAL, version=0).read()).pages) == 1


async def test_a_state_before_the_first_record_is_no_place_to_go_on_from(hostile: Hostile) -> None:
    found = await hostile("state_first", INCREMENTAL).read()
    assert "exit code 3" in str(found.error)
    assert [(len(page.items), page.resume) for page in found.pages] == [(500, None)]


async def test_a_crash_after_the_state_completes_nothing(hostile: Hostile) -> None:
    found = await hostile("ends_without_success_after_a_state", INCREMENTAL).read()
    assert "signal 11" in str(found.error)
    assert found.pages == []


async def test_other_streams_and_unknown_messages_are_left_aside(hostile: Hostile) -> None:
    found = await hostile("other_streams").read()
    assert (found.ids, found.error) == (["1"], None)
    assert "unknown types" in found.logged


async def test_records_without_a_key_are_named_by_what_they_say(hostile: Hostile) -> None:
    first, again = (await hostile("keyless").read()).ids, (await hostile("keyless").read()).ids
    assert len({*first, *again}) == 1


@pytest.mark.parametrize("keyed", [1, 0])
async def test_records_that_differ_in_the_last_digit_are_two(hostile: Hostile, keyed: int) -> None:
    found = await hostile("long_numbers", version=keyed).read()
    assert len(set(found.ids)) == 5
    assert [type(item) for item in found.items] == [Record] * 5 + [Reject]
    assert found.items[0].data == b'{"id": 0.12345678901234567890}'
    if keyed:
        assert found.ids == ["0.12345678901234567890", "0.12345678901234567891", str(2**80), str(2**80 + 1), "0.5"]


async def test_changes_without_a_key_are_refused(hostile: Hostile) -> None:
    found = await hostile("keyless", INCREMENTAL).read()
    assert found.error is not None
    assert (found.error.code, "name one in `key`" in str(found.error)) == ("SYN-SINGER-005", True)


async def test_a_key_of_the_settings_comes_first(hostile: Hostile) -> None:
    found = await hostile("keyless", {"key": ["text", "id"], **INCREMENTAL}).read()
    assert [item.reason for item in found.items] == ["a record without its key (text, id)"] * 2


async def test_a_state_that_is_too_large_ends_no_round(hostile: Hostile) -> None:
    found = await hostile("huge_state", INCREMENTAL).read()
    assert "a state of more than" in str(found.error)


async def test_another_version_in_a_delta_round_asks_for_a_full_one(hostile: Hostile) -> None:
    reading = hostile("activates", INCREMENTAL, version=2)
    await reading.read(DELTA, {"state": {"at": 1}, "version": 1})
    assert isinstance(reading.error, CursorExpired)
    await reading.read(FULL)
    assert reading.pages[-1].bookmark == {"state": {"at": 2}, "version": 2}
    await reading.read(DELTA, reading.pages[-1].bookmark)
    assert (reading.ids, reading.error) == (["1", "2"], None)


async def test_a_deletion_in_a_log_is_a_tombstone(hostile: Hostile) -> None:
    found = await hostile("activates", {"replication": "log_based"}).read()
    assert [item.source_id for item in found.items if isinstance(item, Tombstone)] == ["2"]


async def test_a_place_that_is_none_of_a_tap_is_expired(hostile: Hostile) -> None:
    assert isinstance((await hostile("activates", INCREMENTAL).read(DELTA, "what?")).error, CursorExpired)


async def test_a_tap_sees_a_private_folder_and_nothing_of_syncds_environment(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCD_TEST_PASSWORD", "do not tell")
    found = await hostile("shows_surroundings").read()
    said = msgspec.json.decode(found.items[0].data)
    assert said["modes"] == {".": "0o700", "catalog.json": "0o600", "config.json": "0o600"}
    assert "SYNCD_TEST_PASSWORD" not in said["environment"]
    assert said["config"] == ["login", "mode", "pids", "version"]


async def test_a_program_that_is_not_there_is_named(hostile: Hostile) -> None:
    found = await hostile("hangs", tap="/nowhere/tap-nothing").read()
    assert found.error is not None
    assert (found.error.code, "/nowhere/tap-nothing" in str(found.error)) == ("SYN-SINGER-001", True)


async def test_a_stream_that_the_tap_does_not_have_is_named_with_those_that_it_has(hostile: Hostile) -> None:
    found = await hostile("hangs", {"tap_stream": "orders"}).read()
    assert str(found.error).endswith("has no stream 'orders'; it has items")


def test_kill_9_of_syncd_takes_the_tap_along_and_what_is_left_is_removed_later(
    hostile: Hostile, tmp_path: Path
) -> None:
    settings = hostile("hangs").settings
    code = (
        "import asyncio, json, sys\n"
        "from syncd_singer import SingerConnector\n"
        "from syncd.sdk import Account, Context, Partition\n"
        "from syncd.testing import FakeClock\n"
        "from syncd.testing.client import CapturingLog\n"
        "settings = json.loads(sys.argv[1])\n"
        "ctx = Context(None, FakeClock(), CapturingLog(), settings=settings, partition=Partition())\n"
        "async def main():\n"
        "    async for page in SingerConnector().configured(settings).streams()[0].pages(ctx): pass\n"
        "asyncio.run(main())\n"
    )
    told = msgspec.json.encode({key: value for key, value in settings.items() if key != "credentials"}).decode()
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code, told], env=environment, cwd=HERE) as process:
        until = time.monotonic() + 30
        while not living(tmp_path) and time.monotonic() < until:
            time.sleep(0.02)
        assert living(tmp_path), "the tap did not start"
        process.send_signal(signal.SIGKILL)
    while (living(tmp_path) or list(tmp_path.glob("syncd-singer-*"))) and time.monotonic() < until:
        time.sleep(0.02)


async def test_a_folder_that_a_crash_left_behind_is_removed_by_the_next_round(hostile: Hostile, tmp_path: Path) -> None:
    left = tmp_path / "syncd-singer-crashed"
    left.mkdir(mode=0o700)
    (left / "config.json").write_text(PASSWORD)
    await hostile("keyless").read()
    assert not left.exists()
