"""People API v1: connections, other contacts, directory people, groups (google.md §4)."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from syncd_simulator.google import errors
from syncd_simulator.google.changelog import ChangeLog
from syncd_simulator.google.contacts import ALWAYS, PERSON_FIELDS, SINGLETONS, WRITABLE, Contact, ContactBook
from syncd_simulator.google.tokens import BadToken, digest, seal, unseal
from syncd_simulator.google.wire import JSON, ApiError, Call, Route, scopes
from syncd_simulator.google.world import DAY, GoogleWorld

SYNC_TOKEN_LIFE = 7 * DAY
READ = scopes("contacts", "contacts.readonly")
WRITE = scopes("contacts")
OTHER = scopes("contacts.other.readonly")
DIRECTORY = scopes("directory.readonly")
OTHER_MASK = frozenset(["emailAddresses", "metadata", "names", "phoneNumbers", "photos"])
NO_MASK = (
    "{0} mask is required. Please specify one or more valid paths. Valid paths are documented at "
    "https://developers.google.com/people/api/rest/v1/people/get."
)


def expired_sync_token() -> ApiError:
    """§4.3.4: HTTP 400, not 410."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "EXPIRED_SYNC_TOKEN",
        "domain": "people.googleapis.com",
    }
    message = "Sync token is expired. Clear local cache and retry call without the sync token."
    return ApiError(400, "failedPrecondition", message, status="FAILED_PRECONDITION", details=[info])


def mask_of(call: Call, name: str, allowed: frozenset[str] = PERSON_FIELDS) -> frozenset[str]:
    """A required field mask; 400 when it is missing or names something unknown."""
    text = call.get(name)
    if not text:
        raise errors.invalid_argument(NO_MASK.format(name))
    return _checked_mask(text, name, allowed)


def _checked_mask(text: str, name: str, allowed: frozenset[str]) -> frozenset[str]:
    mask = frozenset(part.strip() for part in text.split(",") if part.strip())
    for path in mask - allowed:
        raise errors.invalid_argument(
            f'Invalid {name} mask path: "{path}". Valid paths are documented at '
            "https://developers.google.com/people/api/rest/v1/people/get."
        )
    return mask


# -- lists with sync tokens ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Page:
    """Where a list request stands: a full listing or the changes after `since`, from position `after` on."""

    since: int | None  # None: full listing
    after: int
    start: int  # log position at the first page: what the next sync token may promise
    stamp: float  # time of the full sync that this chain of tokens began with
    total: int


@dataclass(frozen=True, slots=True)
class Feed:
    """What differs between the lists that sync: the log, and how its keys are shown."""

    kind: str
    log: ChangeLog
    deleted: Callable[[str], bool]
    live: int


def open_page(world: GoogleWorld, call: Call, feed: Feed, equal: str) -> Page:
    """Resolve `pageToken` and `syncToken`; all other parameters must equal the first call's (§4.3.2)."""
    epoch = world.epoch("people", call.user)
    sync_text, page_text = call.get("syncToken"), call.get("pageToken")
    page = None
    try:
        if page_text:
            values = unseal("people page", page_text)
            if values[0] != [feed.kind, call.user.id, equal, sync_text]:
                raise errors.invalid_argument()
            page = Page(*values[1:])
        elif sync_text:
            page = _from_sync_token(world, call, feed, equal, epoch, sync_text)
    except BadToken:
        raise errors.invalid_argument() from None
    if page is None:
        if call.flag("requestSyncToken") and not world.quotas.full_sync_allowed(call.user.id):
            raise ApiError(
                429, "rateLimitExceeded", "Resource has been exhausted (e.g. check quota).",
                status="RESOURCE_EXHAUSTED",
                details=[{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [
                    {"subject": "QUOTA_EXCEEDED", "description": "FBS quota limit exceeded"}]}],
            )  # fmt: skip
        start = feed.log.visible(world.now(), world.delay.get("people", 0.0))
        page = Page(None, 0, start, world.now(), feed.live)
    return page


