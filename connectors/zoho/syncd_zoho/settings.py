"""A connection's settings: schema, data centres, endpoints, scopes.

Public: SCHEMA, DATA_CENTERS, PRODUCTS, SCOPES and the scopes of single requests, data_center, environment, root, overridden,
origins, reveal, token_url, center_of.

A product is one of Zoho's services: accounts, mail, calendar, contacts, workdrive, download, crm. Each has a host per
data centre (§2.1); they cannot be derived from each other: Canada's differ in two ways.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from syncd.sdk import AuthFailed, Secret, conceal

__all__ = [
    "CALENDARS",
    "CONTENTS",
    "DATA_CENTERS",
    "EVENTS",
    "FILES",
    "MAILBOXES",
    "MAIL_FOLDERS",
    "MESSAGES",
    "NOTIFICATIONS",
    "PRODUCTS",
    "SCHEMA",
    "SCOPES",
    "SETTINGS",
    "TEAMS",
    "TEAM_FOLDERS",
    "center_of",
    "data_center",
    "environment",
    "origins",
    "overridden",
    "reveal",
    "root",
    "token_url",
]


@dataclass(frozen=True, slots=True)
class DataCenter:
    """Where a data centre's hosts live: `user` for what people see, `gateway` for the API gateway."""

    user: str
    gateway: str


DATA_CENTERS: dict[str, DataCenter] = {  # §2.1
    "us": DataCenter("zoho.com", "zohoapis.com"),
    "eu": DataCenter("zoho.eu", "zohoapis.eu"),
    "in": DataCenter("zoho.in", "zohoapis.in"),
    "au": DataCenter("zoho.com.au", "zohoapis.com.au"),
    "jp": DataCenter("zoho.jp", "zohoapis.jp"),
    "cn": DataCenter("zoho.com.cn", "zohoapis.com.cn"),
    "ca": DataCenter("zohocloud.ca", "zohoapis.ca"),
    "sa": DataCenter("zoho.sa", "zohoapis.sa"),
    "uk": DataCenter("zoho.uk", "zohoapis.uk"),
    "ae": DataCenter("zoho.ae", "zohoapis.ae"),
}
ENVIRONMENTS = {"production": "www", "sandbox": "sandbox", "developer": "developer"}  # of the CRM (§2.1)
PRODUCTS = ("accounts", "mail", "calendar", "contacts", "workdrive", "download", "crm")

CALENDARS, EVENTS = "ZohoCalendar.calendar.READ", "ZohoCalendar.event.READ"
TEAMS, TEAM_FOLDERS, FILES = "WorkDrive.team.READ", "WorkDrive.workspace.READ", "WorkDrive.files.READ"
CONTENTS = "ZohoFiles.files.READ"
MAILBOXES, MAIL_FOLDERS, MESSAGES = "ZohoMail.accounts.READ", "ZohoMail.folders.READ", "ZohoMail.messages.READ"
SETTINGS, NOTIFICATIONS = "ZohoCRM.settings.ALL", "ZohoCRM.notifications.ALL"
SCOPES: dict[str, str] = {  # §3.5: what each stream needs; `import` for the accounts
    "contacts": "zohocontacts.contactapi.READ",
    "calendar": f"{CALENDARS},{EVENTS}",
    "files": f"{TEAMS},{TEAM_FOLDERS},{FILES},{CONTENTS}",
    "mail": f"{MAILBOXES},{MAIL_FOLDERS},{MESSAGES}",
    "crm_contacts": f"ZohoCRM.modules.contacts.READ,{SETTINGS}",
    "crm_leads": f"ZohoCRM.modules.leads.READ,{SETTINGS}",
    "crm_events": f"ZohoCRM.modules.events.READ,{SETTINGS}",
    "import": f"{MAILBOXES},ZohoMail.organization.accounts.READ,ZohoCRM.users.READ",
}

_TEXT = {"type": "string", "minLength": 1}
_ROOT = {"type": "string", "pattern": "^https?://[^?#]+$"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Zoho",
    "description": "A self client's refresh token: api-console.zoho.<data centre> → Self Client.",
    "additionalProperties": False,
    "required": ["data_center", "client_id", "client_secret", "refresh_token"],
    "properties": {
        "data_center": {
            "enum": list(DATA_CENTERS),
            "description": "Where the organisation lives. A refresh token works in its own data centre only.",
        },
        "client_id": {**_TEXT, "description": "Client id of the API console: 1000.…"},
        "client_secret": {
            **_TEXT,
            "x-secret": True,
            "description": "That client's secret; it differs per data centre.",
        },
        "refresh_token": {
            **_TEXT,
            "x-secret": True,
            "description": "Refresh token with the scopes of docs/providers/zoho.md.",
        },
        "environment": {
            "enum": list(ENVIRONMENTS),
            "default": "production",
            "description": "Which environment of the CRM the token belongs to.",
        },
        "organization": {
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "Organisation id (zoid) of Zoho Mail; found by itself if left out.",
        },
        "endpoints": {
            "type": "object",
            "additionalProperties": False,
            "description": "Other roots, for proxies and tests. The usual paths are appended.",
            "properties": {product: {**_ROOT, "description": f"Root of {product}."} for product in PRODUCTS},
        },
    },
}


def data_center(settings: Mapping[str, Any]) -> str:
    """The configured data centre's key."""
    return str(settings.get("data_center") or "us")


def environment(settings: Mapping[str, Any]) -> str:
    """The CRM's environment: production, sandbox or developer."""
    return str(settings.get("environment") or "production")


def root(settings: Mapping[str, Any], product: str) -> str:
    """Where a product lives, without a slash at the end. `api_domain` is never used for it (§2.2)."""
    return overridden(settings, product) or _default(settings, product)


def overridden(settings: Mapping[str, Any], product: str) -> str | None:
    """The operator's own root of a product, without a slash at the end."""
    named = (settings.get("endpoints") or {}).get(product)
    return str(named).rstrip("/") if named else None


def _default(settings: Mapping[str, Any], product: str) -> str:
    center = DATA_CENTERS[data_center(settings)]
    if product == "crm":
        return f"https://{ENVIRONMENTS[environment(settings)]}.{center.gateway}"
    if product == "workdrive":
        return f"https://www.{center.gateway}"
    return f"https://{product}.{center.user}"


def origins(settings: Mapping[str, Any]) -> Sequence[str]:
    """All origins that may see the credential."""
    return sorted({"{0.scheme}://{0.netloc}".format(urlsplit(root(settings, product))) for product in PRODUCTS})


def token_url(settings: Mapping[str, Any]) -> str:
    """The token endpoint (§3.1)."""
    return root(settings, "accounts") + "/oauth/v2/token"


def center_of(url: str) -> str | None:
    """The data centre that an `api_domain` belongs to; None if the table does not know it (§2.2)."""
    host = (urlsplit(url).hostname or "").lower()
    for key, center in DATA_CENTERS.items():
        if host.partition(".")[2] == center.gateway or host == f"api.{center.user}":
            return key
    return None


def reveal(value: Any) -> str:
    """A secret's value now. AuthFailed if its source cannot be read."""
    if not isinstance(value, Secret):
        return conceal(str(value))
    try:
        return value.reveal()
    except (OSError, ValueError) as error:
        raise AuthFailed(f"cannot read {value.reference}: {type(error).__name__}", hint=str(error)) from error
