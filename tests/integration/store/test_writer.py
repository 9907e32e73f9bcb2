"""The writer: many jobs, one commit, each rolled back alone."""

import asyncio
import threading
from typing import Any

import pytest

from syncd.store.database import Tx
from syncd.store.errors import StoreFailed
from syncd.store.writer import Undo

COUNT = "SELECT count(*) FROM meta WHERE name LIKE 'job%'"


def put(name: str) -> Any:
    return lambda tx: tx.run("INSERT INTO meta (name, value) VALUES (?, 'x')", (name,))


def count(desk: Any) -> int:
    found: int = desk.sql(COUNT)[0][0]
    return found


class Gate:
    """A job that holds the writer until it is opened, so that others pile up behind it."""

    def __init__(self, desk: Any) -> None:
        self._open = threading.Event()
        self.future = desk.store._writer.submit(lambda tx: self._open.wait(10))

    def release(self) -> None:
        self._open.set()

    def open(self) -> None:
        self.release()
        self.future.result(10)


def test_a_failing_job_is_rolled_back_alone(desk: Any) -> None:
    gate = Gate(desk)

    def fails_late(tx: Tx) -> None:
        put("job-bad")(tx)
        raise ValueError("no")

    writer = desk.store._writer
    futures = [writer.submit(job) for job in (put("job1"), fails_late, put("job2"), put("job1"), put("job3"))]
    gate.open()
    assert [type(future.exception(10)) for future in futures] == [
        type(None), ValueError, type(None), StoreFailed, type(None),
    ]  # fmt: skip
    assert count(desk) == 3


def test_undo_answers_and_leaves_nothing(desk: Any) -> None:
    def job(tx: Tx) -> Undo[int]:
        put("job1")(tx)
        return Undo(tx.value(COUNT))

    assert desk.run(desk.store._write(job)) == 1
    assert count(desk) == 0


def test_nobody_is_answered_before_the_commit(desk: Any) -> None:
    gate = Gate(desk)
    seen = desk.store._writer.submit(put("job1"))
    during: list[int] = []
    last = desk.store._writer.submit(lambda tx: during.append(count(desk)))
    gate.open()
    last.result(10)
    assert during == [0]
    assert seen.done()
    assert count(desk) == 1


def test_a_commit_that_fails_fails_all_its_jobs(desk: Any) -> None:
    gate = Gate(desk)
    writer = desk.store._writer

    def sabotage(tx: Tx) -> None:
        tx.run("PRAGMA defer_foreign_keys = ON")
        tx.run("INSERT INTO payload (record_id, data) VALUES (12345, ?)", (b"{}",))

    futures = [writer.submit(put("job1")), writer.submit(sabotage), writer.submit(put("job2"))]
    gate.release()
    assert {type(future.exception(10)) for future in futures} == {StoreFailed}
    assert count(desk) == 0
    desk.run(desk.store._write(put("job4")))
    assert count(desk) == 1


def test_a_job_that_loses_the_whole_transaction_is_answered_too(desk: Any) -> None:
    gate = Gate(desk)
    writer = desk.store._writer

    def lose(tx: Tx) -> None:
        tx.run("ROLLBACK")
        raise ValueError("lost")

    futures = [writer.submit(put("job1")), writer.submit(lose), writer.submit(put("job2"))]
    gate.release()
    assert isinstance(futures[1].exception(10), ValueError)
    assert all(future.exception(10) is None or isinstance(future.exception(10), StoreFailed) for future in futures[::2])
    desk.run(desk.store._write(put("job3")))


def test_a_job_cancelled_before_it_began_is_dropped(desk: Any) -> None:
    gate = Gate(desk)

    async def cancelled() -> None:
        task = asyncio.ensure_future(desk.store._write(put("job1")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    desk.run(cancelled())
    gate.open()
    desk.run(desk.store._write(put("job2")))
    assert desk.sql("SELECT name FROM meta WHERE name LIKE 'job%'") == [("job2",)]


def test_durable_jobs_are_flushed_and_others_keep_their_pace(desk: Any) -> None:
    modes: list[int] = []

    def look(tx: Tx) -> None:
        modes.append(tx.value("PRAGMA synchronous"))

    writer = desk.store._writer
    gate = Gate(desk)
    futures = [writer.submit(look, durable=durable) for durable in (False, True, False, True, True, False)]
    gate.open()
    for future in futures:
        future.result(10)
    assert modes == [1, 2, 1, 2, 2, 1]


def test_jobs_come_from_many_loops_and_threads(desk: Any) -> None:
    async def several(thread: int) -> None:
        await asyncio.gather(*(desk.store._write(put(f"job-{thread}-{n}")) for n in range(25)))

    threads = [threading.Thread(target=lambda n=n: asyncio.run(several(n))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(desk) == 200


def test_closing_finishes_what_waits(desk: Any) -> None:
    gate = Gate(desk)
    writer = desk.store._writer
    futures = [writer.submit(put(f"job{n}"), durable=n % 3 == 0) for n in range(300)]
    threading.Timer(0.05, gate.open).start()
    desk.store.close()
    assert all(future.done() for future in futures)
    desk.reopen()
    assert count(desk) == 300
