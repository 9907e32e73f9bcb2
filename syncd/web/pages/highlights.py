"""What people look for in a contact or an event beyond the common fields, whoever's payload it is.

Public: highlights.

Providers name the same thing differently (`phoneNumbers`, `mobilePhone`, `Phone`). Top-level fields are chosen by words in
their names, and of their values what reads as a text is taken; all fields stand below in any case.
"""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["highlights"]

WORDS = {
    "contact": (
        ("Phone", ("phone", "mobile", "fax")),
        ("Organisation", ("organization", "company", "department", "jobtitle", "designation", "account_name")),
        ("Address", ("address", "street", "city", "country")),
        ("Birthday", ("birthday", "date_of_birth")),
        ("Website", ("url", "website", "homepage")),
        ("Notes", ("biograph", "note")),
    ),
    "event": (
        ("Where", ("location", "venue")),
        ("Meeting link", ("hangoutlink", "onlinemeetingurl", "joinurl", "weblink")),
        ("About", ("description", "bodypreview")),
        ("Repeats", ("recurrence", "rrule")),
    ),
}
NEVER = ("email", "metadata", "etag", "primary")
PLAIN = ("formattedValue", "value", "displayName", "display_name", "name", "number", "text", "address", "content")
PARTS = ("name", "title", "department", "jobDescription", "street", "postalCode", "postal_code", "city", "state", "countryOrRegion", "country")  # fmt: skip
MOST, LONGEST = 12, 2000


def highlights(kind: str | None, data: Any) -> list[tuple[str, list[str]]]:
    """Label and texts, in the order in which people look for them; nothing for kinds that need none."""
    if not isinstance(data, Mapping):
        return []
    chosen = [(label, list(_of(data, words))) for label, words in WORDS.get(kind or "", ())]
    return [(label, texts[:MOST]) for label, texts in chosen if texts]


def _of(data: Mapping[str, Any], words: tuple[str, ...]) -> Iterator[str]:
    met = set()
    for name, value in data.items():
        plain = str(name).casefold()
        if any(word in plain for word in words) and not any(word in plain for word in NEVER):
            for text in _texts(value):
                if text not in met:
                    met.add(text)
                    yield text[:LONGEST]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.strip():
        yield value.strip()
    elif isinstance(value, list):
        for one in value:
            if not isinstance(one, list):  # what is nested deeper is no list of texts
                yield from _texts(one)
    elif isinstance(value, Mapping):
        yield from _of_object(value)


def _date(date: Mapping[str, Any]) -> Iterator[str]:
    """Year, month and day as far as they are known."""
    parts = [f"{date[part]:02}" for part in ("year", "month", "day") if isinstance(date.get(part), int) and date[part]]
    if parts:
        yield "-".join(parts)


def _of_object(value: Mapping[str, Any]) -> Iterator[str]:
    if {"year", "month", "day"} & value.keys() or isinstance(value.get("date"), Mapping):
        date = value.get("date") if isinstance(value.get("date"), Mapping) else value
        yield from _date(date or {})
        return
    parts = [str(value[name]) for name in PARTS if isinstance(value.get(name), str) and value[name]]
    if len(parts) > 1 and not value.get("formattedValue"):
        yield ", ".join(parts)
        return
    text = next((str(value[name]) for name in PLAIN if isinstance(value.get(name), str) and value[name]), "")
    kind = value.get("type")
    if text.strip():
        yield f"{text.strip()} ({kind})" if isinstance(kind, str) and kind.isalpha() else text.strip()
