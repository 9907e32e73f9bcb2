"""The Zoho connector.

Public: ZohoConnector.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from syncd.sdk import Account, Connector, ConnectorInfo, Context, Lane, Limits, RateLimited, Stream, Transient
from syncd.sdk.http import httpx

from . import checks, directory, errors, settings
from .auth import ZohoAuth
from .calendar import Calendar
from .contacts import Contacts
from .crm import CRM_STREAMS
from .files import FilesStream
from .mail import Mail

__all__ = ["ZohoConnector"]

LIMITS = Limits(
    concurrency=8,
    account_concurrency=4,
    lanes={
        # §4.7: 30 a minute are allowed. 20, never many at once: each process counts for itself, and the first use is
        # `syncd check`, `syncd import` and `syncd sync` within a minute
        "mail": Lane(requests=2, seconds=6.0, per="connection"),
        "calendar": Lane(requests=2, seconds=1.0, per="connection"),  # §5.6
        "workdrive": Lane(requests=5, seconds=1.0, per="connection"),  # §7.6: about 6 a second
        "folder": Lane(requests=15, seconds=60.0, per="connection"),  # §7.6: of one folder, 19 pass
        "crm": Lane(
            requests=10, seconds=1.0, per="connection"
        ),  # §8.9 counts what is under way; 4 by account_concurrency
    },
)


class ZohoConnector(Connector):
    """Contacts, calendars, WorkDrive, mail and CRM of one refresh token's owner; mail of those the token may read."""

    info = ConnectorInfo(
        name="zoho",
        title="Zoho",
        settings_schema=settings.SCHEMA,
        limits=LIMITS,
        errors=errors.CATALOGUE,
    )

    def streams(self) -> Sequence[Stream]:
        return STREAMS

    def auth(self, settings: Mapping[str, Any]) -> httpx.Auth:
        return ZohoAuth(settings)

    def origins(self, settings: Mapping[str, Any]) -> Sequence[str]:
        return _origins(settings)

    def downloads(self, settings: Mapping[str, Any]) -> Sequence[str]:
        """Contents may be redirected out of Zoho, and no document says where to (§7.4)."""
        return ["*"]

    def retryable(self, response: httpx.Response) -> RateLimited | Transient | None:
        return errors.later(response)

    async def accounts(self, ctx: Context) -> AsyncIterator[Account]:
        async for account in directory.accounts(ctx):
            yield account

    async def check(self, ctx: Context) -> Mapping[str, str]:
        """Per stream "ready" or what is missing; `import` too if users cannot be listed."""
        return await checks.check(ctx)


def _origins(values: Mapping[str, Any]) -> Sequence[str]:
    return settings.origins(values)


STREAMS: tuple[Stream, ...] = (Contacts(), Calendar(), FilesStream(), Mail(), *CRM_STREAMS)
