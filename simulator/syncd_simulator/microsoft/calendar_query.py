"""`$filter` and `$expand` of event lists (microsoft.md §14).

Public: parse_filter, parse_expand, Expand. A filter is a conjunction of the forms that calendars know; anything else is
refused, as the service does.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from syncd_simulator.microsoft.calendar_store import JSON, Event
from syncd_simulator.microsoft.calendar_write import Invalid, tag_id

Test = Callable[[Event, JSON], bool]
QUOTED = r"'((?:[^']|'')*)'"
ANY_TAG = re.compile(
    rf"singleValueExtendedProperties/any\(\s*(\w+)\s*:\s*\1/id eq {QUOTED}\s+and\s+\1/value eq {QUOTED}\s*\)",
    re.IGNORECASE,
)
COMPARED = re.compile(rf"([\w/]+) (eq|ne|ge|gt|le|lt) (?:{QUOTED}|([\w:.+-]+))")
STARTS = re.compile(rf"startswith\((\w+),\s*{QUOTED}\)", re.IGNORECASE)
TAG_EXPAND = re.compile(r"singleValueExtendedProperties\(\$filter=(.+)\)", re.IGNORECASE)
TAG_TERM = re.compile(rf"id eq {QUOTED}")
FIELDS = {
    "iCalUId", "subject", "type", "seriesMasterId", "isAllDay", "isCancelled", "start/dateTime", "end/dateTime",
    "lastModifiedDateTime", "createdDateTime", "sensitivity", "showAs", "importance", "transactionId",
}  # fmt: skip
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda left, right: left == right, "ne": lambda left, right: left != right,
    "ge": lambda left, right: left >= right, "gt": lambda left, right: left > right,
    "le": lambda left, right: left <= right, "lt": lambda left, right: left < right,
}  # fmt: skip


@dataclass
class Expand:
    """What a single GET or a list shows beside the event's own fields."""

    tags: list[str] = field(default_factory=list)
    exceptions: bool = False


def parse_filter(text: str) -> Test:
    """The test that a `$filter` makes."""
    tests = [_term(part.strip()) for part in _conjuncts(text)]
    return lambda event, shown: all(test(event, shown) for test in tests)


def _conjuncts(text: str) -> list[str]:
    parts, depth, quoted, begin = [], 0, False, 0
    for index, letter in enumerate(text):
        quoted ^= letter == "'"
        depth += 0 if quoted else (letter == "(") - (letter == ")")
        if not quoted and depth == 0 and text[index : index + 5].lower() == " and ":
            parts.append(text[begin:index])
            begin = index + 5
    return [*parts, text[begin:]]


def _term(text: str) -> Test:
    if match := ANY_TAG.fullmatch(text):
        key, value = tag_id(match[2].replace("''", "'")), match[3].replace("''", "'").lower()
        return lambda event, _: event.tags.get(key, "").lower() == value and key in event.tags
    if match := STARTS.fullmatch(text):
        name, start = match[1], match[2].replace("''", "'").lower()
        if name in FIELDS:
            return lambda _, shown: str(shown.get(name) or "").lower().startswith(start)
    if (match := COMPARED.fullmatch(text)) and match[1] in FIELDS:
        return _comparison(match[1], match[2], match[3], match[4])
    raise Invalid("ErrorInvalidUrlQueryFilter", f"The filter '{text}' is not supported.")


def _comparison(name: str, operator: str, quoted: str | None, bare: str | None) -> Test:
    wanted: Any = quoted.replace("''", "'") if quoted is not None else bare
    if quoted is None and bare in ("true", "false", "null"):
        wanted = {"true": True, "false": False, "null": None}[bare]
    head, _, tail = name.partition("/")
    compare = COMPARISONS[operator]
    dated = tail == "dateTime" or name.endswith("DateTime")

    def test(_: Event, shown: JSON) -> bool:
        value = shown.get(head)
        value = value[tail] if tail and value else value
        if value is None or wanted is None:
            return compare(value, wanted) if operator in ("eq", "ne") else False
        if dated:
            return compare(_fraction(str(value)), _fraction(str(wanted)))
        return compare(value, wanted)

    return test


def _fraction(text: str) -> str:
    """A date and time with all its 7 fraction digits and no zone, so that texts compare as times do."""
    head, _, digits = text.rstrip("Zz").partition(".")
    head += "T00:00:00" if "T" not in head else ""
    return f"{head}.{digits:0<7}"


def parse_expand(text: str | None, *, single: bool) -> Expand:
    """`$expand`: extended properties by id; exceptionOccurrences on a single GET (§6)."""
    expand = Expand()
    for part in _outer_commas(text or ""):
        if match := TAG_EXPAND.fullmatch(part):
            found = [tag_id(key.replace("''", "'")) for key in TAG_TERM.findall(match[1])]
            expand.tags += found
            if found:
                continue
        if single and part == "exceptionOccurrences":
            expand.exceptions = True
            continue
        raise Invalid(
            "BadRequest", f"Parsing OData Select and Expand failed: Could not find a property named '{part}'."
        )
    return expand


def _outer_commas(text: str) -> list[str]:
    return [part.strip() for part in re.split(r",(?![^(]*\))", text) if part.strip()]
