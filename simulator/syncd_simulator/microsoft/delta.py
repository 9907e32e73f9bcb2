"""Delta rounds of every resource (microsoft.md §3, §4): one engine, opaque links, real differences.

Public: Feed, Change, answer, Quirks, DeltaStore, ANCHOR. A handler of a delta function is one line:

    def events_delta(world, call):
        return delta.answer(world, call, lambda first: Feed(...))

`answer` first finds out whether the request is a link that was handed out: then it must be byte-identical to it (400
otherwise), and `first` is this request with the query of the round's first call, so that options and windows need
reading in one place only. The Feed says what is there now:

- `key` names the scope, e.g. ("events", user id, calendar id, start, end): links of another scope are refused;
- `kind` is contacts, calendar, files, mail or directory: what `world.expire`, `world.page_cap` and quirks go by;
- `flavour` is outlook, directory or drive: form of links and of the answer to a dead one;
- `path` is where links lead, below /v1.0, e.g. "/users/{id}/mailfolders/{f}/messages/delta";
- `state()` gives {key of item: version} of everything in the scope now. A version is any value that compares; it is
  remembered with the deltaLink, so keep it small (a sequence number from `world.touch`);
- `show(call, key)` gives the item as it is now, or None when it is gone again (nothing is sent then);
- `gone(call, key, version)` gives the tombstone of a key that was there with `version` (None: nobody ever knew it,
  see the quirk `unknown_removed`), or None to send nothing;
- `changes(before, now)`, when given, replaces the difference: which Changes to send, in which order. `before` is {} in
  a first round;
- `render(call, change)`, when given, replaces `show` for changes that are no tombstones;
- `size` is the page size without a hint; `by_top` says that `$top` is a page size hint (drives); else it truncates;
- `at(moment)`, when given, is the state at an instant, for `token=<timestamp>`.

Items are rendered when their page is asked for. What the next round compares with is the state at this round's start.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from syncd_simulator.clock import parse_rfc3339
from syncd_simulator.microsoft.wire import JSON, ApiError, Call, Reply

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld, User

__all__ = ["ANCHOR", "Change", "DeltaStore", "Feed", "Quirks", "answer"]

State = Mapping[str, Any]
ANCHOR = (
    ""  # a key that no item has: with it a state is never {}, as `before` is in a first round, and can hold a position
)
LIMIT = 1000  # items of a page at most, whatever the hint


class Change(NamedTuple):
    """One entry of a round: an item to show, or (with `gone`) its tombstone."""

    key: str
    version: Any
    gone: bool = False


@dataclass
class Feed:
    """What a scope offers; see the top of this module."""

    key: tuple[str, ...]
    kind: str
    flavour: str
    path: str
    context: str
    state: Callable[[], State]
    show: Callable[[Call, str], JSON | None]
    gone: Callable[[Call, str, Any], JSON | None]
    changes: Callable[[State, State], Iterable[Change]] | None = None
    owner: "User | None" = None
    size: int = 100
    by_top: bool = False
    render: Callable[[Call, Change], JSON | None] | None = None
    at: Callable[[float], State] | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Quirks:
    """Lawful oddities of rounds (§3): each a set of kinds in which it happens; "*" stands for all."""

    empty_page: set[str] = field(default_factory=set)  # the round begins with an empty page and a nextLink
    duplicates: set[str] = field(default_factory=set)  # an id twice in a round, a tombstone among them
    replays: set[str] = field(default_factory=set)  # later rounds repeat a change that was sent before
    unknown_removed: set[str] = field(default_factory=set)  # a tombstone of an unknown id in the first round
    sparse: set[str] = field(default_factory=set)  # later rounds bring changed properties only
    unknown_properties: set[str] = field(default_factory=set)  # properties and annotations that nobody documents
    long_links: set[str] = field(default_factory=set)  # links say microsoft.graph.delta()

    def on(self, name: str, kind: str) -> bool:
        """Whether this oddity happens in rounds of `kind`."""
        kinds: set[str] = getattr(self, name)
        return kind in kinds or "*" in kinds


@dataclass
class Chain:
    """The rounds that go back to one first call: they share a ring of generations."""

    number: int
    highest: int = 0
    recent: list[int] = field(default_factory=list)
    shown: dict[str, JSON] = field(default_factory=dict)  # kept for the quirks `duplicates` and `sparse` only

    links: list["Link"] = field(default_factory=list)

    def advance(self, ring: int) -> int:
        """One more generation; the oldest falls out of the ring."""
        self.highest += 1
        self.recent = [*self.recent, self.highest][-ring:]
        return self.highest

    def remember(self, link: "Link", ring: int) -> None:
        """Links that fell out of the ring are answered 410 for ever: what they remember may go."""
        self.links.append(link)
        while self.links[0].generation <= self.highest - ring:
            old = self.links.pop(0)
            old.state, old.todo = {}, []


@dataclass
class Link:
    """A handed out link. `todo` from `start` on is the rest of the round; empty for a deltaLink."""

    feed: tuple[str, ...]
    kind: str
    owner: str
    target: str
    query: list[tuple[str, str]]
    chain: Chain
    generation: int
    epoch: int
    born: float
    state: State
    todo: list[Change]
    start: int  # where in `todo` the next page begins
    done: bool  # a deltaLink


class DeltaStore:
    """All links of a world, and the knobs of their lives."""

    def __init__(self) -> None:
        self.links: dict[str, Link] = {}
        self.generations = 8  # Outlook's ring: a deltaLink that is so many rounds old is dead
        self.generation_per_page = False  # every page counts, not only every round
        self.directory_life = 7 * 86400.0  # §4
        self.drive_life: float | None = None
        self.resync = "apply"  # or "upload": what drives ask for
        self.resync_form = "inner"  # or "short" (§4: the error page's names), "message" (text only)
        self.resync_location = True
        self.too_large: dict[str, int] = {}  # kind: pages of more items fail with 503 (§3)
        self.chains = 0

    def chain(self) -> Chain:
        """A new chain."""
        self.chains += 1
        return Chain(self.chains)


def answer(world: "MicrosoftWorld", call: Call, make: Callable[[Call], Feed]) -> Reply:
    """One page of a round."""
    link = _link_of(world, call)
    first = call if link is None else replace(call, query=link.query)
    feed = make(first)
    if link is None:
        return _first_page(world, call, feed)
    if link.feed != feed.key:
        raise altered(feed.flavour)
    _check_life(world, call, link, feed)
    if not link.done:
        return _page(world, first, feed, link.chain, link.state, link.todo, link.start)
    state = feed.state()
    if state is not link.state and state == link.state:
        state = link.state  # one copy for all idle rounds
    todo = [] if state is link.state else list(_changes(feed, link.state, state))
    return _page(world, first, feed, link.chain, state, _odd(world, feed, link.chain, todo, state, later=True))


# -- links ----------------------------------------------------------------------------------------------------------

TOKENS = ("$skiptoken", "$deltatoken", "token")


def _link_of(world: "MicrosoftWorld", call: Call) -> Link | None:
    """The link that this request follows; None for a first call; 400 for one that was never handed out like this."""
    given = next((value for name in TOKENS if (value := call.get(name))), None)
    if given is None or given.lower() == "latest":
        return None
    link = world.delta.links.get(given)
    if link is None and call.get("token") and _moment(given) is not None:
        return None
    if link is None or link.target != call.target:
        raise altered("drive" if call.has("token") else "outlook")
    return link


def altered(flavour: str) -> ApiError:
    """400 for a link that was changed on the way."""
    if flavour == "drive":
        return ApiError(400, "invalidRequest", "The provided token is not valid for this request.")
    return ApiError(400, "BadRequest", "Badly formed token.")


def _moment(text: str) -> float | None:
    try:
        return parse_rfc3339(text)
    except ValueError:
        return None


def _issue(
    world: "MicrosoftWorld", call: Call, feed: Feed, chain: Chain, state: State, todo: list[Change], start: int,
    done: bool,
) -> str:  # fmt: skip
    """A new link and its URL on the root that the request came to."""
    token = secrets.token_urlsafe(24)
    path = "/v1.0" + feed.path
    if world.quirks.on("long_links", feed.kind):
        path = path.removesuffix("delta") + "microsoft.graph.delta()"
    if feed.flavour == "drive" and not world.quirks.on("long_links", feed.kind):
        target = f"{path}(token='{token}')" if chain.number % 2 else f"{path}?token={token}"
    elif feed.flavour == "drive":
        target = f"{path}?token={token}"
    else:
        target = f"{path}?{'$deltatoken' if done else '$skiptoken'}={token}"
    counts = done or world.delta.generation_per_page
    generation = chain.advance(world.delta.generations) if counts else chain.highest
    owner = feed.owner.id if feed.owner else ""
    epoch, query = world.epoch(feed.kind, owner), [pair for pair in call.query if pair[0].lower() not in TOKENS]
    world.delta.links[token] = link = Link(
        feed.key, feed.kind, owner, target, query, chain, generation, epoch, world.now(), state, todo, start, done
    )
    if feed.flavour == "outlook":
        chain.remember(link, world.delta.generations)
    return call.root + target


def _check_life(world: "MicrosoftWorld", call: Call, link: Link, feed: Feed) -> None:
    """410 or 400 for a link that is too old (§4)."""
    store = world.delta
    life = {"directory": store.directory_life, "drive": store.drive_life}.get(feed.flavour)
    dead = link.epoch != world.epoch(link.kind, link.owner)
    dead = dead or (life is not None and world.now() - link.born > life)
    if feed.flavour == "outlook":
        dead = dead or link.generation <= link.chain.highest - store.generations
    if dead:
        raise expired(world, call, feed, link)


def expired(world: "MicrosoftWorld", call: Call, feed: Feed, link: Link) -> ApiError:
    """§4: what a dead cursor is told, by flavour."""
    if feed.flavour == "directory":
        return ApiError(400, "syncStateNotFound", "The sync state generation is not found. The delta token is expired "
                        "and data must be synchronized again.")  # fmt: skip
    if feed.flavour == "outlook":
        highest = link.chain.highest if link.chain.highest > link.generation else link.generation + 8
        recent = link.chain.recent if link.chain.highest > link.generation else [highest, highest - 1]
        ring = "".join(f"[{number}]" for number in (recent[-1:] + recent[:-1]))
        text = f"The sync state generation is not found; generation={link.generation};[highest={highest}]{ring}."
        return ApiError(410, "SyncStateNotFound", text)
    return resync_required(world, call, feed.path)


def resync_required(world: "MicrosoftWorld", call: Call, path: str) -> ApiError:
    """The 410 of a drive, with the instruction in one of the forms that were seen (§4)."""
    store = world.delta
    what = "Apply" if store.resync == "apply" else "Upload"
    text = f"Resync required. Replace any local items with the server's version (resyncChanges{what}Differences)."
    inner = {"inner": f"resyncChanges{what}Differences", "short": f"resync{what}Differences"}.get(store.resync_form)
    headers = {"Location": f"{call.root}/v1.0{path}?token="} if store.resync_location else {}
    if inner:
        text = "Resync required. Replace any local items with the server's version (including deletes) if you're "
        text += "sure that the service was up to date with your local changes when you last sync'd."
    return ApiError(410, "resyncRequired", text, inner={"code": inner} if inner else {}, headers=headers)


# -- rounds ---------------------------------------------------------------------------------------------------------


def _first_page(world: "MicrosoftWorld", call: Call, feed: Feed) -> Reply:
    """A first call: everything there is; nothing with `latest`; what changed since, with a time."""
    chain, state = world.delta.chain(), feed.state()
    token = call.get("$deltatoken") or call.get("token")
    if token and token.lower() == "latest" and feed.flavour != "outlook":
        return _page(world, call, feed, chain, state, [])
    if token and token.lower() == "latest":
        raise altered(feed.flavour)
    if token:
        moment = _moment(token)
        if feed.at is None or moment is None:
            raise altered(feed.flavour)
        return _page(world, call, feed, chain, state, list(_changes(feed, feed.at(moment), state)))
    todo = list(_changes(feed, {}, state))
    top = call.number("$top", 10**9)
    if top is not None and not feed.by_top:
        todo = todo[:top]  # §3: limits the total
    return _page(world, call, feed, chain, state, _odd(world, feed, chain, todo, state, later=False))


def _changes(feed: Feed, before: State, now: State) -> Iterable[Change]:
    if feed.changes is not None:
        return feed.changes(before, now)
    return difference(before, now)


def difference(before: State, now: State) -> Iterable[Change]:
    """Gone keys first, then new and changed ones."""
    if not before:
        return [Change(key, version) for key, version in now.items()]
    found = [Change(key, version, True) for key, version in before.items() if key not in now]
    return found + [Change(key, version) for key, version in now.items() if before.get(key) != version]


def _page(
    world: "MicrosoftWorld", call: Call, feed: Feed, chain: Chain, state: State, todo: list[Change],
    start: int | None = None,
) -> Reply:  # fmt: skip
    """Render as many changes as fit, and the link to what follows. Without a `start` the round begins."""
    size = call.page_size or (call.number("$top", LIMIT) if feed.by_top else None) or feed.size
    size = max(1, min(size, LIMIT, world.page_cap.get(feed.kind, LIMIT)))
    if size > world.delta.too_large.get(feed.kind, LIMIT):
        raise ApiError(503, "serviceNotAvailable", "The request timed out while the changes were collected.")
    if start is None and world.quirks.on("empty_page", feed.kind):
        size = 0
    end = (start or 0) + size
    items = [item for c in todo[start or 0 : end] if (item := _render(world, call, feed, chain, c)) is not None]
    done = size > 0 and end >= len(todo)
    name = "@odata.deltaLink" if done else "@odata.nextLink"
    link = _issue(world, call, feed, chain, state, [] if done else todo, 0 if done else end, done)
    body = {"@odata.context": f"{call.root}/v1.0/$metadata#{feed.context}", name: link, "value": items}
    return Reply(200, body, dict(feed.headers))


def _render(world: "MicrosoftWorld", call: Call, feed: Feed, chain: Chain, change: Change) -> JSON | None:
    if not change.gone:
        item = feed.render(call, change) if feed.render is not None else feed.show(call, change.key)
    elif change.version is OLD:
        item = chain.shown.get(change.key)
    else:
        item = feed.gone(call, change.key, change.version)
    if item is None:
        return None
    sparse = world.quirks.on("sparse", feed.kind)
    if not change.gone and (sparse or world.quirks.on("duplicates", feed.kind)):
        before, chain.shown[change.key] = chain.shown.get(change.key, {}), item
        if sparse:
            item = {n: v for n, v in item.items() if n == "id" or n[0] == "@" or n not in before or before[n] != v}
    if world.quirks.on("unknown_properties", feed.kind):
        item = item | {"@microsoft.graph.unheardOf": True, "unheardOf": {"of": [1, None, "x"]}}
    return item


OLD = object()  # the version that asks for an item as it was last shown


def _odd(
    world: "MicrosoftWorld", feed: Feed, chain: Chain, todo: list[Change], state: State, *, later: bool
) -> list[Change]:
    """The round with the world's quirks in it."""
    quirks = world.quirks
    if later and quirks.on("replays", feed.kind) and state:
        sent = {change.key for change in todo}
        key = next((key for key in state if key != ANCHOR and key not in sent), None)
        todo = todo + ([Change(key, state[key])] if key is not None else [])
    if quirks.on("duplicates", feed.kind):
        todo = _twice(todo)
    if not later and quirks.on("unknown_removed", feed.kind):
        todo = [Change(world.new_id(), None, True), *todo]
    return todo


def _twice(todo: list[Change]) -> list[Change]:
    """The first item to show comes as a tombstone before, the first tombstone as the old item."""
    shown = next((change for change in todo if not change.gone), None)
    gone = next((change for change in todo if change.gone), None)
    early = [Change(shown.key, shown.version, True)] if shown else []
    return early + ([Change(gone.key, OLD, True)] if gone else []) + todo
