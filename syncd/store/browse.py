"""Looking at records and runs, a page at a time: the dashboard's read side.

Public: Wanted, Listing, scope_of, listing, found, record_view, run_points, stream_counts, stream_names,
connection_counts.

Every query is bounded by what it reads, not only by what it gives: where few of many records fit, a page may hold
less than asked for, and `older` says where to go on.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .accounts import matching_accounts
from .cipher import DATA, DESCRIPTOR, NAME, SUMMARY, TITLE, Cipher, of_record, of_row
from .database import Row, Tx
from .queries import Paths
from .records import DELETED, GONE, OUT
from .search import Scope, text_of, words_of
from .values import LAST, loads, rfc3339

__all__ = [
    "Listing",
    "Wanted",
    "found",
    "listing",
    "record_view",
    "run_points",
    "scope_of",
    "stream_counts",
    "words_of",
]

LOOK = 20_000  # records looked at for one page, however few fit
READ = 500
STATES = {GONE: "gone at the source", OUT: "out of scope", DELETED: "deleted"}
COLUMNS = (
    "r.id, r.seq, c.name, s.name, s.kind, a.label, r.source_id, r.version, r.change, r.state, r.last_changed_at,"
    " y.summary, y.blob, r.stream_id, r.scope"
)
JOINS = (
    " JOIN stream s ON s.id = r.stream_id JOIN connection c ON c.id = s.connection_id"
    " JOIN partition p ON p.id = r.partition_id JOIN account a ON a.id = p.account_id"
    " LEFT JOIN payload y ON y.record_id = r.id"
)
KNOWN = ("name", "title", "subject", "id")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person looks for. `before`: go on below this number, which the page before gave as `older`."""

    connection: str = ""
    stream: str = ""
    account: str = ""
    text: str = ""
    deleted: bool = False
    before: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Listing:
    """One page. `older`: where the next one begins, None at the end."""

    rows: Sequence[dict[str, Any]]
    older: int | None


def scope_of(tx: Tx, wanted: Wanted) -> Scope:
    streams: tuple[int, ...] | None = None
    partitions: tuple[int, ...] | None = None
    if wanted.connection:
        sql = "SELECT s.id FROM stream s JOIN connection c ON c.id = s.connection_id WHERE c.name = ?"
        more, values = (" AND s.name = ?", (wanted.stream,)) if wanted.stream else ("", ())
        streams = tuple(row[0] for row in tx.rows(sql + more, (wanted.connection, *values)))
    if wanted.connection and wanted.account:
        ids = matching_accounts(tx, wanted.connection, [wanted.account])
        found = tx.within("SELECT id, stream_id FROM partition WHERE account_id IN ({})", (), ids)
        partitions = tuple(row[0] for row in found if row[1] in (streams or ()))
    return Scope(streams, partitions)


def listing(tx: Tx, wanted: Wanted) -> Listing:
    """The newest changes of one stream first; with `text`, those in which all words stand. `before` is a seq."""
    scope = scope_of(tx, wanted)
    if scope.empty or not scope.streams:
        return Listing([], None)
    words = [_folded(word) for word in words_of(wanted.text)]
    places, older = _places(tx, scope, wanted, LOOK if words else wanted.limit + 1)
    if words:
        places = _with_words(tx, places, words, wanted.limit + 1)
    if len(places) > wanted.limit:
        places, older = places[: wanted.limit], places[wanted.limit - 1][1]
    rows = {row[0]: row for row in _rows(tx, [key for key, _ in places])}
    return Listing([_brief(tx.cipher, rows[key]) for key, _ in places if key in rows], older)


