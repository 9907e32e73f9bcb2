"""`syncd check`: the cheapest request for each scope that a stream needs (§3.5).

Public: check.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncd.sdk import AccountGone, Context, Forbidden, ProtocolError, SyncdError

from . import directory, errors
from .api import Api, Params
from .errors import Fault
from .wire import drive_data, ident

__all__ = ["check"]

Refusal = Forbidden | AccountGone | ProtocolError
DRIVE = {"Accept": "application/vnd.api+json"}
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
    try:
        await directory.probe_users(ctx)
    except (Forbidden, AccountGone, ProtocolError) as error:
        found["import"] = [_missing(error)]
    mailbox = await _mailbox(ctx)
    for probe in PROBES:
        if "{mailbox}" in probe.path and mailbox is None:
            continue
        missing = found.setdefault(probe.stream, [])
        try:
            api = Api(ctx, probe.product, probe.stream)
            api.scope = probe.scopes
            await api.get(probe.path.format(mailbox=mailbox), probe.stream, probe.params)
        except (Forbidden, AccountGone, ProtocolError) as error:
            if isinstance(error, Forbidden) or not probe.more:
                missing.append(f"{_missing(error, probe.scopes)} {probe.without}".strip())
    found["files"] = await _files(ctx)
    return {stream: " ".join(missing) or "ready" for stream, missing in found.items()}


async def _mailbox(ctx: Context) -> str | None:
    try:
        return next(iter((await directory.owner(ctx)).mailboxes), None)
    except (Forbidden, AccountGone, ProtocolError):
        return None


async def _files(ctx: Context) -> list[str]:
    """The user's entry, and the content host, which needs a scope of its own (§7.4, trap 15)."""
    api = Api(ctx, "workdrive", "files")
    try:
        data = drive_data(await api.get("/workdrive/api/v1/users/me", "files", headers=DRIVE), "files")
    except (Forbidden, AccountGone, ProtocolError) as error:
        return [_missing(error, api.scope)]
    user = ident(data.get("id")) if isinstance(data, dict) else None
    content = Api(ctx, "download", "files")
    content.scope = "ZohoFiles.files.READ"
    try:
        await content.get(f"/v1/workdrive/download/{user}", "files", None, _let_in, headers={"Range": "bytes=0-0"})
    except _LetIn:
        return []
    except (Forbidden, AccountGone, ProtocolError) as error:
        return [f"{_missing(error, content.scope)} Until then no content is fetched."]
    return []


class _LetIn(SyncdError):
    """The content host looked for the file: the scope is there."""


def _let_in(fault: Fault) -> SyncdError | None:
    """A user is no file: whatever does not speak of the scope says so."""
    return None if errors.is_scope_fault(fault) else _LetIn(str(fault))


def _missing(error: Refusal, scopes: str = "") -> str:
    hint = error.hint or next((entry.hint for entry in errors.CATALOGUE if entry.code == error.code), "")
    named = f" Needed: {scopes}." if scopes and scopes not in str(error) else ""
    return f"{error}.{named} {hint}".strip()
