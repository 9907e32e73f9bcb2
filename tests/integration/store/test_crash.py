"""Processes that die or write at the same time: nothing lost, nothing twice."""

import os
import random
import sqlite3
import subprocess
import sys
import textwrap
import time
from typing import Any

import pytest

from syncd.engine.ports import Counts

WRITER = """
    import asyncio, pathlib, sys
    from datetime import UTC, datetime
    from syncd.engine.ports import RoundPlan, RunScope, StreamSpec, Trigger
    from syncd.sdk import FULL, Page, Partition, Record, StreamInfo, SystemClock
    from syncd.store import open_store

    async def main(folder, sync, pages, size):
        clock = SystemClock()
        store = open_store(pathlib.Path(folder), clock)
        spec = StreamSpec("acme", StreamInfo("contacts"))
        account = (await store.accounts("acme"))[0].id
        run = await store.start_run(sync, "acme", Trigger.MANUAL, RunScope(), clock.now())
        (part,) = [
            row
            for row in await store.list_partitions(spec, account, [Partition("1"), Partition("2")], run, clock.now())
            if row.partition.id == sync[-1]
        ]
        rnd = await store.open_round(
            run, part, spec, clock.now(), lambda s: RoundPlan(FULL, s.resume, s.resume is not None)
        )
        start = rnd.plan.cursor or 0
        for page in range(start, pages):
            items = [Record(f"{sync}-{page}-{n}", {"page": page, "n": n, "x": "y" * 300}) for n in range(size)]
            await store.apply_page(rnd, Page(items, resume=page + 1), {}, clock.now())
            print(page, flush=True)
        await store.apply_page(rnd, Page([], last=True, bookmark="end"), {}, clock.now())
        store.close()
        print("done", flush=True)

    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


def start(desk: Any, sync: str, pages: int, size: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(desk.folder), sync, str(pages), str(size)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(2, 12))])
@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_kill_9_in_the_midst_loses_nothing_and_repeats_nothing(desk: Any, seed: int) -> None:
    """Whatever was reported is there, whole pages only, cursor and records together; the next process goes on."""
    rng = random.Random(seed)
    desk.parts("1", "2")
    desk.finish()
    desk.store.close()
    pages, size, reported, done = 400, 40, -1, False
    for _ in range(3):
        process = start(desk, "sync1", pages, size)
        assert process.stdout is not None
        stop_after = rng.randint(10, 60)
        for line in process.stdout:
            if line.strip() == "done":
                done = True
                break
            reported = int(line)
            stop_after -= 1
            if stop_after == 0:
                time.sleep(rng.random() * 0.01)
                os.kill(process.pid, 9)
        process.wait()
        assert process.stderr is not None
        assert done or process.returncode == -9, process.stderr.read()
        process.stdout.close()
        process.stderr.close()
        with sqlite3.connect(desk.folder / "syncd.db") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            (count,) = connection.execute("SELECT count(*) FROM record").fetchone()
            (resume,) = connection.execute("SELECT resume FROM partition WHERE source_id = '1'").fetchone()
            distinct = connection.execute("SELECT count(DISTINCT seq), max(seq), max(version) FROM record").fetchone()
        connection.close()
        committed = pages if resume is None else int(resume)
        assert count == committed * size
        assert committed >= reported + 1
        assert distinct == (count, count, 1)
        if done:
            break
    desk.reopen()
    if not done:
        assert desk.run(desk.store.close_dead_runs(desk.now())) == 1


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_two_processes_write_side_by_side(desk: Any) -> None:
    desk.parts("1", "2")
    desk.finish()
    desk.store.close()
    processes = [start(desk, "sync1", 60, 50), start(desk, "sync2", 60, 50)]
    for process in processes:
        out, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
        assert out.endswith("done\n")
    desk.reopen()
    assert len(list(desk.store.records("acme", "contacts"))) == 6000
    assert desk.sql("SELECT count(DISTINCT seq), max(seq) FROM record") == [(6000, 6000)]


def test_a_writer_waits_for_another_process_that_writes_long(desk: Any, record: Any) -> None:
    rnd = desk.open(desk.part())
    desk.run(desk.store._write(lambda tx: tx.rows("PRAGMA busy_timeout = 50")))
    script = (
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        " c.execute('BEGIN IMMEDIATE'); print('locked', flush=True); time.sleep(1); c.execute('COMMIT')"
    )
    command = [sys.executable, "-c", script, str(desk.folder / "syncd.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        assert desk.apply(rnd, record("a"), resume=1).counts == Counts(new=1, listed=1)
