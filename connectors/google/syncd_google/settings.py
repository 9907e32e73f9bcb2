"""A connection's settings: schema, endpoints, scopes.

Public: SCHEMA, DEFAULT_ROOTS, SCOPES, DIRECTORY, root, origins, reveal, is_single, key_file, token_url.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson

from syncd.sdk import AuthFailed, Secret, conceal

from .errors import KEY_REFUSED

__all__ = [
    "DEFAULT_ROOTS",
    "DIRECTORY",
    "SCHEMA",
    "SCOPES",
    "is_single",
    "key_file",
    "origins",
    "reveal",
    "root",
    "token_url",
]

TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
DEFAULT_ROOTS = {  # §1.1
    "people": "https://people.googleapis.com",
    "calendar": "https://www.googleapis.com",
    "drive": "https://www.googleapis.com",
    "gmail": "https://gmail.googleapis.com",
    "admin": "https://admin.googleapis.com",
}
DIRECTORY = "directory"  # the purpose of requests that belong to no stream
PREFIX = "https://www.googleapis.com/auth/"
SCOPES: dict[str, tuple[tuple[str, ...], ...]] = {
    # §2.3, least privilege first; the second set is asked for where the first is not granted.
    "contacts": ((PREFIX + "contacts.readonly",),),
    "calendar": (
        (PREFIX + "calendar.calendarlist.readonly", PREFIX + "calendar.events.readonly"),
        (PREFIX + "calendar.readonly",),
    ),
    "files": ((PREFIX + "drive.readonly",),),
    "mail": ((PREFIX + "gmail.readonly",),),
    DIRECTORY: ((PREFIX + "admin.directory.user.readonly",),),
}

_TEXT = {"type": "string", "minLength": 1}
_ROOT = {"type": "string", "pattern": "^https?://[^?#]+$"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Google Workspace",
    "description": "Either `service_account` with `admin` (the whole organisation), or `client_id`, `client_secret` and "
    "`refresh_token` (one user).",
    "additionalProperties": False,
    "properties": {
        "service_account": {
            **_TEXT,
            "x-secret": True,
            "description": "The JSON key file of a service account with domain-wide delegation: ${file:/etc/syncd/acme.json}.",
        },
        "admin": {
            **_TEXT,
            "pattern": "^[^@\\s]+@[^@\\s]+$",
            "description": "Address of an administrator who may read users: the directory is read in this name.",
        },
        "client_id": {
            **_TEXT,
            "description": "OAuth client of an installed app; for one user instead of an organisation.",
        },
        "client_secret": {**_TEXT, "x-secret": True, "description": "That client's secret."},
        "refresh_token": {**_TEXT, "x-secret": True, "description": "The user's refresh token for that client."},
        "customer": {
            **_TEXT,
            "default": "my_customer",
            "description": "Customer id of the organisation; only resellers need it.",
        },
        "endpoints": {
            "type": "object",
            "additionalProperties": False,
            "description": "Other roots, for proxies and tests. The usual paths are appended; `token` is the full token URL "
            "and defaults to the key file's `token_uri`.",
            "properties": {
                **{api: {**_ROOT, "description": f"Instead of {usual}."} for api, usual in DEFAULT_ROOTS.items()},
                "token": {**_ROOT, "description": f"Instead of {TOKEN_URL}."},
            },
        },
    },
    "oneOf": [
        {
            "title": "a service account for the whole organisation",
            "required": ["service_account", "admin"],
            "not": {
                "anyOf": [{"required": ["client_id"]}, {"required": ["client_secret"]}, {"required": ["refresh_token"]}]
            },
        },
        {
            "title": "one user's refresh token",
            "required": ["client_id", "client_secret", "refresh_token"],
            "not": {"anyOf": [{"required": ["service_account"]}, {"required": ["admin"]}]},
        },
    ],
}


def is_single(settings: Mapping[str, Any]) -> bool:
    """Whether the credential is one user's refresh token."""
    return "refresh_token" in settings


def root(settings: Mapping[str, Any], api: str) -> str:
    """Where an API lives, without a slash at the end."""
    return str(_endpoints(settings).get(api) or DEFAULT_ROOTS[api]).rstrip("/")


def origins(settings: Mapping[str, Any]) -> Sequence[str]:
    """All origins that may see the credential."""
    urls = [*(root(settings, api) for api in DEFAULT_ROOTS), token_url(settings)]
    return sorted({"{0.scheme}://{0.netloc}".format(urlsplit(url)) for url in urls})


def token_url(settings: Mapping[str, Any]) -> str:
    """The token endpoint: the override, else the key file's `token_uri`, else Google's. Never fails."""
    named = _endpoints(settings).get("token")
    if named:
        return str(named)
    if is_single(settings):
        return TOKEN_URL
    try:
        uri = key_file(settings).get("token_uri")
    except AuthFailed:
        return TOKEN_URL
    return uri if isinstance(uri, str) and _confidential(uri) else TOKEN_URL


def key_file(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The service account's key file, read again each time. AuthFailed if it is none."""
    try:
        key = orjson.loads(reveal(settings["service_account"]))
    except orjson.JSONDecodeError as error:
        raise AuthFailed("service_account is not a JSON key file", code=KEY_REFUSED) from error
    if not isinstance(key, dict) or not all(isinstance(key.get(name), str) for name in ("client_email", "private_key")):
        raise AuthFailed(
            "service_account is JSON, but not a service account's key: it needs client_email and private_key",
            code=KEY_REFUSED,
        )
    conceal(key["private_key"])
    return key


def reveal(value: Any) -> str:
    """A secret's value now. AuthFailed if its source cannot be read."""
    if not isinstance(value, Secret):
        return conceal(str(value))
    try:
        return value.reveal()
    except (OSError, ValueError) as error:
        raise AuthFailed(f"cannot read {value.reference}: {type(error).__name__}", hint=str(error)) from error


def _endpoints(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    return settings.get("endpoints") or {}


def _confidential(url: str) -> bool:
    """Whether a signed request may travel there: https, or this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return True
    try:
        return parts.scheme == "http" and (
            parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
        )
    except ValueError:
        return False
