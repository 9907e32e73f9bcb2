"""CRM contacts, leads and meetings (wire reference §8).

Public: CrmContactsStream, CrmLeadsStream, CrmEventsStream, CRM_STREAMS.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from syncd.sdk import (
    JSON,
    Context,
    Page,
    Pushable,
    Record,
    Reject,
    Stream,
    StreamInfo,
    Tombstone,
    Writable,
)

from . import crm_push
from .crm_api import Crm
from .crm_records import (
    CONTACT_FIELDS,
    EVENT_FIELDS,
    LEAD_FIELDS,
    VOLATILE,
    Summary,
    contact_summary,
    event_summary,
)
from .crm_round import Round, read_by_ids
from .crm_write import Writer

__all__ = ["CRM_STREAMS", "CrmContactsStream", "CrmEventsStream", "CrmLeadsStream"]

OPTIONS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "unique_field": {
            "type": "string",
            "pattern": "^[A-Za-z][A-Za-z0-9_]*$",
            "description": "API name of a unique text field of this module that is made for syncd: creates by a link are "
            "then upserts on it, and cannot happen twice.",
        },
    },
}


def _info(name: str, title: str, kind: str) -> StreamInfo:
    """A restored record need not show in a delta (§8.2): hence a full round every week."""
    return StreamInfo(name, title, kind=kind, volatile=VOLATILE, options_schema=OPTIONS, full_every=timedelta(days=7))


class _CrmStream(Stream, Writable, Pushable):
    """One module. Its ids are the CRM's own: not those of Zoho Contacts or Calendar (§6.4)."""

    def __init__(self, info: StreamInfo, module: str, fields: Sequence[str], summary: Summary, **filters: str) -> None:
        self.info = info
        self.module = module
        self.fields = fields
        self.summary = summary
        self.filters = {"approved": "both", **filters}  # §8.1: else the unapproved are hidden silently

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        async for page in Round(ctx, self._crm(ctx), self.fields, self.summary).pages():
            yield page

    async def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Record | Tombstone | Reject]:
        async for item in read_by_ids(ctx, self._crm(ctx), ids, self.fields, self.summary):
            yield item

    async def create(self, ctx: Context, data: Mapping[str, JSON], *, idempotency_key: str) -> Record:
        return await self._writer(ctx).create(data, idempotency_key)

    async def update(
        self, ctx: Context, source_id: str, data: Mapping[str, JSON], *, etag: str | None, idempotency_key: str
    ) -> Record:
        return await self._writer(ctx).update(source_id, data, etag)

    async def delete(self, ctx: Context, source_id: str, *, etag: str | None, idempotency_key: str) -> None:
        await self._writer(ctx).delete(source_id, etag)

    async def subscribe(self, ctx: Context, url: str, secret: str) -> JSON:
        return await crm_push.subscribe(ctx, self._crm(ctx), url, secret)

    async def renew(self, ctx: Context, subscription: JSON) -> JSON:
        return await crm_push.renew(ctx, self._crm(ctx), subscription)

    async def unsubscribe(self, ctx: Context, subscription: JSON) -> None:
        await crm_push.unsubscribe(self._crm(ctx), subscription)

    def verify(self, headers: Mapping[str, str], body: bytes, subscription: JSON, secret: str) -> bool:
        return crm_push.verify(body, subscription, secret, self.module)

    def _crm(self, ctx: Context) -> Crm:
        return Crm(ctx, self.info.name, self.module, self.filters)

    def _writer(self, ctx: Context) -> Writer:
        return Writer(ctx, self._crm(ctx), self.summary, events=self.module == "Events")


class CrmContactsStream(_CrmStream):
    """The module Contacts."""

    def __init__(self) -> None:
        super().__init__(_info("crm_contacts", "CRM contacts", "contact"), "Contacts", CONTACT_FIELDS, contact_summary)


class CrmLeadsStream(_CrmStream):
    """The module Leads, converted ones included: a conversion is a change, not a deletion (§8.2)."""

    def __init__(self) -> None:
        info = _info("crm_leads", "CRM leads", "contact")
        super().__init__(info, "Leads", LEAD_FIELDS, contact_summary, converted="both")


class CrmEventsStream(_CrmStream):
    """The module Events, which people know as Meetings (§8.5)."""

    def __init__(self) -> None:
        super().__init__(_info("crm_events", "CRM meetings", "event"), "Events", EVENT_FIELDS, event_summary)


CRM_STREAMS: tuple[Stream, ...] = (CrmContactsStream(), CrmLeadsStream(), CrmEventsStream())
