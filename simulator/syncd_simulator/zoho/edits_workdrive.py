"""What people do to their files while a mirror looks on, and the truth that the mirror must show (zoho.md §7).

Public: EDITS (name → function of world, rng, user), workdrive_truth, team_folder. An edit returns the id it touched, None
when there was nothing to do; keywords choose instead of the dice. Hold `world.lock`.
"""

import hashlib
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from syncd_simulator.google import words
from syncd_simulator.zoho import workdrive_view
from syncd_simulator.zoho.wire import JSON
from syncd_simulator.zoho.workdrive_store import (
    ACTIVE,
    FOLDER,
    NATIVE,
    TRASHED,
    Entry,
    TeamFolder,
    WorkDriveStore,
)

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import User, ZohoWorld

__all__ = ["EDITS", "team_folder", "workdrive_truth"]

ENDINGS = ("txt", "pdf", "csv", "png", "docx")


def workdrive_truth(world: "ZohoWorld", user: "User") -> dict[str, dict[str, JSON]]:
    """Partition → id → the item as listings show it to `user`, with `contentSha256` for uploaded files.

    Without the JSON:API links. Partitions: "" for the private space, the id for team folders. Nothing that is in the trash; roots left out.
    """
    store = WorkDriveStore.of(world)
    if user.id in store.no_access:
        return {}
    found: dict[str, dict[str, JSON]] = {}
    for partition, root in store.roots_of(user.id, world.now()):
        items = found[partition] = {}
        for entry in store.below(root):
            shown = workdrive_view.item(world, entry, user, "")
            del shown["links"], shown["relationships"]  # they depend on how the caller spells the host
            if not entry.is_folder and not entry.is_native:
                shown["contentSha256"] = hashlib.sha256(entry.content or b"").hexdigest()
            items[entry.id] = shown
    return found


def team_folder(world: "ZohoWorld", name: str, members: "list[User]") -> TeamFolder:
    """A new team folder; the first member is its admin."""
    roles = {user.id: "editor" if number else "admin" for number, user in enumerate(members)}
    return WorkDriveStore.of(world).open_folder(name, roles, world.now())


# -- picking ------------------------------------------------------------------------------------------------------------


def _living(world: "ZohoWorld", user: "User") -> list[Entry]:
    store = WorkDriveStore.of(world)
    return [entry for _, root in store.roots_of(user.id, world.now()) for entry in store.below(root)]


def _pick(rng: random.Random, entries: list[Entry]) -> Entry | None:
    return rng.choice(entries) if entries else None


def _some(
    world: "ZohoWorld", rng: random.Random, user: "User", key: str | None, wanted: Callable[[Entry], bool] = bool
) -> Entry | None:
    if key is not None:
        return WorkDriveStore.of(world).entries[key]
    return _pick(rng, [entry for entry in _living(world, user) if wanted(entry)])


def _folder(world: "ZohoWorld", rng: random.Random, user: "User", parent: str | None) -> str:
    """The given folder, or a root or folder by chance."""
    if parent is not None:
        return parent
    store = WorkDriveStore.of(world)
    roots = [root for _, root in store.roots_of(user.id, world.now())]
    return rng.choice(roots + [entry.id for entry in _living(world, user) if entry.is_folder])


def _title(rng: random.Random) -> str:
    return f"{rng.choice(words.TOPICS).capitalize()} {rng.randrange(10_000)}"


def _text(rng: random.Random, sentences: int = 8) -> bytes:
    return " ".join(rng.choice(words.SENTENCES) for _ in range(sentences)).encode()


# -- edits --------------------------------------------------------------------------------------------------------------


def add_file(
    world: "ZohoWorld", rng: random.Random, user: "User", *,
    name: str | None = None, parent: str | None = None, content: bytes | None = None,
) -> str:  # fmt: skip
    """An uploaded file; now and then an empty one."""
    folder = _folder(world, rng, user, parent)
    name = name or f"{_title(rng)}.{rng.choice(ENDINGS)}"
    if content is None:
        content = b"" if rng.random() < 0.05 else _text(rng)
    return WorkDriveStore.of(world).add(user.id, name, folder, world.now(), content=content).id


