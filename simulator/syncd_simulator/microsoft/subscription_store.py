"""State of change notifications: who is told what, where, and until when (microsoft.md §13).

Public: Subscriptions, Subscription, Watched, watched, OUTLOOK.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from syncd_simulator.microsoft.drive_request import trouble
from syncd_simulator.microsoft.errors import mailbox_refusal
from syncd_simulator.microsoft.wire import JSON, ApiError, Call, segments_of

if TYPE_CHECKING:
    from syncd_simulator.microsoft.drive_store import Drive
    from syncd_simulator.microsoft.world import MicrosoftWorld, Touch, User

__all__ = ["OUTLOOK", "Subscription", "Subscriptions", "Watched", "watched"]

OUTLOOK = {"mail", "calendar", "contacts"}
ALL = frozenset({"created", "updated", "deleted"})
KINDS = {"messages": "mail", "events": "calendar", "contacts": "contacts"}


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """What a resource path stands for. Without `user` a whole directory; `folder`: of messages, by its id."""

    kind: str
    user: "User | None" = None
    folder: str | None = None
    drive: "Drive | None" = None

    @property
    def changes(self) -> frozenset[str]:
        """The changeTypes that may be asked for."""
        return {"files": frozenset({"updated"}), "directory": frozenset({"updated", "deleted"})}.get(self.kind, ALL)

    @property
    def minutes(self) -> int:
        """The longest life."""
        return {"files": 42_300, "directory": 41_760}.get(self.kind, 10_080)


@dataclass(eq=False)
class Subscription:
    """One subscription. `since`: changes up to this number are told, or older than it."""

    id: str
    resource: str
    watched: Watched
    changes: frozenset[str]
    url: str
    lifecycle_url: str | None
    state: str | None
    expires: float
    immutable: bool
    creator: "User | None"
    since: int


@dataclass(eq=False)
class Notice:
    """One entry that waits to be sent. `first`: when it was tried first."""

    subscription: Subscription
    url: str
    body: JSON
    first: float | None = None


@dataclass(eq=False)
class Subscriptions:
    """All subscriptions of one app.

    Knobs: `transport` (for the calls to notification addresses; None: the network), `most_minutes` (in place of every
    longest life: older editions say 4,230 for Outlook), `capped` (§13 [U]: a life beyond the longest is cut, not
    refused), `per_mailbox`, `per_tenant`. Read-out: `sent`, every body that was acknowledged.
    """

    world: "MicrosoftWorld"
    transport: httpx.AsyncBaseTransport | None = None
    most_minutes: int | None = None
    capped: bool = False
    per_mailbox: int = 1000
    per_tenant: int = 100  # of directory subscriptions
    living: dict[str, Subscription] = field(default_factory=dict)
    touched: list[tuple["User | None", "Touch"]] = field(default_factory=list)
    waiting: list[Notice] = field(default_factory=list)
    tried: dict[str, str | None] = field(
        default_factory=dict
    )  # address → why its validation failed, None if it did not
    sent: list[JSON] = field(default_factory=list)

    def note(self, user: "User | None", touch: "Touch") -> None:
        """A change of data, which those who are subscribed are told when `deliver` is called."""
        if self.living:
            self.touched.append((user, touch))

    def get(self, key: str) -> Subscription | None:
        """By id, if its time is not over."""
        self.expire()
        return self.living.get(key)

    def expire(self) -> None:
        """Expired ones are gone, without a word (§13)."""
        now = self.world.now()
        for one in [one for one in self.living.values() if one.expires <= now]:
            self.end(one)

    def end(self, one: Subscription) -> None:
        """Delete one, with what waits for it."""
        del self.living[one.id]
        self.waiting = [notice for notice in self.waiting if notice.subscription is not one]

    def count(self, wanted: Callable[[Subscription], bool]) -> int:
        """How many living ones are like that."""
        self.expire()
        return sum(map(wanted, self.living.values()))

    # -- lifecycle (§13) --------------------------------------------------------------------------------------------

    def lifecycle(self, key: str, event: str) -> None:
        """Let something happen to a subscription: reauthorizationRequired, subscriptionRemoved or missed.

        Removed is removed; missed are the changes that were not sent yet. The word of it waits like any notice.
        """
        one = self.living[key]
        if event != "reauthorizationRequired" and one.watched.kind not in OUTLOOK:
            raise ValueError(f"there is no {event} for {one.watched.kind}")
        if event == "subscriptionRemoved":
            self.end(one)
        elif event == "missed":
            self.waiting = [notice for notice in self.waiting if notice.subscription is not one]
            one.since = self.world.sequence
        self.tell(one, event)

    def tell(self, one: Subscription, event: str) -> None:
        """Queue a lifecycle entry, where somebody wants to hear of it."""
        if one.lifecycle_url is not None:
            body = self.entry(one) | {"lifecycleEvent": event}
            self.waiting.append(Notice(one, one.lifecycle_url, body))

    def entry(self, one: Subscription) -> JSON:
        """What every entry says."""
        found = {
            "subscriptionId": one.id, "subscriptionExpirationDateTime": self.world.stamp(one.expires),
            "tenantId": self.world.tenant,
        }  # fmt: skip
        return found if one.state is None else found | {"clientState": one.state}


def watched(world: "MicrosoftWorld", call: Call, resource: str) -> Watched:
    """What a resource path stands for; 400 for a path that cannot be watched, and the refusals of what it names."""
    segments, _ = segments_of(resource.strip("/").removeprefix("v1.0/"))
    if segments[0].lower() == "me" and call.token is not None and call.token.user is not None:
        segments[:1] = ["users", call.token.user.id]
    match [segment.lower() for segment in segments]:
        case ["users"]:
            return Watched("directory")
        case ["users", _]:
            return Watched("directory", _user(world, segments[1]))
        case ["users", _, ("messages" | "events" | "contacts") as what]:
            return Watched(KINDS[what], _mailbox(world, segments[1]))
        case ["users", _, "mailfolders", _, "messages"]:
            return _folder(_mailbox(world, segments[1]), segments[3])
        case ["users", _, "drive", "root"]:
            user = _user(world, segments[1])
            if user.drive_trouble is not None:
                raise trouble(user.drive_trouble)
            return Watched("files", user, drive=user.drive)
        case ["drives", _, "root"] if segments[1] in world.sites.drives:
            return Watched("files", drive=world.sites.drives[segments[1]])
        case ["drives", _, "root"]:
            raise ApiError(404, "itemNotFound", "The resource could not be found.")
    raise ApiError(400, "InvalidRequest", f"Resource '{resource}' is not supported for subscriptions.")


def _user(world: "MicrosoftWorld", key: str) -> "User":
    try:
        return world.user(key)
    except KeyError:
        raise ApiError(404, "Request_ResourceNotFound", f"Resource '{key}' does not exist or one of its queried "
                       "reference-property objects are not present.") from None  # fmt: skip


def _mailbox(world: "MicrosoftWorld", key: str) -> "User":
    user = _user(world, key)
    refusal = mailbox_refusal(user)
    if refusal is not None:
        raise refusal
    return user


def _folder(user: "User", key: str) -> Watched:
    folder: Any = user.mailbox.mail_folder(key)
    if folder is None:
        raise ApiError(404, "ErrorItemNotFound", "The specified object was not found in the store.")
    return Watched("mail", user, folder=folder.id)
