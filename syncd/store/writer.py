"""The one writer: a thread that commits many small jobs at once.

Public: Writer, Undo.

A job is a function of a `Tx`. All that wait are run one after the other, each in a savepoint, and committed together;
only then are their callers answered. A job that raises is rolled back alone. What it costs to commit is shared, and no
job ever sees a half-done other one.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from sqlalchemy.exc import DBAPIError

from .database import Database, Tx
from .errors import StoreFailed

__all__ = ["Undo", "Writer"]

T = TypeVar("T")
MOST_JOBS = 128  # of one commit
LONGEST = 0.05  # seconds: a commit takes no more jobs once it has worked for so long
PATIENCE = 60.0  # seconds that a commit waits for another process to finish writing


@dataclass(frozen=True, slots=True)
class Undo(Generic[T]):
    """What a job returns to have everything it did rolled back, and `value` answered all the same."""

    value: T


@dataclass(slots=True)
class _Job:
    call: Callable[[Tx], Any]
    durable: bool
    future: "Future[Any]"
    alone: bool = False
    result: Any = None


class Writer:
    """Takes jobs from any thread or event loop. `durable` ones are on the disk when they are answered.

    `commits`: how many there were. `observe` is told, in the writer's thread, how many seconds each transaction took.
    """

    def __init__(self, database: Database, observe: Callable[[float], None] | None = None) -> None:
        self.commits = 0
        self._observe = observe
        self._database = database
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._closing = False
        self._gate = threading.Lock()
        self._durable = False
        self._next: _Job | None = None
        self._connection = database.connect(writer=True)
        self._thread.start()

    def submit(self, call: Callable[[Tx], Any], *, durable: bool = False, alone: bool = False) -> "Future[Any]":
        """`alone`: outside of any transaction, as VACUUM needs it; all others wait meanwhile."""
        job = _Job(call, durable, Future(), alone)
        with self._gate:
            if self._closing:
                raise StoreFailed("the store is closed")
            self._queue.put(job)
        return job.future

    async def write(self, call: Callable[[Tx], T | Undo[T]], *, durable: bool = False) -> T:
        """Run a job and wait for its COMMIT. Cancelling drops a job that was not begun; one that was, commits."""
        result: T = await asyncio.wrap_future(self.submit(call, durable=durable))
        return result

    def close(self) -> None:
        """Finish what waits, then end. Safe to call twice."""
        with self._gate:
            if not self._closing:
                self._closing = True
                self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        with self._connection as connection:
            tx = Tx(connection, self._database.dialect, self._database.cipher)
            while (job := self._take()) is not None:
                if job.alone:
                    self._run_alone(tx, job)
                elif self._commit(tx, job):
                    return

    def _take(self) -> _Job | None:
        job, self._next = self._next, None
        return job or self._queue.get()

    @staticmethod
    def _run_alone(tx: Tx, job: _Job) -> None:
        if not job.future.set_running_or_notify_cancel():
            return
        try:
            result = job.call(tx)
        except BaseException as error:
            job.future.set_exception(_plain(error))
        else:
            job.future.set_result(result)

    def _commit(self, tx: Tx, first: _Job) -> bool:
        """One transaction: `first` and whatever else waits. True once the store is closing and nothing waits."""
        done: list[_Job] = []
        ended, began = False, time.monotonic()
        try:
            self._begin(tx, first)
            ended = self._run_waiting(tx, first, done)
            if done:
                tx.run("COMMIT")
                self.commits += 1
            else:
                tx.run("ROLLBACK")
        except BaseException as error:
            self._give_up(tx, [*done, first], error)
            return ended
        for job in done:
            job.future.set_result(job.result)
        if done and self._observe is not None:
            self._observe(time.monotonic() - began)
        return ended

    def _begin(self, tx: Tx, first: _Job) -> None:
        if first.durable is not self._durable and (statement := tx.dialect.durability(first.durable)):
            tx.run(statement)
            self._durable = first.durable
        give_up = time.monotonic() + PATIENCE  # the machine's time: another process's lock knows no injected clock
        while True:
            try:
                tx.run(tx.dialect.begin_write)
                return
            except DBAPIError as error:
                if not tx.dialect.is_busy(error) or time.monotonic() > give_up:
                    raise

    def _run_waiting(self, tx: Tx, first: _Job, done: list[_Job]) -> bool:
        job: _Job | None = first
        until = time.monotonic() + LONGEST
        while True:
            if job is None:
                return True
            if job.future.set_running_or_notify_cancel():
                self._run_one(tx, job, done)
            if len(done) >= MOST_JOBS or time.monotonic() > until or self._durable:
                return False
            try:
                job = self._queue.get_nowait()
            except Empty:
                return False
            if job is not None and (job.durable or job.alone):
                self._next = job  # it needs a commit of its own kind, or none
                return False

    def _run_one(self, tx: Tx, job: _Job, done: list[_Job]) -> None:
        tx.run("SAVEPOINT job")
        try:
            result = job.call(tx)
            if isinstance(result, Undo):
                tx.run("ROLLBACK TO SAVEPOINT job")
                result = result.value
        except BaseException as error:
            job.future.set_exception(_plain(error))  # first: the next statement fails if the transaction is lost
            tx.run("ROLLBACK TO SAVEPOINT job")
        else:
            job.result = result
            done.append(job)
        tx.run("RELEASE SAVEPOINT job")

    @staticmethod
    def _give_up(tx: Tx, jobs: list[_Job], error: BaseException) -> None:
        """The transaction as a whole is lost: the disk is full, or somebody else would not stop writing."""
        try:
            tx.run("ROLLBACK")
        except DBAPIError:
            pass  # the database has rolled back by itself
        for job in jobs:
            if not job.future.done() and (job.future.running() or job.future.set_running_or_notify_cancel()):
                job.future.set_exception(_plain(error))


def _plain(error: BaseException) -> BaseException:
    """The database's own words without the statement: a statement carries payloads."""
    if not isinstance(error, DBAPIError):
        return error
    failed = StoreFailed(f"the database refused to write: {error.orig}")
    failed.__cause__ = error.orig
    return failed