def _places(tx: Tx, scope: Scope, wanted: Wanted, count: int) -> tuple[Sequence[Row], int | None]:
    """Ids and seqs of the next `count` records; at most LOOK are looked at. And where to go on, if there may be more."""
    ids = scope.streams if scope.partitions is None else scope.partitions
    column = "stream_id" if scope.partitions is None else "partition_id"
    assert ids is not None
    marks = ", ".join("?" * len(ids))
    inner = f"SELECT id, seq, state FROM record WHERE {column} IN ({marks}) AND seq < ? ORDER BY seq DESC LIMIT {LOOK}"  # noqa: S608
    state = f"= {DELETED}" if wanted.deleted else f"< {DELETED}"
    values = (*ids, LAST if wanted.before is None else wanted.before)
    found = tx.rows(
        f"SELECT id, seq FROM ({inner}) AS r WHERE state {state} ORDER BY seq DESC LIMIT {count}",  # noqa: S608
        values,
    )
    if len(found) == count:
        return found, found[-1][1]
    least, looked = tx.row(f"SELECT min(seq), count(*) FROM ({inner}) AS r", values) or (None, 0)  # noqa: S608
    return found, least if looked == LOOK else None


def _with_words(tx: Tx, places: Sequence[Row], words: Sequence[str], most: int) -> list[Row]:
    """Those in whose summaries all words stand: read and opened one after the other, until there are enough."""
    sql = (
        "SELECT r.id, r.stream_id, r.scope, r.source_id, y.summary FROM record r JOIN payload y ON y.record_id = r.id"
        " WHERE r.id IN ({})"
    )
    kept: list[Row] = []
    for start in range(0, len(places), READ):
        part = places[start : start + READ]
        rows = tx.within(sql, (), [key for key, _ in part])
        fitting = {row[0] for row in rows if row[4] and _holds(_summary(tx.cipher, *row[1:]), words)}
        kept += [place for place in part if place[0] in fitting]
        if len(kept) >= most:
            break
    return kept


def _summary(cipher: Cipher, stream: int, scope: int, source_id: str, summary: bytes) -> bytes:
    return cipher.open(summary, SUMMARY, of_record(stream, scope, source_id))


def _rows(tx: Tx, ids: Iterable[int]) -> Iterable[Row]:
    return tx.within(f"SELECT {COLUMNS} FROM record r{JOINS} WHERE r.id IN ({{}})", (), ids)  # noqa: S608


def found(tx: Tx, ids: Sequence[int], limit: int) -> Listing:
    """What the index has found, `limit` + 1 ids at most: read now, so that what is gone since is left out."""
    rows = {row[0]: row for row in _rows(tx, ids[:limit]) if row[9] < DELETED}
    briefs = [_brief(tx.cipher, rows[one]) for one in ids[:limit] if one in rows]
    return Listing(briefs, ids[limit - 1] if len(ids) > limit else None)


def _holds(summary: bytes, words: Sequence[str]) -> bool:
    """Most summaries are told apart by a look at their bytes; those that write letters as escapes are not."""
    if b"\\u" not in summary:
        text = _folded(summary.decode("utf-8", "replace"))
        if not all(word in text for word in words):
            return False
    text = _folded(text_of(loads(summary)))
    return all(word in text for word in words)


def _folded(text: str) -> str:
    """Without case and accents, as the index has it."""
    text = text.casefold()
    if text.isascii():
        return text
    return "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))


def _brief(cipher: Cipher, row: Row) -> dict[str, Any]:
    key, seq, connection, stream, kind, account, source_id, version, change, state, changed, summary, blob = row[:13]
    place = of_record(row[13], row[14], source_id)
    fields = loads(cipher.open(summary, SUMMARY, place)) if summary else {}
    return {
        "id": key,
        "seq": seq,
        "connection": connection,
        "stream": stream,
        "kind": kind,
        "account": account,
        "source_id": source_id,
        "version": version,
        "change": change,
        "state": STATES.get(state, ""),
        "last_changed_at": rfc3339(changed),
        "title": next((str(fields[name]) for name in KNOWN if fields.get(name)), ""),
        "summary": fields,
        "blob": loads(cipher.open(blob, DESCRIPTOR, place)) if blob else None,
    }


VIEW = f"{COLUMNS}, y.data, y.etag, r.first_seen_at, r.state_at, p.source_id, p.title, r.parent, r.name, r.partition_id"


