"""Content as far as the page transaction knows it: references that must hold, journal rows and retry rows.

Public: keep, checked, settle, retry_row.
"""

from collections.abc import Mapping

from syncd.engine.ports import Content, ContentState
from syncd.sdk import Blob, Record

from .cipher import WANTED, of_row
from .contents import blob_row, held_as
from .database import Tx
from .values import dumps
from .work import Work

__all__ = ["checked", "keep", "retry_row", "settle"]

LOST = Content(ContentState.FAILED, reason="the content was removed meanwhile", code="SYN-CONTENT-002")


def keep(tx: Tx, contents: Mapping[str, Content]) -> None:
    """Small contents that came with their items get their rows in the page's own transaction."""
    small = {one.sha256: one for one in contents.values() if one.small is not None and one.sha256 is not None}
    if small:
        tail = "ON CONFLICT (sha256) DO UPDATE SET doomed = FALSE"
        rows = [blob_row(tx, name, one.size or 0, one.small) for name, one in small.items()]
        tx.insert("INSERT INTO blob (sha256, digest, size, content, doomed)", rows, tail)


def checked(tx: Tx, contents: Mapping[str, Content]) -> tuple[Mapping[str, Content], Mapping[str, str]]:
    """Contents that are still there, and stay: one that was to be removed is wanted again. And their aliases."""
    if not contents:
        return contents, {}
    wanted = {one.sha256 for one in contents.values() if one.state is ContentState.STORED and one.sha256 is not None}
    rows = held_as(tx, wanted)
    saved = [alias for alias, doomed in rows.values() if doomed]
    tx.run_within("UPDATE blob SET doomed = FALSE WHERE sha256 IN ({})", (), saved)
    held = {sha256: alias for sha256, (alias, _) in rows.items()}
    if len(held) == len(wanted):
        return contents, held
    still = {
        key: LOST if one.state is ContentState.STORED and one.sha256 not in held else one
        for key, one in contents.items()
    }
    return still, held


def settle(work: Work, records: Mapping[str, Record], contents: Mapping[str, Content]) -> None:
    """Rows that go with the page: downloads that landed leave the journal, those that failed are tried again."""
    if not contents:
        return
    landed = [key for key in records if key in contents and contents[key].state is not ContentState.FAILED]
    for table in ("content_journal", "content_retry"):
        sql = f"DELETE FROM {table} WHERE partition_id = ? AND source_id IN ({{}})"  # noqa: S608
        work.tx.run_within(sql, (work.partition,), landed)
    refused = {one.source_id for one in work.rejects}
    failed = [
        (key, item.blob, contents[key])
        for key, item in records.items()
        if item.blob is not None
        and key in contents
        and contents[key].state is ContentState.FAILED
        and key not in refused
    ]
    work.tx.insert(
        "INSERT INTO content_retry (partition_id, source_id, blob, attempts, code, reason)",
        [
            (work.partition, key, retry_row(work.tx, work.partition, key, blob), 1, content.code, content.reason)
            for key, blob, content in failed
        ],
        "ON CONFLICT (partition_id, source_id) DO UPDATE SET blob = excluded.blob,"
        " attempts = content_retry.attempts + 1, code = excluded.code, reason = excluded.reason",
    )


def retry_row(tx: Tx, partition: int, source_id: str, blob: Blob) -> bytes:
    """All that is needed to ask for the content again."""
    fields = {"ref": blob.ref, "tag": blob.tag, "size": blob.size, "hash": blob.hash, "mime_type": blob.mime_type}
    return tx.cipher.seal(dumps(fields), WANTED, of_row("content_retry", partition, source_id))
