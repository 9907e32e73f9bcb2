"""What a schema cannot say of settings: placeholders, paths, streams that hang on each other, secrets in the wrong place.

Public: problems_of.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .paths import path_problem
from .plan import Content, Listing, Plan, StreamPlan, chain_of, read
from .summaries import FIELDS
from .templates import names_in

__all__ = ["problems_of"]

Problem = tuple[tuple[str | int, ...], str]
_SECRET = re.compile(r"(?i)authorization|cookie|secret|passw|token|api[-_]?key|^key$|credential")
_SECRET_INSIDE = re.compile(  # of a body or a form, where `key`, `token_type` or `cookies` may well be something else
    r"(?i)(authorization|secret|passw(or)?d|passphrase|token|(api|access|private)[-_]?key|credentials?)$"
)
_REFER = "looks like a secret: it must be a reference such as ${env:SOME_SECRET}"
_ACCOUNT = ("account.id", "account.address")
_LISTING_PATHS = ("records",)
_STREAM_PATHS = ("id", "modified", "etag", "name", "folder", "deleted_ids", "volatile")
_ACCOUNT_PATHS = ("id", "address", "name")
_CONTENT_PATHS = ("url", "tag", "size", "md5", "sha1", "sha256", "mime_type")


def problems_of(settings: Mapping[str, Any]) -> Iterator[Problem]:
    """Each problem with its place. What comes through a reference is not known, and nothing is said of it."""
    try:
        plan = read(settings)
    except ValueError as error:
        yield (), str(error)
        return
    yield from _headers(("headers",), plan.headers)
    if plan.auth.oauth2 is not None:
        for inside in _secrets(plan.auth.oauth2.params):
            yield ("auth", "oauth2", "params", *inside), _REFER
    if plan.accounts is not None:
        yield from _listing(("accounts",), plan.accounts, ())
        yield from _json_paths(("accounts",), plan.accounts, _ACCOUNT_PATHS)
        yield from _condition(("accounts", "active"), plan.accounts.active)
    for place, rule in enumerate(plan.errors):
        yield from _condition(("errors", place, "when"), rule.when)
    for name, stream in plan.streams.items():
        yield from _stream(plan, name, stream)


def _stream(plan: Plan, name: str, stream: StreamPlan) -> Iterator[Problem]:
    here = ("streams", name)
    try:
        chain = chain_of(plan.streams, name)
    except ValueError as error:
        yield (*here, "for_each"), str(error)
        return
    known = (*_ACCOUNT, *(f"{above}.id" for above in chain))
    yield from _listing(here, stream, known)
    asked = {*names_in(stream.path), *names_in(stream.params), *names_in(stream.body, whole=True)}
    if chain and f"{chain[-1]}.id" not in asked:
        yield (*here, "for_each"), f"is of no use: {{{chain[-1]}.id}} is neither in path nor in params"
    yield from _json_paths(here, stream, _STREAM_PATHS)
    yield from _condition((*here, "deleted"), stream.deleted)
    yield from _summary(here, name, stream)
    yield from _incremental(here, stream)
    if stream.detail is not None:
        yield from _single((*here, "detail"), stream.detail.path, known)
        yield from _json_paths((*here, "detail"), stream.detail, ("record",))
    if stream.content is not None:
        yield from _content((*here, "content"), stream.content, known)


def _listing(here: tuple[str, ...], one: Listing, known: tuple[str, ...]) -> Iterator[Problem]:
    yield from _url_path((*here, "path"), one.path, known)
    yield from _unknown((*here, "params"), names_in(one.params), known)
    yield from _unknown((*here, "headers"), names_in(one.headers), known)
    yield from _unknown((*here, "body"), names_in(one.body, whole=True), known)
    yield from _headers((*here, "headers"), one.headers)
    for name in one.params:
        if _SECRET.search(name) and name not in _paging_params(one):
            yield (*here, "params", name), "looks like a secret: it belongs into auth.query, as a reference"
    if one.body is not None and one.method == "GET":
        yield (*here, "body"), "is for method: POST only"
    for place in _secrets(one.body):
        if ".".join(map(str, place)) not in _paging_params(one):
            yield (*here, "body", *place), _REFER
    yield from _json_paths(here, one, _LISTING_PATHS)
    yield from _pagination((*here, "pagination"), one)


def _secrets(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where texts are written out that are secrets by their names."""
    children = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        if isinstance(key, str) and _SECRET_INSIDE.search(key) and _written_out(child):
            yield (*place, key)
        yield from _secrets(child, (*place, key))