def _from_sync_token(world: GoogleWorld, call: Call, feed: Feed, equal: str, epoch: int, text: str) -> Page:
    who, since, stamp, then, same = unseal("people sync", text)
    if who != [feed.kind, call.user.id]:
        raise errors.invalid_argument()
    if then != epoch or world.now() - stamp > SYNC_TOKEN_LIFE:
        raise expired_sync_token()
    if same != equal:
        raise errors.invalid_argument()
    until = feed.log.visible(world.now(), world.delay.get("people", 0.0))
    total = sum(1 for _ in feed.log.walk(since, until))
    return Page(since, since, max(until, since), stamp, total)


def take(page: Page, feed: Feed, size: int) -> tuple[list[str], int | None]:
    """Up to `size` keys from the page's place, and where the next page begins (None: this was the last)."""
    delta = page.since is not None
    keys: list[str] = []
    last = page.after
    for seq, key in feed.log.walk(page.after, page.start if delta else None):
        if not delta and feed.deleted(key):
            continue
        if len(keys) == size:
            return keys, last
        keys.append(key)
        last = seq
    return keys, None


def close_page(world: GoogleWorld, call: Call, feed: Feed, page: Page, after: int | None, equal: str) -> JSON:
    """`nextPageToken`, or on the last page `nextSyncToken` when it was asked for."""
    if after is not None:
        head = [feed.kind, call.user.id, equal, call.get("syncToken")]
        return {"nextPageToken": seal("people page", head, page.since, after, page.start, page.stamp, page.total)}
    if call.flag("requestSyncToken"):
        epoch = world.epoch("people", call.user)
        who = [feed.kind, call.user.id]
        return {"nextSyncToken": seal("people sync", who, page.start, page.stamp, epoch, equal)}
    return {}


def _book_feed(kind: str, book: ContactBook) -> Feed:
    contacts = book.contacts
    return Feed(kind, book.log, lambda name: contacts[name].deleted, book.live)


def show(contact: Contact, mask: frozenset[str], *, sync: bool = False) -> Any:
    """A person with the fields of `mask`; ready-made bytes when nothing is to be left out."""
    if contact.fields <= mask | frozenset(ALWAYS) and not (sync and contact.previous):
        return orjson.Fragment(contact.blob)
    person = contact.person()
    shown = {key: value for key, value in person.items() if key in mask or key in ALWAYS}
    if sync and contact.previous and "metadata" in shown:
        shown["metadata"]["previousResourceNames"] = contact.previous
    return shown


def list_persons(
    world: GoogleWorld, call: Call, kind: str, book: ContactBook, mask: frozenset[str]
) -> tuple[list[Any], JSON, Page]:
    """One page of a book: persons, tokens, place."""
    order = call.get("sortOrder") or "LAST_MODIFIED_ASCENDING"
    size = world.capped("people", call.integer("pageSize", 100, 1000))
    same = [sorted(mask), call.get("pageSize"), sorted(call.many("sources")), order]
    equal = digest(*same)
    feed = _book_feed(kind, book)
    page = open_page(world, call, feed, equal)
    if order == "LAST_MODIFIED_ASCENDING" or page.since is not None:
        keys, after = take(page, feed, size)
    else:
        keys, after = _take_sorted(page, book, order, size)
    contacts = book.contacts
    sync = page.since is not None
    persons = [show(contacts[key], mask, sync=sync) for key in keys]
    return persons, close_page(world, call, feed, page, after, equal), page


def _take_sorted(page: Page, book: ContactBook, order: str, size: int) -> tuple[list[str], int | None]:
    """Other orders sort the whole book on each page; `after` is an offset then."""
    if order == "LAST_MODIFIED_DESCENDING":
        names = [key for _, key in book.log.walk(0) if not book.contacts[key].deleted][::-1]
    elif order in ("FIRST_NAME_ASCENDING", "LAST_NAME_ASCENDING"):
        field = "givenName" if order.startswith("FIRST") else "familyName"
        names = sorted(book.alive(), key=lambda name: (_name_part(book.contacts[name], field), name))
    else:
        raise errors.invalid_argument()
    chosen = names[page.after : page.after + size]
    more = page.after + size < len(names)
    return chosen, page.after + size if more else None


