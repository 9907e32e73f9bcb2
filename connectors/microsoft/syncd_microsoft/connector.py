"""The Microsoft 365 connector.

Public: MicrosoftConnector.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from syncd.sdk import (
    Account,
    Bookmark,
    Connector,
    ConnectorInfo,
    Context,
    Departed,
    Limits,
    RateLimited,
    Stream,
    Transient,
)
from syncd.sdk.http import httpx

from . import checks, directory, errors, settings, throttle
from .auth import MicrosoftAuth
from .calendar import CalendarStream
from .contacts import ContactsStream
from .files import FilesStream
from .mail import MailStream
from .settings import DOWNLOADS

__all__ = ["MicrosoftConnector"]


class MicrosoftConnector(Connector):
    """Contacts, calendars, files and mail of an organisation (app permissions) or of one user (refresh token)."""

    info = ConnectorInfo(
        name="microsoft",
        title="Microsoft 365",
        settings_schema=settings.SCHEMA,
        limits=Limits(concurrency=16, account_concurrency=4, lanes=throttle.LANES),  # §11: Outlook bears 4 per mailbox
        errors=errors.CATALOGUE,
        request_id="client-request-id",  # §1: echoed, and in the bodies of errors
    )

    def streams(self) -> Sequence[Stream]:
        return STREAMS

    def auth(self, settings: Mapping[str, Any]) -> httpx.Auth:
        return MicrosoftAuth(settings)

    def origins(self, settings: Mapping[str, Any]) -> Sequence[str]:
        return _origins(settings)

    def downloads(self, settings: Mapping[str, Any]) -> Sequence[str]:
        return DOWNLOADS

    def retryable(self, response: httpx.Response) -> RateLimited | Transient | None:
        return throttle.later(response)

    def pace(self, response: httpx.Response) -> RateLimited | None:
        return throttle.slow_down(response)

    async def accounts(self, ctx: Context) -> AsyncIterator[Account | Departed | Bookmark]:
        async for one in directory.accounts(ctx):
            yield one

    async def check(self, ctx: Context) -> Mapping[str, str]:
        return await checks.check(ctx)


def _origins(values: Mapping[str, Any]) -> Sequence[str]:
    return settings.origins(values)


STREAMS: tuple[Stream, ...] = (ContactsStream(), CalendarStream(), FilesStream(), MailStream())
