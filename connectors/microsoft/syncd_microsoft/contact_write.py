"""Writing contacts (wire reference §15).

Public: create, update, delete. They give Graph's contact as it answered.

There is no transactionId for contacts: a create leaves a tag on what it makes, and looks for that tag before it makes
anything, and again when the answer is lost.
"""

from collections.abc import Mapping
from typing import Any

from syncd.sdk import JSON, Context, Transient

from .api import quoted
from .wire import decode
from .writing import Writes, once, tagged, without_notes

__all__ = ["create", "delete", "update"]

WHAT = "contact"
PERMISSION = "Contacts.ReadWrite"
READ_ONLY = frozenset(
    {
        "id",
        "changeKey",
        "createdDateTime",
        "lastModifiedDateTime",
        "parentFolderId",
        "primaryEmailAddress",  # the three slots show what emailAddresses say (§5)
        "secondaryEmailAddress",
        "tertiaryEmailAddress",
        "photo",
        "extensions",
        "singleValueExtendedProperties",
        "multiValueExtendedProperties",
    }
)


async def create(ctx: Context, data: Mapping[str, JSON], idempotency_key: str) -> dict[str, Any]:
    """A contact in the folder that is the partition, else in the default one."""
    writes = _writes(ctx)
    folder = f"/contactFolders/{quoted(ctx.partition.id)}" if ctx.partition is not None and ctx.partition.id else ""
    listing, guid = f"{writes.graph.user}{folder}/contacts", once(idempotency_key)
    body = {**without_notes(data, READ_ONLY), **tagged(guid)}
    made = await writes.find(listing, guid)
    if made is None:
        try:
            made = decode((await writes.send("POST", listing, body)).content, WHAT)
        except Transient:  # the answer is lost: the contact may be there
            made = await writes.find(listing, guid)
            if made is None:
                raise
    return made


async def update(ctx: Context, source_id: str, data: Mapping[str, JSON], etag: str | None) -> dict[str, Any]:
    """Sparse; lists and addresses are replaced whole."""
    writes = _writes(ctx)
    return await writes.change(_path(writes, source_id), without_notes(data, READ_ONLY), etag)


async def delete(ctx: Context, source_id: str, etag: str | None) -> None:
    """To Deleted Items."""
    writes = _writes(ctx)
    await writes.remove(_path(writes, source_id), etag, "id")


def _writes(ctx: Context) -> Writes:
    return Writes(ctx, "contacts", WHAT, PERMISSION)


def _path(writes: Writes, source_id: str) -> str:
    return f"{writes.graph.user}/contacts/{quoted(source_id)}"
