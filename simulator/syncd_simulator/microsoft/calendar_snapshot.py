"""The calendars that a mirror of one user must show.

Public: snapshot, calendar_truth.
"""

from typing import TYPE_CHECKING

from syncd_simulator.microsoft.calendar_store import JSON, Calendars, Instance
from syncd_simulator.microsoft.calendar_view import Lens, cancelled_occurrences, full

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld, User


def calendar_truth(world: "MicrosoftWorld", user: "User", *, owned: bool = True) -> dict[str, dict[str, JSON]]:
    """calendar id → immutable id → event: singles, masters, exceptions, times in UTC; no plain occurrences.

    Masters carry all their `cancelledOccurrences`. With `owned=False` the shared-in calendars are there too.
    """
    mine: Calendars = user.calendars
    lens = Lens(lambda _, key: key, user.id)
    truth: dict[str, dict[str, JSON]] = {}
    for key, calendar in (mine.owned if owned else mine.owned | mine.shared).items():
        truth[key] = {}
        for event in calendar.living():
            shown = truth[key][event.id] = full(Instance(event), lens)
            if event.type == "seriesMaster":
                shown["cancelledOccurrences"] = cancelled_occurrences(event, lens)
    return truth


def snapshot(world: "MicrosoftWorld", user: "User") -> dict[str, dict[str, JSON]]:
    """The calendars that the user owns."""
    return calendar_truth(world, user)
