"""What a purge is about, and the small transactions in which it removes that.

Public: Target, Unknown, resolve, preview, begin, unfinished, end, Names and the steps that `erasing.py` goes through.

A purge is decided once and noted in a *marker* row, by numbers only, so that a killed one can be finished: every step looks
for what is still there. The rows of accounts, which name people, go last of all rows; the marker goes when no page of the database
holds what was purged.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import msgspec

from syncd.engine.ports import Busy, Purging

from .accounts import matching_accounts
from .database import Tx
from .feed import break_feed
from .names import Names, forget_texts
from .owners import Owners
from .values import dumps, loads

__all__ = [
    "Target",
    "Unknown",
    "begin",
    "end",
    "erase_errors",
    "erase_hashes",
    "erase_partitions",
    "erase_people",
    "erase_records",
    "erase_texts",
    "hand_over",
    "names_of",
    "preview",
    "resolve",
    "unfinished",
]

RECORDS = 500  # removed per transaction
PARTITIONS = 100
RUNS = 10
HASHES = 500
MARKER = "purge:"
TELLING = 6  # characters: a shorter id is a word like any other
BESIDES = ("seen", "quarantine", "content_journal", "content_retry", "pending_deletion")


class Unknown(LookupError):
    """There is no such connection, account or stream in the store. `kind` and `name` say which, `known` what there is."""

    def __init__(self, kind: str, name: str, known: Sequence[str]) -> None:
        super().__init__(f"no {kind} is named {name!r}")
        self.kind, self.name, self.known = kind, name, known


@dataclass(frozen=True, slots=True)
class Target:
    """By numbers; None means all of the connection. `heir`: the account that takes over shared partitions.

    `vaults`: names of connections whose credentials go.
    """

    connection: int
    accounts: tuple[int, ...] | None
    streams: tuple[int, ...] | None
    heir: int | None
    vaults: tuple[str, ...] = ()

    @property
    def people(self) -> bool:
        """Whether the accounts themselves go, not only some of their streams."""
        return self.streams is None

    @property
    def everything(self) -> bool:
        return self.accounts is None and self.streams is None


def resolve(
    tx: Tx, connection: str, accounts: Sequence[str], streams: Sequence[str], former: str | None = None
) -> Target:
    """What these names mean now. Raises Unknown. `former`: the name that the connection had before."""
    key = tx.value("SELECT id FROM connection WHERE name = ?", (connection,))
    if key is None:
        raise Unknown("connection", connection, [row[0] for row in tx.rows("SELECT name FROM connection")])
    people = _accounts(tx, connection, key, accounts) if accounts else None
    chosen = _streams(tx, key, streams) if streams else None
    heir = None if people is None else _heir(tx, key, people)
    everything = people is None and chosen is None
    vaults = tuple(name for name in (connection, former) if name) if everything else ()
    return Target(key, people, chosen, heir, vaults)


def _accounts(tx: Tx, connection: str, key: int, names: Sequence[str]) -> tuple[int, ...]:
    for name in names:
        if not matching_accounts(tx, connection, [name]):
            labels = tx.rows("SELECT label FROM account WHERE connection_id = ? ORDER BY label", (key,))
            raise Unknown(f"account of {connection}", name, [row[0] for row in labels])
    return tuple(sorted(matching_accounts(tx, connection, names)))


def _streams(tx: Tx, key: int, names: Sequence[str]) -> tuple[int, ...]:
    known = {row[0]: row[1] for row in tx.rows("SELECT name, id FROM stream WHERE connection_id = ?", (key,))}
    for name in names:
        if name not in known:
            raise Unknown("stream with data", name, sorted(known))
    return tuple(sorted({known[name] for name in names}))


def _heir(tx: Tx, key: int, people: Sequence[int]) -> int | None:
    others = f"SELECT min(id) FROM account WHERE connection_id = ? AND NOT (TRUE{_in('id', people)})"  # noqa: S608
    living = f"{others} AND gone_at IS NULL AND state = 'active'"
    found: int | None = tx.value(living, (key,)) or tx.value(others, (key,))
    return found


def _in(column: str, values: Sequence[int] | None) -> str:
    """Numbers of ours, so many that a statement's parameters would not do."""
    return "" if values is None else f" AND {column} IN ({', '.join(map(str, values)) or 'NULL'})"


def _gone(target: Target) -> str:
    """A query for the partitions that go: the accounts' own, and shared ones that nobody takes over."""
    where = _in("s.id", target.streams)
    if target.accounts is not None:
        where += _in("p.holder" if target.heir is not None else "p.account_id", target.accounts)
    return (
        "SELECT p.id FROM partition p JOIN stream s ON s.id = p.stream_id"  # noqa: S608
        f" WHERE s.connection_id = {int(target.connection)}{where}"
    )


