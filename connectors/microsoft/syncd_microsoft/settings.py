"""A connection's settings: schema, clouds, roots, credentials.

Public: SCHEMA, CLOUDS, Cloud, cloud, graph, login, version_root, token_url, scope, origins, DOWNLOADS, reveal,
is_delegated.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from syncd.sdk import AuthFailed, Secret, conceal

__all__ = [
    "CLOUDS",
    "DOWNLOADS",
    "SCHEMA",
    "Cloud",
    "cloud",
    "graph",
    "is_delegated",
    "login",
    "origins",
    "reveal",
    "scope",
    "token_url",
    "version_root",
]


class Cloud(NamedTuple):
    """A national cloud: who gives tokens, and where Graph is. Tokens of one are worth nothing in another (§1)."""

    login: str
    graph: str


CLOUDS = {
    "global": Cloud("https://login.microsoftonline.com", "https://graph.microsoft.com"),
    "us-gov": Cloud("https://login.microsoftonline.us", "https://graph.microsoft.us"),
    "us-dod": Cloud("https://login.microsoftonline.us", "https://dod-graph.microsoft.us"),
    "china": Cloud("https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn"),
}
DOWNLOADS = (  # where drives send for contents, in all clouds (§7)
    "*.sharepoint.com",
    "*.1drv.com",
    "*.sharepoint.us",
    "*.sharepoint-mil.us",
    "*.sharepoint.cn",
)
VERSION = "/v1.0"

_TEXT = {"type": "string", "minLength": 1}
_ROOT = {"type": "string", "pattern": "^https?://[^?#]+$"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Microsoft 365",
    "description": "`tenant` and `client_id` of an app registration, and one of: `client_secret`; `certificate` with "
    "`private_key`; `refresh_token` (one user).",
    "additionalProperties": False,
    "required": ["tenant", "client_id"],
    "properties": {
        "tenant": {
            **_TEXT,
            "pattern": "^[A-Za-z0-9][A-Za-z0-9.-]*$",
            "not": {"enum": ["common", "organizations", "consumers"]},
            "description": "The organisation: its directory (tenant) id, or a verified domain.",
        },
        "client_id": {**_TEXT, "description": "Application (client) id of the app registration."},
        "client_secret": {
            **_TEXT,
            "x-secret": True,
            "description": "The value of a client secret (not its id): ${credential:acme-m365}.",
        },
        "certificate": {
            **_TEXT,
            "description": "The certificate registered with the app, in PEM: ${file:/etc/syncd/acme.crt}.",
        },
        "private_key": {
            **_TEXT,
            "x-secret": True,
            "description": "That certificate's private key, in PEM, without a passphrase: ${file:/etc/syncd/acme.key}.",
        },
        "refresh_token": {
            **_TEXT,
            "x-secret": True,
            "description": "A user's refresh token for this app, for one user instead of the organisation.",
        },
        "cloud": {
            "enum": list(CLOUDS),
            "description": "Where the organisation lives; GCC is global, GCC High is us-gov. Default: as `endpoints` say, "
            "else global.",
        },
        "endpoints": {
            "type": "object",
            "additionalProperties": False,
            "description": "Other roots, for proxies and tests. The usual paths are appended.",
            "properties": {
                "login": {**_ROOT, "description": f"Instead of {CLOUDS['global'].login}."},
                "graph": {**_ROOT, "description": f"Instead of {CLOUDS['global'].graph}."},
            },
        },
    },
    "oneOf": [
        {
            "title": "a client secret, for the whole organisation",
            "required": ["client_secret"],
            "not": {
                "anyOf": [{"required": ["certificate"]}, {"required": ["private_key"]}, {"required": ["refresh_token"]}]
            },
        },
        {
            "title": "a certificate, for the whole organisation",
            "required": ["certificate", "private_key"],
            "not": {"anyOf": [{"required": ["client_secret"]}, {"required": ["refresh_token"]}]},
        },
        {
            "title": "one user's refresh token",
            "required": ["refresh_token"],
            "not": {"anyOf": [{"required": ["certificate"]}, {"required": ["private_key"]}]},
        },
    ],
}


def is_delegated(settings: Mapping[str, Any]) -> bool:
    """Whether the credential is one user's refresh token."""
    return "refresh_token" in settings


def cloud(settings: Mapping[str, Any]) -> Cloud:
    """The cloud: as named, else the one whose roots stand in `endpoints`, else the global one (§1, §18.49)."""
    named = settings.get("cloud")
    if named:
        return CLOUDS[str(named)]
    given = _endpoints(settings)
    for one in CLOUDS.values():
        if str(given.get("graph") or "").rstrip("/") == one.graph:
            return one
    for one in CLOUDS.values():
        if str(given.get("login") or "").rstrip("/") == one.login:
            return one
    return CLOUDS["global"]


def graph(settings: Mapping[str, Any]) -> str:
    """Graph's root, without a slash at the end and without the version."""
    return str(_endpoints(settings).get("graph") or cloud(settings).graph).rstrip("/")


def login(settings: Mapping[str, Any]) -> str:
    """The authority that gives tokens, without a slash at the end."""
    return str(_endpoints(settings).get("login") or cloud(settings).login).rstrip("/")


def version_root(settings: Mapping[str, Any]) -> str:
    """What the paths of the documentation are appended to."""
    return graph(settings) + VERSION


def token_url(settings: Mapping[str, Any]) -> str:
    """The tenant's token endpoint (§2.1)."""
    return f"{login(settings)}/{quote(str(settings.get('tenant', '')), safe='')}/oauth2/v2.0/token"


def scope(settings: Mapping[str, Any]) -> str:
    """The scope of an app's token: that cloud's Graph root, also where requests go through a proxy (§1)."""
    return f"{cloud(settings).graph}/.default"


def origins(settings: Mapping[str, Any]) -> Sequence[str]:
    """All origins that may see the credential."""
    return sorted({"{0.scheme}://{0.netloc}".format(urlsplit(url)) for url in (graph(settings), login(settings))})


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
