"""The Google Workspace connector.

Public: GoogleConnector.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from syncd.sdk import (
    Account,
    AccountGone,
    AuthFailed,
    Connector,
    ConnectorInfo,
    Context,
    Forbidden,
    Limits,
    ProtocolError,
    RateLimited,
    Stream,
    Transient,
)
from syncd.sdk.http import httpx

from . import directory, errors, settings
from .api import LANES, Api
from .auth import GoogleAuth
from .calendar import Calendar
from .contacts import Contacts
from .files import Files
from .mail import Mail

__all__ = ["GoogleConnector"]

# stream → API, and the cheapest request that needs the stream's scope
PROBES: dict[str, tuple[str, str, dict[str, str | int | None]]] = {
    "contacts": ("people", "/v1/people/me/connections", {"personFields": "metadata", "pageSize": 1}),
    "calendar": ("calendar", "/calendar/v3/users/me/calendarList", {"maxResults": 1}),
    "files": ("drive", "/drive/v3/changes/startPageToken", {"supportsAllDrives": "true"}),
    "mail": ("gmail", "/gmail/v1/users/me/profile", {}),
}


class GoogleConnector(Connector):
    """Contacts, calendars, files and mail of an organisation (service account) or of one user (refresh token)."""

    info = ConnectorInfo(
        name="google",
        title="Google Workspace",
        settings_schema=settings.SCHEMA,
        limits=Limits(concurrency=16, account_concurrency=4, lanes=LANES),
        errors=errors.CATALOGUE,
    )

    def streams(self) -> Sequence[Stream]:
        return STREAMS

    def auth(self, settings: Mapping[str, Any]) -> httpx.Auth:
        return GoogleAuth(settings)

    def origins(self, settings: Mapping[str, Any]) -> Sequence[str]:
        return _origins(settings)

    def retryable(self, response: httpx.Response) -> RateLimited | Transient | None:
        return errors.later(response)

    async def accounts(self, ctx: Context) -> AsyncIterator[Account]:
        if settings.is_single(ctx.settings):
            yield await directory.myself(ctx)
            return
        async for account in directory.users(ctx):
            yield account

    async def check(self, ctx: Context) -> Mapping[str, str]:
        """Per stream "ready" or what is missing, tried as the administrator; `import` is named if it lacks something."""
        found: dict[str, str] = {}
        if not settings.is_single(ctx.settings):
            try:
                await directory.probe_directory(ctx)
            except (Forbidden, ProtocolError) as error:
                found["import"] = _missing(error)
        auth = GoogleAuth(ctx.settings)
        for stream, (api, path, params) in PROBES.items():
            try:
                await Api(ctx, api, stream, auth=auth.purpose(stream)).get(path, stream, params)
                found[stream] = "ready"
            except (Forbidden, AccountGone, ProtocolError) as error:
                found[stream] = _missing(error)
        return found


def _origins(values: Mapping[str, Any]) -> Sequence[str]:
    return settings.origins(values)


def _missing(error: Forbidden | AccountGone | ProtocolError | AuthFailed) -> str:
    hint = error.hint or next((entry.hint for entry in errors.CATALOGUE if entry.code == error.code), "")
    return f"{error}. {hint}".strip() if hint else str(error)


STREAMS: tuple[Stream, ...] = (Contacts(), Calendar(), Files(), Mail())
