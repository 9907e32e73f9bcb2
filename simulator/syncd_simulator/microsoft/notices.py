"""The sender of change notifications (microsoft.md §13).

Public: deliver. Nothing is sent by itself: changes wait until somebody calls it, so that a test says when they arrive.
What is not acknowledged waits for the next call, up to four hours, and is dropped then.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx

from syncd_simulator.microsoft.subscription_store import OUTLOOK, Notice, Subscription
from syncd_simulator.microsoft.subscriptions import client
from syncd_simulator.microsoft.wire import JSON

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld, Touch, User

__all__ = ["deliver"]

KEPT = 4 * 3600.0  # seconds that an entry is tried again
MOST = 100  # entries of one POST
NAMES = {"mail": "Message", "calendar": "Event", "contacts": "Contact"}


async def deliver(world: "MicrosoftWorld", *, repeat: bool = False) -> int:
    """Send what waits, in no order, several subscriptions in one POST; with `repeat` twice. How many were acknowledged."""
    with world.lock:
        posts = _posts(world)
    done = 0
    async with client(world) as http:
        for url, notices in posts:
            for _ in range(2 if repeat else 1):
                acknowledged = await _post(http, url, [notice.body for notice in notices])
            with world.lock:
                _settle(world, notices, acknowledged)
            done += len(notices) if acknowledged else 0
    return done


async def _post(http: httpx.AsyncClient, url: str, entries: list[JSON]) -> bool:
    try:
        return (await http.post(url, json={"value": entries})).is_success
    except httpx.HTTPError:
        return False


def _posts(world: "MicrosoftWorld") -> list[tuple[str, list[Notice]]]:
    store = world.subscriptions
    store.expire()
    store.waiting += _fresh(world)
    by_url: dict[str, list[Notice]] = {}
    for notice in store.waiting:
        by_url.setdefault(notice.url, []).append(notice)
    posts = []
    for url, notices in by_url.items():
        world.rng.shuffle(notices)
        posts += [(url, notices[start : start + MOST]) for start in range(0, len(notices), MOST)]
    return posts


def _settle(world: "MicrosoftWorld", notices: list[Notice], acknowledged: bool) -> None:
    store, now = world.subscriptions, world.now()
    for notice in notices:
        notice.first = now if notice.first is None else notice.first
        over = acknowledged or now - notice.first >= KEPT
        if over and notice in store.waiting:
            store.waiting.remove(notice)
        if acknowledged:
            store.sent.append(notice.body)
        elif over and "lifecycleEvent" not in notice.body and notice.subscription.watched.kind in OUTLOOK:
            store.tell(notice.subscription, "missed")


# -- what has changed -------------------------------------------------------------------------------------------------


def _fresh(world: "MicrosoftWorld") -> Iterator[Notice]:
    """The changes since the last call, for everybody who wants to hear of them."""
    store = world.subscriptions
    touched, store.touched = store.touched, []
    for one in store.living.values():
        if one.watched.drive is not None:
            yield from _of_drive(world, one)
            continue
        for user, touch in touched:
            if touch.number > one.since and user is not None:
                yield from _of_item(world, one, user, touch)
        one.since = world.sequence


def _of_drive(world: "MicrosoftWorld", one: Subscription) -> Iterator[Notice]:
    """§13: the word says that the drive changed, not what in it."""
    drive: Any = one.watched.drive
    if drive.seq > one.since:
        yield _notice(world, one, "updated", one.resource.strip("/"), {"@odata.type": "#Microsoft.Graph.DriveItem"})
    one.since = world.sequence


def _of_item(world: "MicrosoftWorld", one: Subscription, user: "User", touch: "Touch") -> Iterator[Notice]:
    what = one.watched
    if touch.kind != what.kind or (what.user is not None and what.user is not user):
        return
    change = touch.what
    if what.kind == "directory":
        change = "updated" if change == "created" else change  # §13: creation raises updated
        if change == "deleted" and user.id not in world.purged_users:
            change = "updated"  # and so does the recycle bin
        data = {"@odata.type": "#Microsoft.Graph.User", "@odata.id": f"Users/{user.id}", "id": user.id}
        place = f"Users/{user.id}"
    else:
        shown = _id_of(one, user, touch)
        if shown is None:
            return
        name = NAMES[what.kind]
        place = f"users/{user.id}@{world.tenant}/{name.lower()}s/{shown}"
        data = {
            "@odata.type": f"#Microsoft.Graph.{name}",
            "@odata.id": f"Users/{user.id}@{world.tenant}/{name}s/{shown}",
            "@odata.etag": f'W/"{world.change_key(touch.number)}"',
            "id": shown,
        }
    if change in one.changes:
        yield _notice(world, one, change, place, data)


def _notice(world: "MicrosoftWorld", one: Subscription, change: str, place: str, data: JSON) -> Notice:
    body = {"id": world.new_id("lsgTZ")[:20], "changeType": change, "resource": place, "resourceData": data}
    return Notice(one, one.url, world.subscriptions.entry(one) | body)


def _id_of(one: Subscription, user: "User", touch: "Touch") -> str | None:
    """The item's id in the form that was asked for at subscribing; None for what is no item of this kind any more.

    Folders and calendars are no items; what is in another folder than the watched one is not told.
    """
    box, key = user.mailbox, touch.key
    if one.watched.kind == "calendar":
        found = user.calendars.event(key)
        if found is not None:
            return key if one.immutable else str(user.calendars.show_id(found.event, key, immutable=False))
        plain = next((each.gone[key] for each in user.calendars.owned.values() if key in each.gone), None)
        return key if one.immutable or plain is None else plain
    item = box.mails.get(key) if one.watched.kind == "mail" else box.contacts.get(key)
    if item is not None:
        inside = one.watched.folder in (None, item.folder)
        return (key if one.immutable else item.plain) if inside else None
    plain = box.gone.get(key)
    return key if one.immutable and plain is not None else plain