# -- looking


def preview(tx: Tx, target: Target) -> dict[str, Any]:
    """What would go, counted."""
    gone = _gone(target)
    return {
        "accounts": _labels(tx, target) if target.people else [],
        "streams": _by_stream(tx, gone),
        "contents": _contents(tx, gone),
        "errors": _error_count(tx, target),
        "handed_over": _handed_over(tx, target),
    }


def _labels(tx: Tx, target: Target) -> list[str]:
    sql = f"SELECT label FROM account WHERE connection_id = ?{_in('id', target.accounts)} ORDER BY label"  # noqa: S608
    return [row[0] for row in tx.rows(sql, (target.connection,))]


def _by_stream(tx: Tx, gone: str) -> list[dict[str, Any]]:
    names = ("partitions", "records", "tombstones", "versions", "unreadable", "held", "retries")
    counted = (
        f"SELECT stream_id, count(*) FROM partition WHERE id IN ({gone}) GROUP BY 1",  # noqa: S608
        f"SELECT stream_id, count(*) FROM record WHERE state < 3 AND partition_id IN ({gone}) GROUP BY 1",  # noqa: S608
        f"SELECT stream_id, count(*) FROM record WHERE state = 3 AND partition_id IN ({gone}) GROUP BY 1",  # noqa: S608
        "SELECT r.stream_id, count(*) FROM record_version v JOIN record r ON r.id = v.record_id"  # noqa: S608
        f" WHERE r.partition_id IN ({gone}) GROUP BY 1",
        *[
            f"SELECT p.stream_id, count(*) FROM {table} t JOIN partition p ON p.id = t.partition_id"  # noqa: S608
            f" WHERE p.id IN ({gone}) GROUP BY 1"
            for table in ("quarantine", "pending_deletion", "content_retry")
        ],
    )
    found: dict[int, dict[str, Any]] = {}
    for name, sql in zip(names, counted, strict=True):
        for stream, count in tx.rows(sql):
            found.setdefault(stream, {"stream": "", **dict.fromkeys(names, 0)})[name] = count
    for stream, shown in found.items():
        shown["stream"] = tx.value("SELECT name FROM stream WHERE id = ?", (stream,))
    return sorted(found.values(), key=lambda one: str(one["stream"]))


def _contents(tx: Tx, gone: str) -> dict[str, int]:
    """Contents that go, because nothing else refers to them; `shared` ones stay for others."""
    sql = (
        f"WITH gone (id) AS MATERIALIZED ({gone}), mine (sha256) AS ("  # noqa: S608
        " SELECT sha256 FROM record WHERE partition_id IN gone AND sha256 IS NOT NULL"
        " UNION SELECT v.sha256 FROM record_version v JOIN record r ON r.id = v.record_id"
        "  WHERE r.partition_id IN gone AND v.sha256 IS NOT NULL"
        " UNION SELECT sha256 FROM content_journal WHERE partition_id IN gone)"
        " SELECT EXISTS (SELECT 1 FROM record o WHERE o.sha256 = m.sha256 AND o.partition_id NOT IN gone)"
        "  OR EXISTS (SELECT 1 FROM record_version v JOIN record o ON o.id = v.record_id"
        "   WHERE v.sha256 = m.sha256 AND o.partition_id NOT IN gone)"
        "  OR EXISTS (SELECT 1 FROM content_journal j WHERE j.sha256 = m.sha256 AND j.partition_id NOT IN gone),"
        " count(*), sum(b.size) FROM mine m JOIN blob b ON b.sha256 = m.sha256 GROUP BY 1"
    )
    found = {bool(row[0]): row for row in tx.rows(sql)}
    count, size = found[False][1:] if False in found else (0, 0)
    return {"count": count, "bytes": size, "shared": found[True][1] if True in found else 0}


def _error_count(tx: Tx, target: Target) -> int:
    sql = (
        "SELECT count(*) FROM run_error e JOIN run u ON u.id = e.run_id WHERE u.connection ="
        " (SELECT name FROM connection WHERE id = ?)"
    )
    if target.streams is not None:
        sql += f" AND e.stream IN (SELECT name FROM stream WHERE TRUE{_in('id', target.streams)})"  # noqa: S608
    if target.accounts is not None:
        sql += f" AND e.account IN (SELECT label FROM account WHERE TRUE{_in('id', target.accounts)})"  # noqa: S608
    return int(tx.value(sql, (target.connection,)))


def _handed_over(tx: Tx, target: Target) -> int:
    return int(tx.value(f"SELECT count(*) FROM ({_claimed(target)})")) if _claims(target) else 0  # noqa: S608


