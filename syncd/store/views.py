"""The views that SQL readers may rely on: v1_contacts, v1_events, v1_files, v1_messages.

Public: create_views, drop_views. A migration that changes a table drops the views first and creates them last.

One row per live record. Texts are texts, times RFC 3339 UTC, lists and objects JSON text.
"""

from collections.abc import Callable

from .dialect import Dialect

__all__ = ["create_views", "drop_views"]

FIELDS = {
    "contact": ("v1_contacts", ("name", "emails")),
    "event": ("v1_events", ("title", "start", "end", "timezone", "organizer", "attendees")),
    "file": ("v1_files", ("name", "kind", "mime_type", "size", "modified_at")),
    "message": ("v1_messages", ("subject", "from", "to", "date", "message_id")),
}
CONTENT = ("file", "message")

PATH = """
(WITH RECURSIVE up(parent, path, trail, depth) AS (
    SELECT r.parent, r.name, '/' || r.id || '/', 0
    UNION ALL
    SELECT p.parent, p.name || '/' || up.path, up.trail || p.id || '/', up.depth + 1
    FROM up JOIN record p ON p.stream_id = r.stream_id AND p.scope = r.scope AND p.source_id = up.parent
    WHERE p.partition_id = r.partition_id AND up.depth < 200 AND up.trail NOT LIKE '%/' || p.id || '/%'
) SELECT path FROM up ORDER BY depth DESC LIMIT 1) AS path"""


def create_views(execute: Callable[[str], object], dialect: Dialect) -> None:
    for kind, (name, fields) in FIELDS.items():
        columns = [f'{dialect.json_text("d.summary", field)} AS "{field}"' for field in fields]
        if kind == "file":
            columns.append(PATH)
        if kind in CONTENT:
            columns += [f"{dialect.json_text('d.blob', field)} AS blob_{field}" for field in ("sha256", "size")]
        execute(_view(name, kind, columns, dialect))


def _view(name: str, kind: str, columns: list[str], dialect: Dialect) -> str:
    return f"""
CREATE VIEW {name} AS
SELECT c.name AS connection, a.label AS account, s.name AS stream, p.source_id AS "partition", r.source_id,
    r.seq, r.version, {dialect.time_text("r.first_seen_at")} AS first_seen_at,
    {dialect.time_text("r.last_changed_at")} AS last_changed_at,
    {", ".join(columns)}
FROM record r
JOIN payload d ON d.record_id = r.id
JOIN partition p ON p.id = r.partition_id
JOIN account a ON a.id = p.account_id
JOIN stream s ON s.id = r.stream_id
JOIN connection c ON c.id = s.connection_id
WHERE s.kind = '{kind}' AND r.state < 3"""  # noqa: S608 - every part is a constant of this module


def drop_views(execute: Callable[[str], object]) -> None:
    for name, _ in FIELDS.values():
        execute(f"DROP VIEW IF EXISTS {name}")