def _name_part(contact: Contact, field: str) -> str:
    names = contact.person().get("names") or [{}]
    return str(names[0].get(field, "")).lower()


def connections_list(world: GoogleWorld, call: Call) -> JSON:
    """`GET /v1/people/me/connections`."""
    if call.args.get("person", "me") != "me":
        raise errors.invalid_argument("Resource name must be people/me.")
    mask = mask_of(call, "personFields")
    persons, tokens, page = list_persons(world, call, "connections", call.user.contacts, mask)
    answer: JSON = {"connections": persons} if persons else {}
    return answer | tokens | _totals(page, "totalPeople", "totalItems")


def other_contacts_list(world: GoogleWorld, call: Call) -> JSON:
    """`GET /v1/otherContacts`."""
    mask = mask_of(call, "readMask", OTHER_MASK)
    persons, tokens, page = list_persons(world, call, "otherContacts", call.user.other_contacts, mask)
    answer: JSON = {"otherContacts": persons} if persons else {}
    return answer | tokens | _totals(page, "totalSize")


def list_directory_people(world: GoogleWorld, call: Call) -> JSON:
    """`GET /v1/people:listDirectoryPeople`: the profiles of the organisation's users."""
    mask = mask_of(call, "readMask")
    if not call.many("sources"):
        raise errors.invalid_argument("Request must have at least one source.")
    persons, tokens, _ = list_persons(world, call, "directory", world.directory_people, mask)
    answer: JSON = {"people": persons} if persons else {}
    return answer | tokens


def _totals(page: Page, *names: str) -> JSON:
    """Zero is left out, as everywhere in proto3 JSON."""
    return dict.fromkeys(names, page.total) if page.total else {}


def contact_groups_list(world: GoogleWorld, call: Call) -> JSON:
    """`GET /v1/contactGroups`: always hands out a sync token on the last page."""
    book = call.user.groups
    groups = book.groups
    size = world.capped("people", call.integer("pageSize", 30, 1000))
    gone: Callable[[str], bool] = lambda key: "deleted" in groups[key]["metadata"]  # noqa: E731
    live = sum(1 for key in groups if not gone(key))
    feed = Feed("groups", book.log, gone, live)
    equal = digest(call.get("pageSize"), call.get("groupFields"))
    call.query["requestSyncToken"] = ["true"]
    page = open_page(world, call, feed, equal)
    keys, after = take(page, feed, size)
    counts = _member_counts(call.user.contacts) if keys else {}
    shown = [groups[key] | ({"memberCount": counts[key]} if counts.get(key) else {}) for key in keys]
    answer: JSON = {"contactGroups": shown} if shown else {}
    return answer | close_page(world, call, feed, page, after, equal) | _totals(page, "totalItems")


def _member_counts(book: ContactBook) -> dict[str, int]:
    counts: dict[str, int] = {}
    for group in _memberships(book.alive().values()):
        counts[group] = counts.get(group, 0) + 1
    return counts


def _memberships(contacts: Iterable[Contact]) -> Iterator[str]:
    for contact in contacts:
        if "memberships" in contact.fields:
            for item in contact.person()["memberships"]:
                yield item["contactGroupMembership"]["contactGroupResourceName"]


# -- single persons --------------------------------------------------------------------------------------------------


def _resource(call: Call) -> str:
    return "people/" + call.args["person"]


def _find(world: GoogleWorld, call: Call, name: str) -> Contact:
    """A contact of the caller, or a profile of the organisation; 404 otherwise."""
    if name == "people/me":
        name = f"people/{call.user.id}"
    contact = call.user.contacts.contacts.get(name) or world.directory_people.contacts.get(name)
    if contact is None or contact.deleted:
        raise errors.not_found()
    return contact


def people_get(world: GoogleWorld, call: Call) -> Any:
    """`GET /v1/people/{id}`."""
    mask = mask_of(call, "personFields")
    return show(_find(world, call, _resource(call)), mask)