def _claims(target: Target) -> bool:
    return target.accounts is not None and target.people and target.heir is not None


def _claimed(target: Target) -> str:
    return f"SELECT id FROM partition WHERE holder = 0{_in('account_id', target.accounts)}"  # noqa: S608


# -- the marker


def begin(tx: Tx, owners: Owners, target: Target, now: datetime) -> None:
    """Note that this is to be purged; from now on no run starts on the connection. Raises Busy if one is under way.

    Raises Purging if another purge of the connection is.
    """
    name = tx.value("SELECT name FROM connection WHERE id = ?", (target.connection,))
    if tx.row("SELECT 1 FROM meta WHERE name = ?", (f"{MARKER}{target.connection}",)):
        raise Purging(name)
    for run, holder in tx.rows("SELECT id, owner FROM run WHERE status = 'running' AND connection = ?", (name,)):
        if owners.alive(tx, holder, now):
            raise Busy(holder, run)
    note = {**asdict(target), "owner": owners.register(tx, now)}
    tx.run("INSERT INTO meta (name, value) VALUES (?, ?)", (f"{MARKER}{target.connection}", dumps(note).decode()))


def unfinished(tx: Tx, owners: Owners, now: datetime) -> list[Target]:
    """Purges that no living process works at (this one's included: its own are done or failed)."""
    found = []
    for (value,) in tx.rows("SELECT value FROM meta WHERE name LIKE 'purge:%' ORDER BY name"):
        note = loads(value)
        owner = note.pop("owner")
        if owner == owners.id or not owners.alive(tx, owner, now):
            found.append(msgspec.convert(note, Target))
    return found


def end(tx: Tx, target: Target) -> None:
    tx.run("DELETE FROM meta WHERE name = ?", (f"{MARKER}{target.connection}",))


# -- the steps: each does a little and says how much; 0 means that nothing is left


def hand_over(tx: Tx, target: Target) -> int:
    """Shared partitions that an account read for all pass to another, as when their reader leaves: read in full once."""
    if not _claims(target):
        return 0
    return tx.run(
        "UPDATE partition SET account_id = ?, full_due = TRUE, fence = fence + 1, cursor = NULL, resume = NULL,"  # noqa: S608
        f" round_id = NULL WHERE id IN ({_claimed(target)})",
        (target.heir,),
    )


def erase_records(tx: Tx, target: Target) -> int:
    """Records with payloads, versions and proposals; their contents are doomed."""
    sql = f"SELECT id FROM record WHERE partition_id IN ({_gone(target)}) LIMIT ?"  # noqa: S608
    ids = [row[0] for row in tx.rows(sql, (RECORDS,))]
    doom = "UPDATE blob SET doomed = TRUE WHERE sha256 IN (SELECT sha256 FROM {} WHERE {} IN ({{}}))"
    tx.run_within(doom.format("record", "id"), (), ids)
    tx.run_within(doom.format("record_version", "record_id"), (), ids)
    for table in ("record_version", "pending_deletion", "payload"):
        tx.run_within(f"DELETE FROM {table} WHERE record_id IN ({{}})", (), ids)  # noqa: S608
    tx.run_within("DELETE FROM record WHERE id IN ({})", (), ids)
    return len(ids)


def erase_partitions(tx: Tx, target: Target) -> int:
    """Partitions, once their records are gone, with what else belongs to them."""
    ids = [row[0] for row in tx.rows(f"{_gone(target)} LIMIT ?", (PARTITIONS,))]
    tx.run_within(
        "UPDATE blob SET doomed = TRUE WHERE sha256 IN (SELECT sha256 FROM content_journal WHERE partition_id IN ({}))",
        (),
        ids,
    )
    for table in BESIDES:
        tx.run_within(f"DELETE FROM {table} WHERE partition_id IN ({{}})", (), ids)  # noqa: S608
    tx.run_within("DELETE FROM partition WHERE id IN ({})", (), ids)
    return len(ids)


def names_of(tx: Tx, target: Target) -> Names:
    """What the accounts are called in texts, and what those that stay are."""
    sql = "SELECT id, label, address, source_id FROM account WHERE connection_id = ?"
    going: set[str] = set()
    staying: set[str] = set()
    for key, *texts in tx.rows(sql, (target.connection,)):
        goes = target.accounts is None or key in target.accounts
        (going if goes else staying).update(text.casefold() for text in texts if len(text) >= TELLING)
    streams = f"SELECT name FROM stream WHERE connection_id = ?{_in('id', target.streams)}"  # noqa: S608
    named = None if target.streams is None else {row[0] for row in tx.rows(streams, (target.connection,))}
    return Names(frozenset(going - staying), frozenset(staying), target.accounts is None, named)


