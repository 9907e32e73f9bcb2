"""Where the calendar and the drive part plug into a world.

Public: open_calendars, open_drive, open_sites, modules, download, snapshot_of, editors.

| module | gives |
|---|---|
| `calendar` | `API = "calendar"`, `READ`, `WRITE`, `ROUTES` (see wire.py) |
| `drive` | `API = "drive"`, `READ`, `WRITE`, `ROUTES`, `download(world, call) -> Reply` |
| `calendar_store` | `open_calendars(world, user)` → what `user.calendars` becomes |
| `calendar_snapshot` | `snapshot(world, user)` → {calendar id: {immutable id: event}} |
| `drive_store` | `open_drive(world, user)` → `user.drive`; `open_sites(world)` → `world.sites` |
| `drive_snapshot` | `snapshot(world, user)` → {drive id: {item id: item with contentSha256}} |
| `edits_calendar` | `class CalendarEdits` (mixin of Editor: `self.world`, `self.rng`, `self.person()`, `self.pick(items)`) |
| `edits_drive` | `class DriveEdits`, the same |

Both mixins have `CALENDAR_EDITS` / `DRIVE_EDITS`, the names that `random_edit` draws from. The app has checked
permission, `call.user` and (for the calendar) the mailbox before a handler runs; drives check `user.drive_trouble`
themselves. Mailbox requests are counted and throttled before the handler too.
"""

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncd_simulator.microsoft.wire import Call, Reply
    from syncd_simulator.microsoft.world import MicrosoftWorld, User

HERE = "syncd_simulator.microsoft."


def _of(module: str, name: str) -> Any:
    if importlib.util.find_spec(HERE + module) is None:
        return None
    return getattr(importlib.import_module(HERE + module), name, None)


def open_calendars(world: "MicrosoftWorld", user: "User") -> Any:
    made = _of("calendar_store", "open_calendars")
    return made(world, user) if made else None


def open_drive(world: "MicrosoftWorld", user: "User") -> Any:
    made = _of("drive_store", "open_drive")
    return made(world, user) if made else None


def open_sites(world: "MicrosoftWorld") -> Any:
    made = _of("drive_store", "open_sites")
    return made(world) if made else None


def modules() -> list[Any]:
    return [importlib.import_module(HERE + name) for name in ("calendar", "drive") if _of(name, "ROUTES")]


def download(world: "MicrosoftWorld", call: "Call") -> "Reply":
    made: Reply = _of("drive", "download")(world, call)
    return made


def snapshot_of(kind: str, world: "MicrosoftWorld", user: "User") -> Any:
    made = _of({"calendar": "calendar_snapshot", "files": "drive_snapshot"}[kind], "snapshot")
    return made(world, user) if made else {}


def editors() -> tuple[Any, ...]:
    found = (_of("edits_calendar", "CalendarEdits"), _of("edits_drive", "DriveEdits"))
    return tuple(mixin for mixin in found if mixin)