def people_batch_get(world: GoogleWorld, call: Call) -> JSON:
    """`GET /v1/people:batchGet`: a status per name (gRPC code numbers, §4.4)."""
    mask = mask_of(call, "personFields")
    names = call.many("resourceNames")
    if not 1 <= len(names) <= 200:
        raise errors.invalid_argument("Must specify at least 1 and at most 200 resource names.")
    responses = []
    for name in names:
        try:
            contact = _find(world, call, name)
        except ApiError:
            status = {"code": 5, "message": "Requested entity was not found."}
            responses.append({"requestedResourceName": name, "httpStatusCode": 404, "status": status})
        else:
            responses.append(
                {"requestedResourceName": name, "httpStatusCode": 200, "status": {}, "person": show(contact, mask)}
            )
    return {"responses": responses}


def _written_values(body: JSON) -> JSON:
    for field in SINGLETONS:
        if len(body.get(field, ())) > 1:
            raise errors.invalid_argument(f"Contact person resources cannot have more than one {field}.")
    return {key: value for key, value in body.items() if key in WRITABLE}


MY_CONTACTS: JSON = {
    "contactGroupMembership": {
        "contactGroupId": "myContacts",
        "contactGroupResourceName": "contactGroups/myContacts",
    }
}


def _create(world: GoogleWorld, call: Call, body: JSON) -> Contact:
    values = {"memberships": [MY_CONTACTS]} | _written_values(body)
    name = f"people/c{world.rng.randrange(10**17, 9 * 10**18)}"
    return call.user.contacts.put(name, values, world.now())


def create_contact(world: GoogleWorld, call: Call) -> Any:
    """`POST /v1/people:createContact`."""
    mask = _write_mask(call)
    return show(_create(world, call, call.json()), mask)


def _write_mask(call: Call) -> frozenset[str]:
    text = call.get("personFields")
    return _checked_mask(text, "personFields", PERSON_FIELDS) if text else PERSON_FIELDS


def _update(world: GoogleWorld, call: Call, name: str, body: JSON, fields: frozenset[str]) -> Contact:
    """Replace every field of `fields`; the body must carry a fresh etag (§4.4)."""
    contact = call.user.contacts.contacts.get(name)
    if contact is None or contact.deleted:
        raise errors.not_found()
    person = contact.person()
    _check_etag(person, body)
    new = _written_values(body)
    if "memberships" in fields and not new.get("memberships"):
        raise errors.invalid_argument("Contact must always be in at least one contact group.")
    kept = {key: value for key, value in person.items() if key in WRITABLE and key not in fields}
    changed = {key: value for key, value in new.items() if key in fields}
    return call.user.contacts.put(name, kept | changed, world.now())


def _check_etag(person: JSON, body: JSON) -> None:
    sources = [s for s in body.get("metadata", {}).get("sources", ()) if s.get("type") == "CONTACT"]
    if not sources and not body.get("etag"):
        raise errors.invalid_argument("Request must have a contact source with an etag.")
    if sources and sources[0].get("etag") != person["metadata"]["sources"][0]["etag"]:
        raise _stale("person.metadata.sources.etag")
    if not sources and body["etag"] != person["etag"]:
        raise _stale("person.etag")


def _stale(which: str) -> ApiError:
    message = f"Request {which} is different than the current {which}. Clear local cache and get the latest person."
    return ApiError(400, "failedPrecondition", message, status="FAILED_PRECONDITION")


def update_contact(world: GoogleWorld, call: Call) -> Any:
    """`PATCH /v1/people/{id}:updateContact`."""
    fields = mask_of(call, "updatePersonFields", WRITABLE)
    mask = _write_mask(call)
    return show(_update(world, call, _resource(call), call.json(), fields), mask)


def delete_contact(world: GoogleWorld, call: Call) -> JSON:
    """`DELETE /v1/people/{id}:deleteContact`."""
    _delete(world, call, _resource(call))
    return {}


def _delete(world: GoogleWorld, call: Call, name: str) -> None:
    contact = call.user.contacts.contacts.get(name)
    if contact is None or contact.deleted:
        raise errors.not_found()
    call.user.contacts.delete(name, world.now())


