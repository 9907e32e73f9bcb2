"""The chain of pages that a stream yields: read one ahead, and believed only as far as it makes sense.

Public: Ahead (reads pages in a task of its own, one ahead of its consumer), Chain (admits page after page).
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import orjson

from syncd.engine.alive import INACTIVITY, PATIENCE, Caller, end, escaped, hangs
from syncd.sdk import DELTA, JSON, Blob, Page, ProtocolError, Record, Reject, StreamInfo, Tombstone

__all__ = [
    "EMPTY_PAGES",
    "HEAVIEST_PAGE",
    "LARGEST_CURSOR",
    "LARGEST_PAGE",
    "SAME_PAGES",
    "Ahead",
    "Chain",
    "Endless",
    "Stopped",
    "TooMuch",
    "check_json",
]

LARGEST_CURSOR = 256 * 1024  # bytes of JSON
EMPTY_PAGES = 10_000  # in a row
SAME_PAGES = 1_000  # in a row, with the same ids in the same order
LARGEST_PAGE = 100_000  # items
HEAVIEST_PAGE = 256 * 1024 * 1024  # bytes of raw data and contents


class Stopped(Exception):
    """The run is to end: no further page is taken."""


class Endless(ProtocolError):
    """The pages would go on for ever: to read on, or again, does not help in this run."""


class TooMuch(ProtocolError):
    """A page is larger than what a partition may hold: to ask for it again does not help."""

    default_code = "SYN-PLUGIN-005"


class Ahead:
    """Pages of a stream, read by a task that is at most one page ahead of what `take` has given.

    `caller` tells whether the stream does something meanwhile, or waits on purpose.
    """

    def __init__(
        self, pages: object, name: str, caller: Caller, inactivity: float = INACTIVITY, patience: float = PATIENCE
    ) -> None:
        if not hasattr(pages, "__aiter__"):
            if inspect.iscoroutine(pages):
                pages.close()
            raise ProtocolError(f"{name}.pages() gives no asynchronous iterator but {type(pages).__name__}")
        self._pages: AsyncIterator[Page] = pages.__aiter__()
        self._name = name
        self._caller = caller
        self._inactivity = inactivity
        self._patience = patience
        self._permits = asyncio.Semaphore(1)
        self._answers: asyncio.Queue[Page | BaseException | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._read(), name=f"pages of {name}")

    def wake(self) -> None:
        """Make a waiting `take` raise Stopped."""
        self._answers.put_nowait(Stopped())

    def fail(self, error: Exception) -> None:
        """Make `take` raise this, after what has been read already."""
        self._answers.put_nowait(error)

    async def take(self) -> Page | None:
        """The next page, or None after the last. Raises what the stream raised, Stopped, or Transient if it hangs.

        Taking a page lets the stream go on to the next one.
        """
        answer = await self._answer()
        if isinstance(answer, BaseException):
            raise answer
        self._permits.release()
        return answer

    async def close(self) -> bool:
        """End the reading and let the stream clean up. False if it does not end."""
        return await end(self._task, self._caller, f"{self._name}.pages()", self._patience)

    async def _answer(self) -> Page | BaseException | None:
        while True:
            before = self._caller.activity
            try:
                async with asyncio.timeout(self._inactivity):
                    return await self._answers.get()
            except TimeoutError:
                if not self._caller.waiting and self._caller.activity == before:
                    raise hangs(f"{self._name}.pages()", self._inactivity) from None

    async def _read(self) -> None:
        try:
            while True:
                await self._permits.acquire()
                self._answers.put_nowait(await anext(self._pages))
        except StopAsyncIteration:
            self._answers.put_nowait(None)
        except BaseException as error:
            answer = escaped(error)
            if not isinstance(answer, Exception):
                raise
            self._answers.put_nowait(answer)
        finally:
            close = getattr(self._pages, "aclose", None)
            if close is not None:
                await close()


class Chain:
    """Judges the pages of one round in their order. Every ProtocolError names the stream."""

    def __init__(self, info: StreamInfo) -> None:
        self._info = info
        self._resume: JSON = None
        self._milestone: JSON = None
        self._steps = 0
        self._power = 1
        self._empty = 0
        self._same = 0
        self._ids = 0  # a hash of the last page's

    def admit(self, page: object) -> Page:
        """The page, if it makes sense after those before it. Raises ProtocolError."""
        if not isinstance(page, Page):
            raise self._wrong(f"yielded {type(page).__name__} instead of a Page")
        self._check_items(page)
        if page.resume is not None:
            check_json(page.resume, f"{self._info.name}: resume")
        if page.last:
            self._check_end(page)
        else:
            self._check_progress(page)
        return page

    def ended(self) -> ProtocolError:
        """What it means that the pages ended without a last one."""
        return self._wrong("ended its pages without a last one: the listing is incomplete")

    def went_on(self) -> ProtocolError:
        """What it means that a page came after the last one."""
        return self._wrong("yielded a page after the last one")

    def _check_items(self, page: Page) -> None:
        if not isinstance(page.items, Sequence):
            raise self._wrong(f"yielded a page whose items are {type(page.items).__name__}, not a sequence")
        if len(page.items) > LARGEST_PAGE:
            raise TooMuch(
                f"stream {self._info.name} yielded a page of {len(page.items)} items, more than {LARGEST_PAGE}"
            )
        weight = 0
        self._check_window(page)
        for item in page.items:
            kind = type(item)
            if kind is Record or kind is Tombstone:
                if type(item.source_id) is not str or not item.source_id:
                    raise self._wrong(f"yielded a {kind.__name__} whose source id is {item.source_id!r}")
                if kind is Record:
                    weight += self._check_record(item)  # type: ignore[arg-type]
            elif not isinstance(item, Record | Tombstone | Reject):
                raise self._wrong(f"yielded {kind.__name__} among the items of a page")
            elif kind is Reject and not (isinstance(item.reason, str) and isinstance(item.source_id, str | None)):  # type: ignore[union-attr]
                raise self._wrong(f"yielded {item!r}, whose reason or source id is no text")
        if weight > HEAVIEST_PAGE:
            raise TooMuch(
                f"stream {self._info.name} yielded a page of {weight >> 20} MiB, more than {HEAVIEST_PAGE >> 20}"
            )
        if type(page.skipped) is not int or page.skipped < 0:
            raise self._wrong(f"counted {page.skipped!r} skipped items")

    def _check_window(self, page: Page) -> None:
        if page.window is None:
            return
        two = isinstance(page.window, tuple) and len(page.window) == 2
        if not two or not all(one is None or (isinstance(one, datetime) and one.tzinfo) for one in page.window):
            raise self._wrong(f"gave a window that is no pair of aware moments: {page.window!r}")

    def _check_record(self, record: Record) -> int:
        """The bytes of its raw parts; what is parsed was one answer, and is bounded as such."""
        if type(record.data) is not bytes and type(record.data) is not dict:
            raise self._wrong(f"yielded a record whose data is {type(record.data).__name__}")
        weight = len(record.data) if type(record.data) is bytes else 0
        if record.blob is None:
            return weight
        if not isinstance(record.blob, Blob):
            raise self._wrong(f"yielded a record whose blob is {type(record.blob).__name__}")
        return weight + len(record.blob.content or b"")

    def _check_end(self, page: Page) -> None:
        if DELTA in self._info.scans and page.bookmark is None:
            raise self._wrong("ended a round without a bookmark, which a stream with deltas must give")
        if page.bookmark is not None:
            check_json(page.bookmark, f"{self._info.name}: bookmark")

    def _check_progress(self, page: Page) -> None:
        """No endless chains: no resume point twice without items, none again after another, no mere emptiness."""
        empty = not page.items and not page.skipped
        self._empty = self._empty + 1 if empty else 0
        if self._empty >= EMPTY_PAGES:
            raise self._endless(f"yielded {EMPTY_PAGES} empty pages in a row")
        ids = hash(tuple([item.source_id for item in page.items]))
        self._same = self._same + 1 if ids == self._ids and not empty else 0
        self._ids = ids
        if self._same >= SAME_PAGES:
            raise self._endless(f"yielded the same items {SAME_PAGES} times in a row")
        if page.resume is None:
            return
        if page.resume == self._resume:
            if empty:
                raise self._wrong("yielded the same resume point twice in a row, with nothing in between")
            return
        self._resume = page.resume
        if page.resume == self._milestone:
            raise self._wrong("came back to a resume point that it had already left")
        self._steps += 1
        if self._steps == self._power:  # Brent: milestones at growing distances find every cycle, in no memory
            self._milestone, self._steps, self._power = page.resume, 0, self._power * 2

    def _endless(self, what: str) -> ProtocolError:
        return Endless(f"stream {self._info.name} {what}")

    def _wrong(self, what: str) -> ProtocolError:
        return ProtocolError(f"stream {self._info.name} {what}")


def check_json(value: JSON, what: str) -> None:
    """Raise ProtocolError unless the value is JSON of at most LARGEST_CURSOR bytes."""
    try:
        size = len(orjson.dumps(value))
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"{what} is not JSON: {error}") from error
    if size > LARGEST_CURSOR:
        raise ProtocolError(f"{what} is {size} bytes, more than {LARGEST_CURSOR}")
