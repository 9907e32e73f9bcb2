"""Commands about what is mirrored: records, blob.

Public: register.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

import click

from syncd.control.errors import USAGE, ControlError
from syncd.control.hashes import check_sha256

from .completion import connection_names
from .options import Ask, command

__all__ = ["register"]

TOPIC = "Data"
TABLE_LIMIT = 50
BATCH = 1 << 16  # bytes of lines that are written at once


def register(cli: click.Group) -> None:
    @command(cli, TOPIC, "records", json=True)
    @click.option("--connection", required=True, metavar="C", shell_complete=connection_names)
    @click.option("--stream", required=True, metavar="S")
    @click.option("--account", metavar="A", help="Only this account.")
    @click.option(
        "--since", type=click.IntRange(0), metavar="SEQ", help="The change feed after SEQ, deletions included."
    )
    @click.option("--deleted", is_flag=True, help="Tombstones instead of live records.")
    @click.option("--limit", type=click.IntRange(1), metavar="N", help="At most N; a table shows 50 unless told.")
    @click.option("--ndjson", is_flag=True, help="One JSON object a line.")
    def _records(ask: Ask, ndjson: bool, **query: Any) -> None:
        """Records of one stream: live ones, tombstones, or what changed since a SEQ."""
        if ndjson and ask.json:
            raise ControlError("--json and --ndjson exclude each other", exit_code=USAGE)
        ask.run(_show_records(ask, ndjson, query))

    @command(cli, TOPIC, "blob")
    @click.argument("sha256", metavar="SHA256")
    @click.option(
        "-o", "--output", type=click.Path(dir_okay=False, writable=True), metavar="FILE", help="Write it there."
    )
    def _blob(ask: Ask, sha256: str, output: str | None) -> None:
        """The content of a mail, file or export, to stdout or a file."""
        if output is None and sys.stdout.isatty():
            raise click.UsageError("this may be binary: write it to a file with -o FILE, or into a pipe")
        check_sha256(sha256)
        ask.run(_write_blob(ask, sha256, output))


async def _show_records(ask: Ask, ndjson: bool, query: Mapping[str, Any]) -> None:
    if not (ndjson or ask.json) and query["limit"] is None:
        query = {**query, "limit": TABLE_LIMIT + 1}
    async with ask.door() as control:
        lines = control.records(**query)
        if ndjson:
            await _write_lines(lines)
        elif ask.json:
            await _write_array(lines)
        else:
            await _write_table(lines, query)


async def _write_lines(lines: Any) -> None:
    out, batch = sys.stdout.buffer, bytearray()
    async for line in lines:
        batch += line
        batch += b"\n"
        if len(batch) >= BATCH:
            out.write(batch)
            out.flush()
            batch.clear()
    out.write(batch)
    out.flush()


async def _write_array(lines: Any) -> None:
    """One JSON document, written as it comes: memory does not grow with the records."""
    out, separator = sys.stdout.buffer, b"["
    async for line in lines:
        out.write(separator + line)
        separator = b",\n"
    out.write(b"]\n" if separator != b"[" else b"[]\n")
    out.flush()


async def _write_table(lines: Any, query: Mapping[str, Any]) -> None:
    import json

    from .output import ago, say, table

    records = [json.loads(line) async for line in lines]
    shown = records[:TABLE_LIMIT] if query["limit"] == TABLE_LIMIT + 1 else records
    rows = [
        [
            one["seq"], one["change"], one["account"], one["partition"], one["source_id"], title(one),
            ago(one["deleted_at"] or one["last_changed_at"]),
        ]
        for one in shown
    ]  # fmt: skip
    if not rows:
        return say("no records")
    table(["seq", "change", "account", "partition", "source id", "what", "when"], rows, right=("seq",))
    if len(records) > len(shown):
        say("there are more: --limit N, or --ndjson for all", style="dim")
    return None


def title(record: Mapping[str, Any]) -> str:
    """What a record is about, for people."""
    summary = record.get("summary") or {}
    texts = (summary.get(name) for name in ("title", "path", "name", "subject"))
    emails = summary.get("emails") or []
    found = next(chain((text for text in texts if text), (str(email) for email in emails)), "")
    return str(found)[:120]


async def _write_blob(ask: Ask, sha256: str, output: str | None) -> None:
    async with ask.door() as control:
        chunks = control.blob(sha256)
        if output is None:
            async for chunk in chunks:
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        else:
            await _write_file(chunks, Path(output))


async def _write_file(chunks: Any, path: Path) -> None:
    """The file appears whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    with _naming(path):
        file = part.open("wb")
    try:
        async for chunk in chunks:
            with _naming(path):
                file.write(chunk)
        with _naming(path):
            file.flush()
            part.replace(path)
    finally:
        with suppress(OSError):  # what is wrong has been said
            file.close()
        part.unlink(missing_ok=True)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ControlError(
            f"cannot write {path}: {(error.strerror or 'error').lower()}",
            hint="-o FILE names a file in a folder that exists, that you may write to and that has space",
        ) from error
