"""Sealing again what is sealed: under another place, or under the newest data key.

Public: reseal_record, reseal_values, VALUES (the columns of a payload).
"""

from collections.abc import Sequence
from typing import Any

from .cipher import DATA, DESCRIPTOR, NAME, SUMMARY, TAG, Cipher
from .database import Tx
from .errors import Damaged

__all__ = ["VALUES", "reseal_record", "reseal_values"]

VALUES = (DATA, SUMMARY, DESCRIPTOR)


def reseal_values(cipher: Cipher, kept: Sequence[bytes | None], before: bytes, after: bytes) -> list[bytes | None]:
    """Payload, summary and blob, as columns stand, sealed at another place. Raises Damaged."""
    return [
        cipher.seal(cipher.open(one, column, before), column, after) for one, column in zip(kept, VALUES, strict=True)
    ]


def reseal_record(tx: Tx, key: int, before: bytes, after: bytes) -> None:
    """A record got another id: what is kept of it follows. What is damaged stays so."""
    cipher = tx.cipher
    if not cipher.sealing:
        return
    for tag, name in tx.rows("SELECT tag, name FROM record WHERE id = ?", (key,)):
        texts = [_text(cipher, one, column, before, after) for one, column in ((tag, TAG), (name, NAME))]
        tx.run("UPDATE record SET tag = ?, name = ? WHERE id = ?", (*texts, key))
    for *kept, number in tx.rows("SELECT data, summary, blob, record_id FROM payload WHERE record_id = ?", (key,)):
        _rewrite(tx, "payload SET data = ?, summary = ?, blob = ? WHERE record_id = ?", kept, (number,), before, after)
    versions = "SELECT data, summary, blob, version FROM record_version WHERE record_id = ?"
    for *kept, version in tx.rows(versions, (key,)):
        where = "record_version SET data = ?, summary = ?, blob = ? WHERE record_id = ? AND version = ?"
        _rewrite(tx, where, kept, (key, version), before, after)


def _rewrite(tx: Tx, what: str, kept: Sequence[Any], where: Sequence[int], before: bytes, after: bytes) -> None:
    try:
        values = reseal_values(tx.cipher, kept, before, after)
    except Damaged:
        return
    tx.run(f"UPDATE {what}", (*values, *where))


def _text(cipher: Cipher, kept: str | None, column: bytes, before: bytes, after: bytes) -> str | None:
    try:
        return cipher.seal_text(cipher.open_text(kept, column, before), column, after)
    except Damaged:
        return kept