def batch_create_contacts(world: GoogleWorld, call: Call) -> JSON:
    """`POST /v1/people:batchCreateContacts` (at most 200; an empty readMask skips the read-back)."""
    body = call.json()
    contacts = body.get("contacts", [])
    if not 1 <= len(contacts) <= 200:
        raise errors.invalid_argument()
    made = [_create(world, call, item["contactPerson"]) for item in contacts]
    text = body.get("readMask")
    if not text:
        return {}
    mask = _checked_mask(text, "readMask", PERSON_FIELDS)
    return {
        "createdPeople": [
            {"requestedResourceName": c.name, "httpStatusCode": 200, "status": {}, "person": show(c, mask)}
            for c in made
        ]
    }


def batch_update_contacts(world: GoogleWorld, call: Call) -> JSON:
    """`POST /v1/people:batchUpdateContacts` (at most 200, all or none of the names known)."""
    body = call.json()
    contacts = body.get("contacts", {})
    if not 1 <= len(contacts) <= 200:
        raise errors.invalid_argument()
    fields = _checked_mask(body.get("updateMask", ""), "updateMask", WRITABLE)
    made = {name: _update(world, call, name, person, fields) for name, person in contacts.items()}
    text = body.get("readMask")
    if not text:
        return {}
    mask = _checked_mask(text, "readMask", PERSON_FIELDS)
    return {
        "updateResult": {
            name: {"requestedResourceName": name, "httpStatusCode": 200, "status": {}, "person": show(c, mask)}
            for name, c in made.items()
        }
    }


def batch_delete_contacts(world: GoogleWorld, call: Call) -> JSON:
    """`POST /v1/people:batchDeleteContacts` (at most 500)."""
    names = call.json().get("resourceNames", [])
    if not 1 <= len(names) <= 500:
        raise errors.invalid_argument()
    for name in names:
        _delete(world, call, name)
    return {}


def create_group(world: GoogleWorld, call: Call) -> JSON:
    """`POST /v1/contactGroups`: a name in use is 409."""
    name = call.json().get("contactGroup", {}).get("name", "")
    if not name:
        raise errors.invalid_argument("Contact group name is required.")
    book = call.user.groups
    if any(group.get("name") == name for group in book.groups.values()):
        raise ApiError(409, "alreadyExists", "Contact group name already exists.", status="ALREADY_EXISTS")
    return book.add(format(world.rng.getrandbits(60), "x"), name, world.now())


def _r(http: str, path: str, method: str, handler: Callable[[GoogleWorld, Call], Any], opens: Any) -> Route:
    return Route(http, "/v1/" + path, "people." + method, handler, opens)


ROUTES = [
    _r("GET", "people/me/connections", "people.connections.list", connections_list, READ),
    _r("GET", "people/{person}/connections", "people.connections.list", connections_list, READ),
    _r("GET", "otherContacts", "otherContacts.list", other_contacts_list, OTHER),
    _r("GET", "people:listDirectoryPeople", "people.listDirectoryPeople", list_directory_people, DIRECTORY),
    _r("GET", "people:batchGet", "people.getBatchGet", people_batch_get, READ),
    _r("GET", "contactGroups", "contactGroups.list", contact_groups_list, READ),
    _r("POST", "contactGroups", "contactGroups.create", create_group, WRITE),
    _r("POST", "people:createContact", "people.createContact", create_contact, WRITE),
    _r("POST", "people:batchCreateContacts", "people.batchCreateContacts", batch_create_contacts, WRITE),
    _r("POST", "people:batchUpdateContacts", "people.batchUpdateContacts", batch_update_contacts, WRITE),
    _r("POST", "people:batchDeleteContacts", "people.batchDeleteContacts", batch_delete_contacts, WRITE),
    _r("PATCH", "people/{person}:updateContact", "people.updateContact", update_contact, WRITE),
    _r("DELETE", "people/{person}:deleteContact", "people.deleteContact", delete_contact, WRITE),
    _r("GET", "people/{person}", "people.get", people_get, READ | DIRECTORY),
]