def add_folder(
    world: "ZohoWorld", rng: random.Random, user: "User", *, name: str | None = None, parent: str | None = None
) -> str:
    """A folder, maybe with the name of another one."""
    folder = _folder(world, rng, user, parent)
    return WorkDriveStore.of(world).add(user.id, name or _title(rng), folder, world.now(), kind=FOLDER).id


def add_native(
    world: "ZohoWorld", rng: random.Random, user: "User", *,
    name: str | None = None, parent: str | None = None, kind: str | None = None,
) -> str:  # fmt: skip
    """A Writer, Sheet or Show document."""
    folder, kind = _folder(world, rng, user, parent), kind or rng.choice(list(NATIVE))
    store = WorkDriveStore.of(world)
    return store.add(user.id, name or _title(rng), folder, world.now(), kind=kind, content=_text(rng)).id


def edit_file(
    world: "ZohoWorld", rng: random.Random, user: "User", *, key: str | None = None, content: bytes | None = None
) -> str | None:
    """New content of a file or document."""
    entry = _some(world, rng, user, key, lambda entry: not entry.is_folder)
    if entry is None:
        return None
    WorkDriveStore.of(world).write(entry, content if content is not None else _text(rng), user.id, world.now())
    return entry.id


def rename_file(
    world: "ZohoWorld", rng: random.Random, user: "User", *, key: str | None = None, name: str | None = None
) -> str | None:
    """Another name, the same ending."""
    entry = _some(world, rng, user, key)
    if entry is None:
        return None
    ending = f".{entry.extension}" if entry.extension and not entry.is_native else ""
    WorkDriveStore.of(world).rename(entry, name or _title(rng) + ending, user.id, world.now())
    return entry.id


def move_file(
    world: "ZohoWorld", rng: random.Random, user: "User", *, key: str | None = None, parent: str | None = None
) -> str | None:
    """Into another folder, maybe of a team folder."""
    entry = _some(world, rng, user, key)
    if entry is None:
        return None
    try:
        WorkDriveStore.of(world).move(entry, _folder(world, rng, user, parent), user.id, world.now())
    except ValueError:
        return None
    return entry.id


def trash_file(world: "ZohoWorld", rng: random.Random, user: "User", *, key: str | None = None) -> str | None:
    """Into the trash, with everything below: no listing shows it any more."""
    entry = _some(world, rng, user, key)
    if entry is None:
        return None
    WorkDriveStore.of(world).set_status(entry, TRASHED, world.now())
    return entry.id


def restore_file(world: "ZohoWorld", rng: random.Random, user: "User", *, key: str | None = None) -> str | None:
    """Out of the trash, under its old id."""
    entry = WorkDriveStore.of(world).entries[key] if key else _pick(rng, _trashed(world, user))
    if entry is None:
        return None
    WorkDriveStore.of(world).set_status(entry, ACTIVE, world.now())
    return entry.id


def _trashed(world: "ZohoWorld", user: "User") -> list[Entry]:
    store = WorkDriveStore.of(world)
    return [entry for entry in store.entries.values() if entry.status == TRASHED and store.may(user.id, entry.library)]


def delete_file(world: "ZohoWorld", rng: random.Random, user: "User", *, key: str | None = None) -> str | None:
    """For good, with everything below."""
    entry = _some(world, rng, user, key)
    if entry is None:
        return None
    WorkDriveStore.of(world).delete(entry)
    return entry.id


EDITS: dict[str, Callable[..., str | None]] = {
    "add_file": add_file,
    "add_folder": add_folder,
    "add_native": add_native,
    "edit_file": edit_file,
    "rename_file": rename_file,
    "move_file": move_file,
    "trash_file": trash_file,
    "restore_file": restore_file,
    "delete_file": delete_file,
}
