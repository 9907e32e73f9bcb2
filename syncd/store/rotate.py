"""Going through a rotation, and telling how far it is.

Public: Rotation, Progress, key_status.

Everything is done through the one writer, a few hundred rows at a time, so that syncs go on meanwhile. Large contents
are copied in a thread first, from the old file to a sealed new one, and change places in one transaction.
"""

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.exc import DBAPIError

from syncd.sdk import Clock

from . import keys, rotation, upkeep
from .cipher import BLOB, number_of
from .contents import Blobs, flush_folder
from .database import BUSY_WAIT, Database, Tx
from .errors import Damaged, StoreFailed
from .rotation import STEPS, StaleBlob, Step
from .values import micros, rfc3339
from .vault import reseal_vault, vault_files

__all__ = ["Progress", "Rotation", "key_status"]

PATIENCE = 60.0  # seconds that writing the database anew waits for others


@dataclass(frozen=True, slots=True)
class Progress:
    """`what` is being sealed under the newest data key: `done` of `total`, of which `damaged` could not be opened."""

    what: str
    done: int
    total: int
    damaged: int = 0


class Hands(Protocol):
    """What a rotation needs of the store: its writer, and a thread for what takes long."""

    async def _write(self, job: Callable[[Tx], Any], *, durable: bool = False) -> Any: ...

    async def _in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any: ...


class Rotation:
    """One rotation. `owner` names the temporary files of this process."""

    def __init__(
        self, hands: Hands, database: Database, blobs: Blobs, owner: str, ring: Sequence[bytes], clock: Clock
    ) -> None:
        self._write: Callable[..., Awaitable[Any]] = hands._write
        self._in_thread: Callable[..., Awaitable[Any]] = hands._in_thread
        self._database, self._blobs, self._owner = database, blobs, owner
        self._ring, self._clock = ring, clock

    async def run(self, *, fresh: bool) -> AsyncIterator[Progress]:
        """Wrap the data keys under the first key; with `fresh` make a new one; then seal what is not under the newest.

        Killed anywhere, it leaves a whole store, and goes on when it is run again.
        """
        await self._write(partial(keys.rewrap, keys=self._ring), durable=True)
        if fresh:
            await self._write(partial(keys.add_data_key, key=self._ring[0], now=self._clock.now()), durable=True)
        rotation.cipher_of(self._database.cipher).reload()
        for work in (*[self._rows(step) for step in STEPS], self._contents(), self._credentials()):
            async for progress in work:
                yield progress
        if await self._in_thread(self._database.read, rotation.scrub_due):
            yield Progress("old pages", 0, 1)
            await self._in_thread(scrub, self._database)
            await self._write(rotation.scrub_done)
            yield Progress("old pages", 1, 1)

    async def _counted(self, count: Callable[[Tx], int]) -> int:
        """How much there is to do. If there is something, the database must be written anew at the end."""
        total = int(await self._in_thread(self._database.read, count))
        if total:
            await self._write(rotation.scrub_needed)
        return total

    async def _rows(self, step: Step) -> AsyncIterator[Progress]:
        total = await self._counted(partial(rotation.stale_count, step=step))
        done = damaged = 0
        after: tuple[Any, ...] | None = ()
        while after is not None:
            batch = await self._write(lambda tx, place=after: step.batch(tx, place))
            done, damaged, after = done + batch.sealed, damaged + batch.damaged, batch.after
            if batch.sealed or batch.damaged:
                yield Progress(step.name, done, max(total, done + damaged), damaged)

    async def _contents(self) -> AsyncIterator[Progress]:
        total = await self._counted(rotation.stale_blob_count)
        done = damaged = 0
        after = ""
        while some := await self._in_thread(self._database.read, partial(rotation.stale_blobs, after=after)):
            for blob in some:
                whole = await self._content(blob)
                done, damaged = done + whole, damaged + (not whole)
            after = some[-1].alias
            yield Progress("contents", done, max(total, done + damaged), damaged)
            while await self._write(partial(upkeep.doomed_blobs, blobs=self._blobs)):
                pass

    async def _content(self, blob: StaleBlob) -> bool:
        if not blob.large or blob.sha256 is None:
            alias = self._database.cipher.alias(BLOB, blob.sha256 or "")
            return bool(await self._write(partial(rotation.reseal_blob, blob=blob, alias=alias)))
        copy = await self._in_thread(self._copied, blob)
        try:
            whole = await self._write(partial(self._place, blob=blob, copy=copy))
            if copy.path is not None:
                await self._in_thread(flush_folder, self._blobs, copy.alias)
            return bool(whole)
        finally:
            if copy.path is not None:
                copy.path.unlink(missing_ok=True)

    def _copied(self, blob: StaleBlob) -> "_Copy":
        """A sealed copy of a file; without a path if the file is gone or damaged."""
        assert blob.sha256 is not None
        sealer = self._database.cipher.file_sealer()
        assert sealer is not None
        alias = sealer.alias(BLOB, blob.sha256)
        number, name = tempfile.mkstemp(prefix=f"{self._owner}-", dir=self._blobs.temporary)
        path, seen = Path(name), sha256()
        try:
            with os.fdopen(number, "wb") as out:
                out.write(sealer.head())
                for chunk in self._blobs.read(blob.alias, blob.sha256):
                    seen.update(chunk)
                    out.write(sealer.feed(chunk))
                end, head = sealer.finish(seen.hexdigest(), blob.size)
                out.write(end)
                out.seek(0)
                out.write(head)
                out.flush()
                os.fsync(out.fileno())
        except (Damaged, FileNotFoundError):
            path.unlink()
            return _Copy(alias, None)
        except OSError as error:
            path.unlink()
            raise StoreFailed(f"cannot write content: {error.strerror}") from error
        if seen.hexdigest() != blob.sha256:
            path.unlink()
            return _Copy(alias, None)
        return _Copy(alias, path)

    def _place(self, tx: Tx, blob: StaleBlob, copy: "_Copy") -> bool:
        if copy.path is not None:
            target = self._blobs.path(copy.alias)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            copy.path.rename(target)
        return rotation.reseal_blob(tx, blob, copy.alias, lost=copy.path is None)

    async def _credentials(self) -> AsyncIterator[Progress]:
        cipher, state = self._database.cipher, self._blobs.folder.parent
        stale = [path for path in vault_files(state) if _number(path) != rotation.cipher_of(cipher).current.number]
        damaged = 0
        for done, path in enumerate(stale, 1):
            try:
                await self._in_thread(reseal_vault, path, cipher)
            except Damaged:
                damaged += 1
            except FileNotFoundError:
                continue
            yield Progress("credentials", done - damaged, len(stale), damaged)


