"""Which calendar an event is in, where an answer tells it.

Public: calendar_of, ALONE.

Graph gives a whole event that comes alone, unlike one in a round, a link to its calendar.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

__all__ = ["ALONE", "calendar_of"]

LINK = "calendar@odata.navigationLink"
ALONE = frozenset({"@odata.context", LINK, "calendar@odata.associationLink"})  # what items in rounds do not have
CALENDAR = re.compile(r"/calendars(?:\('([^'/]+)'\)|/([^/?]+))/?$", re.IGNORECASE)


def calendar_of(event: Mapping[str, Any]) -> str | None:
    """The id of the event's calendar; None if nothing says it."""
    link = event.get(LINK)
    found = CALENDAR.search(link) if isinstance(link, str) else None
    return unquote(found.group(1) or found.group(2)) if found else None
