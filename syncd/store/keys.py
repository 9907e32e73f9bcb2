"""The operator's keys, and the data keys that they wrap.

Public: parse_key, generate, key_id, check, unlock, missing, rewrap, add_data_key, data_keys.

What the store holds is sealed under a *data key*: random, made by syncd, kept in the database wrapped under the first of
the operator's keys. So a new operator's key costs one small row, and no value is written anew. Data keys are never
removed: a process that was started before a rotation may still write under an older one.
"""

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, inspect

from .cipher import CLEAR, Cipher
from .database import Database, Tx
from .errors import BadKey, KeysMissing, StoreUnusable
from .values import micros, moment
from .views import drop_views

__all__ = [
    "DataKeyRow",
    "add_data_key",
    "check",
    "data_keys",
    "generate",
    "key_id",
    "missing",
    "parse_key",
    "rewrap",
    "unlock",
]

LENGTH = 32
HEX = re.compile(r"[0-9a-fA-F]{64}")
NONCE = 12
HINT = "`syncd keys generate` prints a good one"


@dataclass(frozen=True, slots=True)
class DataKeyRow:
    """`key_id`: the operator's key that it is wrapped under."""

    id: int
    key_id: str
    wrapped: bytes
    created_at: datetime | None


def parse_key(text: str, reference: str) -> bytes:
    """A key as operators write it. `reference` stands for it in the error. Raises BadKey."""
    given = "".join(text.split())
    raw = b""
    if HEX.fullmatch(given):
        raw = bytes.fromhex(given)
    else:
        with suppress(binascii.Error, ValueError):
            padded = given.rstrip("=") + "=" * (-len(given.rstrip("=")) % 4)
            raw = base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)
    if len(raw) != LENGTH:
        raise BadKey(f"{reference} is not an encryption key: 32 bytes in base64 or 64 hexadecimal digits", hint=HINT)
    return raw


def generate() -> str:
    return base64.b64encode(os.urandom(LENGTH)).decode()


def key_id(key: bytes) -> str:
    """What a key is called where it must not be shown."""
    return hashlib.sha256(b"syncd key\0" + key).hexdigest()[:12]


def data_keys(tx: Tx) -> list[DataKeyRow]:
    rows = tx.rows("SELECT id, key_id, wrapped, created_at FROM data_key ORDER BY id")
    return [DataKeyRow(row[0], row[1], row[2], moment(row[3])) for row in rows]


def missing(rows: Sequence[DataKeyRow], keys: Sequence[bytes]) -> list[str]:
    """Ids of operator's keys that are needed and were not given."""
    given = {key_id(key) for key in keys}
    return sorted({row.key_id for row in rows} - given)


def check(database: Database, connection: Connection, keys: Sequence[bytes]) -> None:
    """Raises KeysMissing unless all that the database holds can be opened. Writes nothing."""
    if not inspect(connection).has_table("data_key"):
        return  # a new database
    if absent := missing(data_keys(Tx(connection, database.dialect)), keys):
        given = ", ".join(key_id(key) for key in keys) or "none"
        raise KeysMissing(
            f"what the store holds is encrypted under the key {', '.join(absent)}; keys given: {given}",
            hint="put that key into `encryption_keys` of the configuration, after a newer one if there is one",
        )


def unlock(database: Database, keys: Sequence[bytes], now: datetime) -> Cipher:
    """The cipher for a database whose keys are checked; its first data key is made here."""
    if not keys:
        return CLEAR
    if not database.read(data_keys):
        if database.read_only:
            return CLEAR
        _first(database, keys[0], now)
    from .sealed import DataKey, Sealed  # late: only who encrypts needs the library

    def load() -> Mapping[int, DataKey]:
        rows = database.read(data_keys)
        return {row.id: DataKey(row.id, _unwrapped(row, keys)) for row in rows}

    return Sealed(load)


def _first(database: Database, key: bytes, now: datetime) -> None:
    """Make the first data key, and take away the views: they show payloads in clear."""
    with database.connect() as connection:
        tx = Tx(connection, database.dialect)
        tx.run(database.dialect.begin_write)
        try:
            if not data_keys(tx):  # another process may have been quicker
                add_data_key(tx, key, now)
            drop_views(tx.run)
            tx.run("COMMIT")
        except BaseException:
            tx.run("ROLLBACK")
            raise


def add_data_key(tx: Tx, key: bytes, now: datetime) -> int:
    """A new data key, wrapped; from now on it seals. Its number."""
    number = int(tx.value("SELECT COALESCE(max(id), 0) + 1 FROM data_key"))
    if number >= 2**16:
        raise StoreUnusable("there are 65,535 data keys already")
    values = (number, key_id(key), _wrapped(number, os.urandom(LENGTH), key), micros(now))
    tx.run("INSERT INTO data_key (id, key_id, wrapped, created_at) VALUES (?, ?, ?, ?)", values)
    return number


def rewrap(tx: Tx, keys: Sequence[bytes]) -> int:
    """Wrap all data keys under the first of `keys`. How many were under another."""
    first = key_id(keys[0])
    others = [row for row in data_keys(tx) if row.key_id != first]
    for row in others:
        wrapped = _wrapped(row.id, _unwrapped(row, keys), keys[0])
        tx.run("UPDATE data_key SET key_id = ?, wrapped = ? WHERE id = ?", (first, wrapped, row.id))
    return len(others)


def _wrapped(number: int, secret: bytes, key: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, secret, _purpose(number))


def _unwrapped(row: DataKeyRow, keys: Sequence[bytes]) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key = next((key for key in keys if key_id(key) == row.key_id), None)
    if key is None:
        raise KeysMissing(f"data key {row.id} is wrapped under the key {row.key_id}, which was not given")
    try:
        return AESGCM(key).decrypt(row.wrapped[:NONCE], row.wrapped[NONCE:], _purpose(row.id))
    except (InvalidTag, ValueError) as error:
        raise KeysMissing(f"data key {row.id} is damaged: the key {row.key_id} does not open it") from error


def _purpose(number: int) -> bytes:
    return f"syncd data key {number}".encode()
