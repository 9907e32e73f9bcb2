"""Where the calendar and the drive part plug into a world.

Public: open_calendars, open_drive, open_sites, calendar_snapshot, drive_snapshot.

| module | gives |
|---|---|
| `calendar` | `API = "calendar"`, `READ`, `WRITE`, `ROUTES` (see wire.py) |
| `drive` | `API = "drive"`, `READ`, `WRITE`, `ROUTES`, `download(world, call) -> Reply` |
| `calendar_store` | `open_calendars(world, user)` → what `user.calendars` becomes |
| `calendar_snapshot` | `snapshot(world, user)` → {calendar id: {immutable id: event}} |
| `drive_store` | `open_drive(world, user)` → `user.drive`; `open_sites(world)` → `world.sites` |
| `drive_snapshot` | `snapshot(world, user)` → {drive id: {item id: item with contentSha256}} |
| `edits_calendar`, `edits_drive` | mixins of Editor, with `CALENDAR_EDITS` / `DRIVE_EDITS` for `random_edit` |

The app has checked permission, `call.user` and (for the calendar) the mailbox before a handler runs; drives check
`user.drive_trouble` themselves. Mailbox requests are counted and throttled before the handler too.
"""

from syncd_simulator.microsoft.calendar_snapshot import snapshot as calendar_snapshot
from syncd_simulator.microsoft.calendar_store import open_calendars
from syncd_simulator.microsoft.drive_snapshot import snapshot as drive_snapshot
from syncd_simulator.microsoft.drive_store import open_drive, open_sites

__all__ = ["calendar_snapshot", "drive_snapshot", "open_calendars", "open_drive", "open_sites"]