def erase_errors(tx: Tx, target: Target, names: Names, after: int) -> int:
    """Errors of past runs, a few runs at a time; where accounts go, their ledgers, and names in what else a run keeps.

    The last run that was looked at. Its own counts stay: they name nobody.
    """
    sql = (
        "SELECT u.id FROM run u JOIN connection c ON c.name = u.connection WHERE c.id = ? AND u.id > ?"
        " ORDER BY u.id LIMIT ?"
    )
    runs = [row[0] for row in tx.rows(sql, (target.connection, after, RUNS))]
    if not runs:
        return 0
    errors = (
        "SELECT id, stream, account, message, partition, source_id, hint, detail FROM run_error WHERE run_id IN ({})"
    )
    doomed = [row[0] for row in tx.within(errors, (), runs) if names.concern(*row[1:])]
    tx.run_within("DELETE FROM run_error WHERE id IN ({})", (), doomed)
    if target.people:
        scope = f"DELETE FROM run_scope WHERE TRUE{_in('account_id', _everybody(tx, target))} AND run_id IN ({{}})"  # noqa: S608
        tx.run_within(scope, (), runs)
        forget_texts(tx, names, "run", "id", ("scope", "reason"), runs)
        _forget_troubled(tx, names, runs)
    return int(runs[-1])


def _forget_troubled(tx: Tx, names: Names, runs: Sequence[int]) -> None:
    """A run's streams name the accounts that had trouble."""
    for run, kept in list(tx.within("SELECT id, streams FROM run WHERE streams IS NOT NULL AND id IN ({})", (), runs)):
        streams = loads(kept)
        for entry in streams:
            entry["troubled"] = [one for one in entry.get("troubled", ()) if not names.concern(None, one["account"])]
        if (left := dumps(streams)) != kept:
            tx.run("UPDATE run SET streams = ? WHERE id = ?", (left, run))


def _everybody(tx: Tx, target: Target) -> Sequence[int]:
    if target.accounts is not None:
        return target.accounts
    return [row[0] for row in tx.rows("SELECT id FROM account WHERE connection_id = ?", (target.connection,))]


def erase_texts(tx: Tx, target: Target, names: Names) -> None:
    """Names in reasons of pauses and in notices."""
    if not target.people:
        return
    for table, key, columns in (
        ("sync_state", "name", ("reason",)),
        ("notice", "key", ("title", "body")),
        ("notice_message", "id", ("content",)),
    ):
        keys = [row[0] for row in tx.rows(f"SELECT {key} FROM {table}")]  # noqa: S608
        forget_texts(tx, names, table, key, columns, keys)


def erase_hashes(tx: Tx, target: Target, after: str) -> str:
    """Providers' checksums of contents that nothing of this connection refers to any more. The last one looked at."""
    sql = "SELECT hash, sha256 FROM blob_hash WHERE connection_id = ? AND hash > ? ORDER BY hash LIMIT ?"
    rows = tx.rows(sql, (target.connection, after, HASHES))
    used = (
        "SELECT 1 FROM record r JOIN stream s ON s.id = r.stream_id WHERE r.sha256 = ? AND s.connection_id = ?"
        " UNION ALL SELECT 1 FROM record_version v JOIN record r ON r.id = v.record_id"
        " JOIN stream s ON s.id = r.stream_id WHERE v.sha256 = ? AND s.connection_id = ?"
        " UNION ALL SELECT 1 FROM content_journal j JOIN partition p ON p.id = j.partition_id"
        " JOIN stream s ON s.id = p.stream_id WHERE j.sha256 = ? AND s.connection_id = ? LIMIT 1"
    )
    for kept, alias in rows:
        if not tx.row(used, (alias, target.connection) * 3):
            tx.run("DELETE FROM blob_hash WHERE connection_id = ? AND hash = ?", (target.connection, kept))
    return str(rows[-1][0]) if rows else ""


def erase_people(tx: Tx, target: Target) -> None:
    """The last rows: accounts, and what a connection knows of its organisation. Readers of the feed must begin anew."""
    streams = f"SELECT id FROM stream WHERE connection_id = ?{_in('id', target.streams)}"  # noqa: S608
    for (stream,) in tx.rows(streams, (target.connection,)):
        break_feed(tx, stream)
    if not target.people:
        return
    tx.run(f"DELETE FROM account WHERE connection_id = ?{_in('id', target.accounts)}", (target.connection,))  # noqa: S608
    tx.run("UPDATE connection SET import_bookmark = NULL WHERE id = ?", (target.connection,))
    if target.everything:
        sql = "UPDATE connection SET organization = NULL, imported_at = NULL, listed_at = NULL WHERE id = ?"
        tx.run(sql, (target.connection,))
