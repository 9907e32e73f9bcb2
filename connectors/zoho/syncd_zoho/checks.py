"""`syncd check`: each stream's cheapest request.

Public: check.
"""

from collections.abc import Mapping

from syncd.sdk import AccountGone, Context, Forbidden, ProtocolError

from . import directory, errors
from .api import Api, Params
from .settings import SCOPES

__all__ = ["check"]

PROBES: dict[str, tuple[str, str, Params]] = {  # stream → product, and the cheapest request that needs its scope
    "contacts": ("contacts", "/api/v1/accounts/self/contacts", {"page": 1, "per_page": 1}),
    "calendar": ("calendar", "/api/v1/calendars", {}),
    "files": ("workdrive", "/workdrive/api/v1/users/me", {}),
    "mail": ("mail", "/api/accounts", {}),
    "crm_contacts": ("crm", "/crm/v8/Contacts", {"fields": "id", "per_page": 1}),
    "crm_leads": ("crm", "/crm/v8/Leads", {"fields": "id", "per_page": 1}),
    "crm_events": ("crm", "/crm/v8/Events", {"fields": "id", "per_page": 1}),
}
HEADERS = {"files": {"Accept": "application/vnd.api+json"}}


async def check(ctx: Context) -> Mapping[str, str]:
    """Per stream "ready" or what is missing; `import` is named if the users cannot be listed."""
    found: dict[str, str] = {}
    try:
        await directory.probe_users(ctx)
    except (Forbidden, AccountGone, ProtocolError) as error:
        found["import"] = _missing(error)
    for stream, (product, path, params) in PROBES.items():
        try:
            await Api(ctx, product, stream).get(path, stream, params, headers=HEADERS.get(stream))
            found[stream] = "ready"
        except (Forbidden, AccountGone, ProtocolError) as error:
            found[stream] = _missing(error, SCOPES[stream])
    return found


def _missing(error: Forbidden | AccountGone | ProtocolError, scopes: str = "") -> str:
    hint = error.hint or next((entry.hint for entry in errors.CATALOGUE if entry.code == error.code), "")
    named = f" Needed: {scopes}." if scopes and scopes not in str(error) else ""
    return f"{error}.{named} {hint}".strip()
