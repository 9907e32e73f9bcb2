"""Points in time as APIs write them.

Public: moment, written.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

__all__ = ["moment", "written"]

_MILLISECONDS = 1e11  # a number above is milliseconds: as seconds it would be the year 5138


def moment(value: Any) -> datetime | None:
    """RFC 3339 (UTC where it names no zone), seconds or milliseconds since 1970, or an HTTP date; None for all else."""
    try:
        if isinstance(value, bool):
            return None
        if isinstance(value, int | float):
            return _since_1970(float(value))
        if not isinstance(value, str) or not value or len(value) > 64:
            return None
        if value.replace(".", "", 1).isascii() and value.replace(".", "", 1).isdigit():
            return _since_1970(float(value))
        return _from_text(value).astimezone(UTC)
    except (ValueError, OverflowError, OSError, TypeError):
        return None


def _since_1970(value: float) -> datetime:
    return datetime.fromtimestamp(value / 1000 if abs(value) > _MILLISECONDS else value, UTC)


def _from_text(value: str) -> datetime:
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        found = parsedate_to_datetime(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def written(when: datetime, form: str) -> str | int:
    """As a parameter has it: rfc3339, date, epoch or epoch_ms."""
    if form == "epoch":
        return int(when.timestamp())
    if form == "epoch_ms":
        return int(when.timestamp() * 1000)
    text = when.astimezone(UTC)
    if form == "date":
        return text.date().isoformat()
    return text.isoformat(timespec="milliseconds" if text.microsecond else "seconds").replace("+00:00", "Z")
