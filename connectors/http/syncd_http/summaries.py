"""The common fields of a kind, filled by paths.

Public: Summary.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .moments import moment, written
from .paths import Path
from .plan import Texts

__all__ = ["FIELDS", "Summary"]

FIELDS: Mapping[str, Mapping[str, str]] = {  # by kind: the fields and what they hold
    "contact": {"name": "text", "emails": "list"},
    "event": {"title": "text", "start": "time", "end": "time", "organizer": "text", "attendees": "list"},
    "file": {"name": "text", "kind": "text", "mime_type": "text", "size": "whole", "modified_at": "time"},
    "message": {"subject": "text", "from": "text", "to": "list", "date": "time", "message_id": "text"},
}


class Summary:
    """How a stream's summaries are made. What does not fit a field is left out of it, never guessed."""

    def __init__(self, plan: Mapping[str, Texts], kind: str | None) -> None:
        forms = FIELDS.get(kind or "", {})
        self._fields = {
            name: ([Path(text) for text in ([texts] if isinstance(texts, str) else texts)], forms.get(name, "any"))
            for name, texts in plan.items()
        }

    def of(self, entry: Any) -> dict[str, Any]:
        made = {name: _made(paths, entry, form) for name, (paths, form) in self._fields.items()}
        return {name: value for name, value in made.items() if value is not None}


def _made(paths: Sequence[Path], entry: Any, form: str) -> Any:
    found = [value for path in paths for value in path.find(entry)]
    if form == "list":
        return [value for value in found if isinstance(value, str | dict)]
    if form == "text":
        texts = [str(value) for value in found if isinstance(value, str | int) and not isinstance(value, bool)]
        return " ".join(text for text in texts if text) or None
    if form == "time":
        when = moment(found[0]) if found else None
        return None if when is None else _as_said(found[0], when)
    if form == "whole":
        return next((value for value in found if isinstance(value, int) and not isinstance(value, bool)), None)
    return found if any(path.many for path in paths) else next(iter(found), None)


def _as_said(value: Any, when: Any) -> str:
    """A date stays a date; everything else is written as RFC 3339."""
    return value if isinstance(value, str) and len(value) == 10 else str(written(when, "rfc3339"))
