"""`$filter` over users, as far as directories are asked for (microsoft.md §1, §9).

Public: condition, id_list, is_advanced.
"""

import re
from collections.abc import Callable
from typing import Any

from syncd_simulator.microsoft.wire import JSON, ApiError

__all__ = ["condition", "id_list", "is_advanced"]

MOST_IDS = 50
Test = Callable[[JSON], bool]
COMPARISON = re.compile(r"(\w+)\s+(eq|ne)\s+('(?:[^']|'')*'|true|false|null)", re.IGNORECASE)
FUNCTION = re.compile(r"(startswith|endswith)\((\w+),\s*('(?:[^']|'')*')\)", re.IGNORECASE)
COUNT = re.compile(r"(\w+)/\$count\s+(eq|ne)\s+(\d+)", re.IGNORECASE)
ADVANCED = re.compile(r"\bne\b|\bnot\b|endswith|/\$count", re.IGNORECASE)


def is_advanced(text: str) -> bool:
    """Whether the filter needs advanced query capabilities."""
    return ADVANCED.search(text) is not None


def id_list(text: str | None) -> set[str] | None:
    """The ids of `id eq 'a' or id eq 'b'`, at most 50; delta knows no other filter."""
    if text is None:
        return None
    terms = re.split(r"\s+or\s+", text.strip(), flags=re.IGNORECASE)
    found = [re.fullmatch(r"id\s+eq\s+'([^']+)'", term.strip("() "), re.IGNORECASE) for term in terms]
    if not all(found) or len(found) > MOST_IDS:
        raise ApiError(400, "Request_UnsupportedQuery", "Only a list of at most 50 'id eq' clauses is supported.")
    return {match[1] for match in found if match}


def condition(text: str) -> Test:
    """The test of a filter: comparisons joined by `and`, or by `or`."""
    either = re.split(r"\s+or\s+", text.strip(), flags=re.IGNORECASE)
    if len(either) > 1:
        tests = [condition(part.strip()) for part in either]
        return lambda user: any(test(user) for test in tests)
    tests = [_term(part.strip()) for part in re.split(r"\s+and\s+", text.strip(), flags=re.IGNORECASE)]
    return lambda user: all(test(user) for test in tests)


def _term(text: str) -> Test:
    if text.lower().startswith("not"):
        inner = _term(text[3:].strip().removeprefix("(").removesuffix(")") + (")" if "(" in text[4:] else ""))
        return lambda user: not inner(user)
    if match := COMPARISON.fullmatch(text.strip("()")):
        name, wanted = match[1], _value(match[3])
        same = match[2].lower() == "eq"
        return lambda user: (_folded(_get(user, name)) == _folded(wanted)) is same
    if match := COUNT.fullmatch(text):
        name, number, same = match[1], int(match[3]), match[2].lower() == "eq"
        return lambda user: (len(_get(user, name) or []) == number) is same
    if match := FUNCTION.fullmatch(text):
        name, wanted = match[2], str(_value(match[3])).lower()
        begins = match[1].lower() == "startswith"
        return lambda user: _meets(str(_get(user, name) or "").lower(), wanted, begins)
    raise ApiError(400, "Request_BadRequest", f"Invalid filter clause: '{text}'.")


def _meets(value: str, wanted: str, begins: bool) -> bool:
    return value.startswith(wanted) if begins else value.endswith(wanted)


def _value(text: str) -> Any:
    low = text.lower()
    if low in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[low]
    return text[1:-1].replace("''", "'")


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _get(user: JSON, name: str) -> Any:
    for key, value in user.items():
        if key.lower() == name.lower():
            return value
    raise ApiError(400, "Request_UnsupportedQuery", f"Unsupported property filter clause: '{name}'.")
