"""Contacts: the owner's address book, read as a whole or, by option, by what the sync endpoint tells (§6).

Public: Contacts.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta

from syncd.sdk import JSON, REPORTED, SWEEP, Context, Item, Page, Reject, Scan, Stream, StreamInfo

from .contacts_sync import Trail, changes
from .leaves import PAGE_SIZE, Leaf, leaves
from .people import record_of

__all__ = ["Contacts"]

TOGETHER = 1_000  # records
PROVE = timedelta(days=7)  # how long the sync endpoint is believed
OPTIONS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "source": {
            "enum": ["full", "sync"],
            "default": "full",
            "description": "full: the whole book each time. sync: what Zoho's sync endpoint tells, and the whole book weekly.",
        }
    },
}


class Contacts(Stream):
    """The owner's contacts, one partition.

    `source: full` reads the book as a whole each time: what is not listed any more is gone. Pages count by position, so
    that a contact that goes during the walk makes another one slip through: two listings must miss a record before it
    counts as gone. `source: sync` asks for changes in between; see `contacts_sync`.
    """

    info = StreamInfo(
        "contacts",
        "Contacts",
        scans={Scan.FULL},
        deletes=SWEEP,
        stable_listing=False,
        options_schema=OPTIONS,
    )
    synced = replace(info, scans={Scan.FULL, Scan.DELTA}, deletes=REPORTED, full_every=PROVE)

    def info_with(self, options: Mapping[str, JSON]) -> StreamInfo:
        return self.synced if options.get("source") == "sync" else self.info

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        found = changes(ctx) if ctx.scan is Scan.DELTA else _book(ctx, ctx.options.get("source") == "sync")
        async for page in found:
            yield page


async def _book(ctx: Context, watched: bool) -> AsyncIterator[Page]:
    """Everything. `watched`: a delta round is to follow, so it is noted where that must begin."""
    trail = Trail.read(ctx.cursor)
    kept: list[Item] = []
    async for leaf in leaves(ctx, "/api/v1/accounts/self/contacts", trail.page):
        kept += _items(leaf)
        if watched:
            trail.pass_by(leaf)
        if leaf.last:
            yield Page(kept, last=True, bookmark=trail.after_walk(leaf) if watched else None)
            return
        trail.page = leaf.page + 1
        if len(leaf.entries) < PAGE_SIZE or len(kept) >= TOGETHER:  # full pages are many: a few are handed on together
            yield Page(kept, resume=trail.cursor())
            kept = []


def _items(leaf: Leaf) -> list[Item]:
    return [entry if isinstance(entry, Reject) else record_of(*entry) for entry in leaf.entries]
