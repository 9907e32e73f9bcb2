"""`syncd check`: the cheapest request for each scope that a stream needs (§3.5).

Public: check.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from syncd.sdk import AccountGone, Context, Forbidden, ProtocolError, SyncdError

from . import directory, errors, settings
from .api import Api, Params
from .errors import Fault
from .workdrive import Drive

__all__ = ["check"]

Refusal = Forbidden | AccountGone | ProtocolError
REFUSALS = (Forbidden, AccountGone, ProtocolError)
USUAL = "Until then only the usual fields are read."


@dataclass(frozen=True, slots=True)
class Probe:
    """A request that needs these scopes. `more`: it only tells whether a scope is refused, other answers say nothing.
    `without`: what the stream does if they are missing. In `path`, `{mailbox}` is the owner's."""

    stream: str
    scopes: str
    product: str
    path: str
    params: Params = field(default_factory=dict)
    more: bool = False
    without: str = ""


def _crm(stream: str, module: str) -> tuple[Probe, Probe]:
    """The records, and the list of the module's fields."""
    records: Params = {"fields": "id", "per_page": 1}
    fields: Params = {"module": module}
    return (
        Probe(stream, f"ZohoCRM.modules.{module.lower()}.READ", "crm", f"/crm/v8/{module}", records),
        Probe(stream, "ZohoCRM.settings.ALL", "crm", "/crm/v8/settings/fields", fields, True, USUAL),
    )


DAY = {"range": '{"start":"20260101","end":"20260102"}'}  # any one will do
PROBES = (
    Probe(
        "contacts",
        "zohocontacts.contactapi.READ",
        "contacts",
        "/api/v1/accounts/self/contacts",
        {"page": 1, "per_page": 1},
    ),
    Probe("calendar", "ZohoCalendar.calendar.READ", "calendar", "/api/v1/calendars"),
    Probe("calendar", "ZohoCalendar.event.READ", "calendar", "/api/v1/calendars/default/events", DAY, True),
    Probe("mail", "ZohoMail.accounts.READ", "mail", "/api/accounts"),
    Probe("mail", "ZohoMail.folders.READ", "mail", "/api/accounts/{mailbox}/folders", {}, True),
    Probe("mail", "ZohoMail.messages.READ", "mail", "/api/accounts/{mailbox}/messages/view", {"limit": 1}, True),
    *_crm("crm_contacts", "Contacts"),
    *_crm("crm_leads", "Leads"),
    *_crm("crm_events", "Events"),
)


async def check(ctx: Context) -> Mapping[str, str]:
    """Per stream "ready" or what is missing; `import` is named if the users cannot be listed."""
    found: dict[str, list[str]] = {}
    mailbox = None
    try:
        me = await directory.owner(ctx)
        mailbox = next(iter(me.mailboxes), None)
        await directory.probe_users(ctx, me)
    except REFUSALS as error:
        found["import"] = [_missing(error)]
    for probe in PROBES:
        if "{mailbox}" in probe.path and mailbox is None:
            continue
        missing = found.setdefault(probe.stream, [])
        try:
            api = Api(ctx, probe.product, probe.stream, probe.scopes)
            await api.get(probe.path.format(mailbox=mailbox), probe.stream, probe.params)
        except REFUSALS as error:
            if isinstance(error, Forbidden) or not probe.more:
                missing.append(f"{_missing(error, probe.scopes)} {probe.without}".strip())
    said = {stream: " ".join(missing) or "ready" for stream, missing in found.items()}
    return {**said, "files": await _files(ctx)}


async def _files(ctx: Context) -> str:
    """What a walk asks, and the content host, which needs a scope of its own (§7.4, trap 15).

    A WorkDrive whose team folders may not be listed is ready all the same: they are mirrored only where that is chosen.
    """
    drive = Drive(ctx)
    try:
        user, teams, single = await drive.teams()
        for root in await drive.roots_of(user, teams, single):
            await drive.get(f"/files/{quote(root, safe='')}/files", "files", settings.FILES, {"page[limit]": 1})
    except REFUSALS as error:
        return _missing(error)
    unlisted = await _team_folders(drive, teams)
    folders = f"{_missing(unlisted)} Until then `shared: true` cannot be chosen." if unlisted else ""
    refused = await _contents(ctx, user)
    if refused is not None:
        return f"{_missing(refused)} Until then no content is fetched. {folders}".strip()
    return f"ready: {folders}" if folders else "ready"


async def _team_folders(drive: Drive, teams: list[str]) -> Forbidden | None:
    """Why team folders cannot be listed."""
    try:
        for team in teams:
            async for _ in drive.folders(team):
                break
    except Forbidden as error:
        return error
    except ProtocolError:
        return None
    return None


async def _contents(ctx: Context, user: str) -> Refusal | None:
    """Why contents cannot be fetched."""
    host = Api(ctx, "download", "files", settings.CONTENTS)
    path = f"/v1/workdrive/download/{quote(user, safe='')}"
    try:
        await host.get(path, "files", None, _let_in, headers={"Range": "bytes=0-0"})
    except _LetIn:
        return None
    except REFUSALS as error:
        return error
    return None


class _LetIn(SyncdError):
    """The content host looked for the file: the scope is there."""


def _let_in(fault: Fault) -> SyncdError | None:
    """A user is no file: whatever does not speak of the scope says so."""
    return None if errors.is_scope_fault(fault) else _LetIn(str(fault))


def _missing(error: Refusal, scopes: str = "") -> str:
    hint = error.hint or next((entry.hint for entry in errors.CATALOGUE if entry.code == error.code), "")
    named = f" Needed: {scopes}." if scopes and scopes not in str(error) else ""
    return f"{error}.{named} {hint}".strip()