@dataclass(frozen=True, slots=True)
class _Copy:
    alias: str
    path: Path | None


def _number(path: Path) -> int:
    with suppress(OSError), path.open("rb") as file:
        return number_of(file.read(3))
    return 0


def scrub(database: Database) -> None:
    """Write the database anew, so that no page of it, nor its log, holds what was replaced."""
    with database.connect() as connection:
        tx = Tx(connection, database.dialect)
        tx.rows(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}")
        try:
            tx.run("VACUUM")
            tx.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        except DBAPIError as error:
            raise StoreFailed(
                f"everything is encrypted, but the database could not be written anew: {error.orig}",
                hint="until it is, its free pages hold what was there before: see to free space, then rotate again",
            ) from error
        finally:
            tx.rows(f"PRAGMA busy_timeout = {int(BUSY_WAIT * 1000)}")


def key_status(tx: Tx, state: Path, ring: Sequence[bytes], *, counts: bool) -> dict[str, Any]:
    """The operator's keys, the data keys that they wrap, and how much lies under each: 0 is in clear."""
    rows = keys.data_keys(tx)
    lying = {**rotation.by_key(tx), "credentials": _credentials_by_key(state)} if counts else {}
    wrapping = {row.key_id for row in rows}
    clear = {name: found[0] for name, found in lying.items() if found.get(0)}
    return {
        "encrypted": bool(rows),
        "keys": [
            {"key": keys.key_id(key), "encrypts": place == 0, "needed": place == 0 or keys.key_id(key) in wrapping}
            for place, key in enumerate(ring)
        ],
        "data_keys": [
            {
                "data_key": row.id,
                "wrapped_by": row.key_id,
                "created_at": None if row.created_at is None else rfc3339(micros(row.created_at)),
                "seals": row.id == rows[-1].id,
                "values": {name: found[row.id] for name, found in lying.items() if found.get(row.id)},
            }
            for row in rows
        ],
        "clear": clear,
    }


def _credentials_by_key(state: Path) -> dict[int, int]:
    found: dict[int, int] = {}
    for path in vault_files(state):
        number = _number(path)
        found[number] = found.get(number, 0) + 1
    return found