def _written_out(value: Any) -> bool:
    """Whether it is a text of the YAML itself: what a reference gave is of another type, or still a reference."""
    return type(value) is str and bool(value) and not _open(value) and not names_in(value, whole=True)


def _paging_params(one: Listing) -> set[str]:
    cursor = one.pagination.cursor
    token = one.incremental.sync_token if isinstance(one, StreamPlan) else None
    return {by.param for by in (cursor, token) if by is not None}


def _pagination(here: tuple[str, ...], one: Listing) -> Iterator[Problem]:
    pages = one.pagination
    for word, by in (("page", pages.page), ("offset", pages.offset)):
        if by is None:
            continue
        yield from _json_paths((*here, word), by, ("total", "more"))
        if (by.size is None) is not (by.size_param is None):
            yield (*here, word), "needs size and size_param together"
        if by.ends == "short" and by.size is None:
            yield (*here, word, "ends"), "needs size: without it no page is known to be short"
    for word, single in (("cursor", pages.cursor), ("next_link", pages.next_link)):
        if single is not None:
            yield from _json_paths((*here, word), single, ("path", "more"))


def _incremental(here: tuple[str, ...], one: StreamPlan) -> Iterator[Problem]:
    new = one.incremental
    if new.modified_since is not None and one.modified is None:
        yield (*here, "incremental", "modified_since"), "needs `modified`: where an entry says when it was changed"
    if new.sync_token is not None:
        yield from _json_paths((*here, "incremental", "sync_token"), new.sync_token, ("path",))
    if one.deleted_ids is not None and new.modified_since is None and new.sync_token is None:
        yield (*here, "deleted_ids"), "needs `incremental`: a full listing shows deletions by itself"


def _content(here: tuple[str, ...], content: Content, known: tuple[str, ...]) -> Iterator[Problem]:
    if content.path is not None:
        yield from _single(here, content.path, known)
    yield from _json_paths(here, content, _CONTENT_PATHS)
    yield from _condition((*here, "when"), content.when)


def _single(here: tuple[str, ...], path: str, known: tuple[str, ...]) -> Iterator[Problem]:
    """The path of a request about one entry."""
    yield from _url_path((*here, "path"), path, (*known, "id"))
    if "id" not in names_in(path) and not _open(path):
        yield (*here, "path"), "says nowhere which entry it is about: {id} is missing"


def _summary(here: tuple[str, ...], name: str, one: StreamPlan) -> Iterator[Problem]:
    common = {"contacts": "contact", "calendar": "event", "files": "file", "mail": "message"}
    fields = FIELDS.get(one.kind or common.get(name, ""))
    for field, texts in one.summary.items():
        if fields is not None and field not in fields:
            yield (*here, "summary", field), f"is no field of this kind: there are {', '.join(fields)}"
        yield from _texts((*here, "summary", field), texts)


def _url_path(here: tuple[str, ...], path: str, known: tuple[str, ...]) -> Iterator[Problem]:
    if _open(path):
        return
    if path.startswith("//") or {".", ".."} & set(path.split("/")):
        yield here, "must be a plain path: neither // at its beginning, nor . or .. within"
    yield from _unknown(here, names_in(path), known)


def _unknown(here: tuple[str, ...], names: list[str], known: tuple[str, ...]) -> Iterator[Problem]:
    for name in dict.fromkeys(names):
        if name not in known:
            there = f"there are {', '.join(f'{{{one}}}' for one in known)}" if known else "there are none here"
            yield here, f"holds a placeholder that nothing fills: {{{name}}} ({there})"


def _headers(here: tuple[str, ...], headers: Mapping[str, str]) -> Iterator[Problem]:
    for name, value in headers.items():
        if _SECRET.search(name):
            yield (*here, name), "looks like a secret: it belongs into auth.header, as a reference"
        elif not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or not (value.isascii() and value.isprintable()):
            yield (*here, name), "is no header: plain ASCII on one line"


def _condition(here: tuple[str | int, ...], when: Any) -> Iterator[Problem]:
    if when is not None:
        yield from _texts((*here, "path"), when.path)


def _json_paths(here: tuple[str, ...], part: Any, names: tuple[str, ...]) -> Iterator[Problem]:
    for name in names:
        yield from _texts((*here, name), getattr(part, name, None))


def _texts(here: tuple[str | int, ...], texts: str | list[str] | None) -> Iterator[Problem]:
    many = isinstance(texts, list)
    for place, text in enumerate(texts if isinstance(texts, list) else [] if texts is None else [texts]):
        if not _open(text) and (problem := path_problem(text)):
            yield ((*here, place) if many else here), problem


def _open(text: str) -> bool:
    """Whether a reference stands there: its value is not known."""
    return "${" in text
