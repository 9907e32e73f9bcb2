"""Settings as checked structs: what to ask, and how to read the answers.

Public: read, Plan and the parts of it.

The words are those of the settings (docs/http.md); `schema` says the same to people and editors.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

__all__ = [
    "Accounts",
    "Auth",
    "Content",
    "Detail",
    "ErrorRule",
    "Incremental",
    "Listing",
    "OneAccount",
    "Pagination",
    "Plan",
    "RateLimit",
    "StreamPlan",
    "When",
    "chain_of",
    "read",
]

Scalar = str | int | float | bool
Texts = str | list[str]
Unset = msgspec.UnsetType


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all parts have in common: they do not change, and know no other words."""


class When(_Part, frozen=True, kw_only=True):
    """A condition on JSON: what stands at `path` equals a value, is one of several, holds a text, or is there at all."""

    path: str
    equals: Scalar | Unset = msgspec.UNSET
    one_of: list[Scalar] | Unset = msgspec.field(name="in", default=msgspec.UNSET)
    contains: str | Unset = msgspec.UNSET
    present: bool | Unset = msgspec.UNSET


class Basic(_Part, frozen=True, kw_only=True):
    username: str
    password: Any


class Header(_Part, frozen=True, kw_only=True):
    name: str
    value: Any
    prefix: str = ""


class Query(_Part, frozen=True, kw_only=True):
    name: str
    value: Any


class OAuth2(_Part, frozen=True, kw_only=True):
    token_url: str
    client_id: str
    client_secret: Any = None
    refresh_token: Any = None
    scope: str | None = None
    client_in: str = "body"
    params: dict[str, str] = {}


class Auth(_Part, frozen=True, kw_only=True):
    """At most one of these; none: the API is open."""

    bearer: Any = None
    basic: Basic | None = None
    header: Header | None = None
    query: Query | None = None
    oauth2: OAuth2 | None = None


class ByPage(_Part, frozen=True, kw_only=True):
    param: str = "page"
    start: int = 1
    size_param: str | None = None
    size: int | None = None
    total: str | None = None
    more: str | None = None
    ends: str = "empty"


class ByOffset(_Part, frozen=True, kw_only=True):
    param: str = "offset"
    size_param: str | None = None
    size: int | None = None
    total: str | None = None
    more: str | None = None
    ends: str = "empty"


class ByCursor(_Part, frozen=True, kw_only=True):
    path: str
    param: str
    more: str | None = None


class ByNextLink(_Part, frozen=True, kw_only=True):
    path: str


class ByLinkHeader(_Part, frozen=True, kw_only=True):
    rel: str = "next"


class Pagination(_Part, frozen=True, kw_only=True):
    """At most one of these; none: a listing is one answer."""

    page: ByPage | None = None
    offset: ByOffset | None = None
    cursor: ByCursor | None = None
    next_link: ByNextLink | None = None
    link_header: ByLinkHeader | None = None


class ModifiedSince(_Part, frozen=True, kw_only=True):
    param: str
    overlap: str = "2m"
    format: str = "rfc3339"


class SyncToken(_Part, frozen=True, kw_only=True):
    param: str
    path: str


class Incremental(_Part, frozen=True, kw_only=True):
    modified_since: ModifiedSince | None = None
    sync_token: SyncToken | None = None


class Listing(_Part, frozen=True, kw_only=True):
    """A request, and where its answers hold what."""

    path: str
    method: str = "GET"
    params: dict[str, Scalar | list[Scalar]] = {}
    headers: dict[str, str] = {}
    body: Any = None
    records: str = "$"
    optional_records: bool = False
    pagination: Pagination = Pagination()
    id: Texts
    id_type: str | None = None


class Detail(_Part, frozen=True, kw_only=True):
    path: str
    record: str = "$"
    hydrate: bool = False


class Content(_Part, frozen=True, kw_only=True):
    path: str | None = None
    url: str | None = None
    hosts: list[str] = []
    tag: str | None = None
    size: str | None = None
    md5: str | None = None
    sha1: str | None = None
    sha256: str | None = None
    mime_type: str | None = None
    when: When | None = None


class StreamPlan(Listing, frozen=True, kw_only=True):
    """One stream."""

    title: str = ""
    kind: str | None = None
    for_each: str | None = None
    identity: str = "account"
    modified: Texts | None = None
    etag: str | None = None
    name: str | None = None
    folder: str | None = None
    deleted: When | None = None
    deleted_ids: str | None = None
    summary: dict[str, Texts] = {}
    volatile: list[str] = []
    incremental: Incremental = Incremental()
    full_every: str | None = None
    detail: Detail | None = None
    content: Content | None = None


class OneAccount(_Part, frozen=True, kw_only=True):
    """The account that everything belongs to, where the API knows no people."""

    id: str = "default"
    address: str | None = None
    name: str = ""


class Accounts(Listing, frozen=True, kw_only=True):
    """Where the people are listed."""

    address: str | None = None
    name: str | None = None
    active: When | None = None


class ErrorRule(_Part, frozen=True, kw_only=True):
    """What an answer means: by status, and by what its body says."""

    status: int | list[int]
    means: str
    when: When | None = None


class RateLimit(_Part, frozen=True, kw_only=True):
    """Headers in which the API says how much is left, and when there is more."""

    retry_after: str | None = None
    remaining: str | None = None
    reset: str | None = None
    reset_format: str = "seconds"


class Plan(_Part, frozen=True, kw_only=True):
    """All of a connection's settings."""

    base_url: str
    streams: dict[str, StreamPlan]
    auth: Auth = Auth()
    headers: dict[str, str] = {}
    account: OneAccount = OneAccount()
    accounts: Accounts | None = None
    errors: list[ErrorRule] = []
    rate_limit: RateLimit = RateLimit()


def read(settings: Mapping[str, Any]) -> Plan:
    """The plan. Raises ValueError for settings that do not keep to the schema."""
    try:
        return msgspec.convert(settings, Plan)
    except msgspec.ValidationError as error:
        raise ValueError(f"settings do not fit: {error}") from error


def chain_of(streams: Mapping[str, StreamPlan], name: str) -> Sequence[str]:
    """The streams that a stream hangs on, the outermost first. Raises ValueError if one is not there, or for a circle."""
    chain: list[str] = []
    above = streams[name].for_each
    while above is not None:
        if above not in streams:
            raise ValueError(f"names a stream that is not there: {above!r}")
        if above == name or above in chain:
            raise ValueError(f"leads in a circle: {' → '.join([name, *chain, above])}")
        chain.append(above)
        above = streams[above].for_each
    return chain[::-1]