def record_view(tx: Tx, key: int) -> dict[str, Any] | None:
    """One record with its payload, its place and its versions; None if there is none of that number."""
    row = tx.row(f"SELECT {VIEW} FROM record r{JOINS} WHERE r.id = ?", (key,))  # noqa: S608
    if row is None:
        return None
    stream, scope, data, etag, first, state_at, partition, title, parent, name, home = row[13:]
    view = _brief(tx.cipher, row)
    place = of_record(stream, scope, view["source_id"])
    view |= {
        "data": loads(tx.cipher.open(data, DATA, place)) if data else None,
        "etag": etag,
        "first_seen_at": rfc3339(first),
        "state_at": rfc3339(state_at) if view["state"] else None,
        "partition": partition,
        "partition_title": tx.cipher.open_text(title, TITLE, of_row("partition", home)),
        "path": None,
        "versions": _versions(tx, key, place),
    }
    if view["kind"] == "file" and name is not None:
        view["path"] = Paths(tx, stream).of(
            scope, home, view["source_id"], parent, tx.cipher.open_text(name, NAME, place)
        )
    return view


def _versions(tx: Tx, key: int, place: bytes) -> list[dict[str, Any]]:
    sql = (
        "SELECT version, changed_at, superseded_at, summary, blob FROM record_version WHERE record_id = ?"
        " ORDER BY version DESC LIMIT 100"
    )
    return [
        {
            "version": version,
            "changed_at": rfc3339(changed),
            "superseded_at": rfc3339(superseded),
            "summary": loads(tx.cipher.open(summary, SUMMARY, place)) if summary else {},
            "blob": loads(tx.cipher.open(blob, DESCRIPTOR, place)) if blob else None,
        }
        for version, changed, superseded, summary, blob in tx.rows(sql, (key,))
    ]


def stream_counts(tx: Tx) -> list[dict[str, Any]]:
    """Every stream that the store knows, with its live records: where a look around begins."""
    sql = (
        "SELECT c.name, s.name, s.kind, coalesce(sum(p.live + p.kept), 0), count(DISTINCT p.account_id) FROM stream s"
        " JOIN connection c ON c.id = s.connection_id LEFT JOIN partition p ON p.stream_id = s.id"
        " GROUP BY c.name, s.name, s.kind ORDER BY c.name, s.name"
    )
    names = ("connection", "stream", "kind", "records", "accounts")
    return [dict(zip(names, row, strict=True)) for row in tx.rows(sql)]


def stream_names(tx: Tx) -> list[tuple[str, str]]:
    sql = "SELECT c.name, s.name FROM stream s JOIN connection c ON c.id = s.connection_id ORDER BY c.name, s.name"
    return [(row[0], row[1]) for row in tx.rows(sql)]


def connection_counts(tx: Tx, name: str | None = None) -> dict[str, dict[str, Any]]:
    """Connections, or one of them, with their organisation and how many accounts were imported."""
    where = "" if name is None else " WHERE c.name = ?"
    sql = (
        "SELECT c.name, c.organization, c.imported_at, count(a.id), count(a.gone_at) FROM connection c"  # noqa: S608
        f" LEFT JOIN account a ON a.connection_id = c.id{where} GROUP BY c.name, c.organization, c.imported_at"
    )
    return {
        found: {"organization": organization, "imported_at": rfc3339(at), "accounts": accounts, "gone": gone}
        for found, organization, at, accounts, gone in tx.rows(sql, () if name is None else (name,))
    }


def run_points(tx: Tx, sync: str, limit: int, before: int | None = None) -> list[dict[str, Any]]:
    """Runs of a sync, newest first, without their errors: what a table and a chart show."""
    sql = (
        "SELECT id, trigger, status, started_at, finished_at, counts, requests, error_count, reason FROM run"
        " WHERE sync = ? AND id < ? ORDER BY id DESC LIMIT ?"
    )
    return [
        {
            "run": run,
            "trigger": trigger,
            "status": status,
            "started_at": rfc3339(started),
            "finished_at": rfc3339(finished),
            "duration_s": None if finished is None else (finished - started) / 1_000_000,
            "counts": loads(counts) if counts else {},
            "requests": requests,
            "errors": errors,
            "reason": reason,
        }
        for run, trigger, status, started, finished, counts, requests, errors, reason in tx.rows(
            sql, (sync, before or LAST, limit)
        )
    ]
