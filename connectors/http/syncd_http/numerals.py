"""JSON that Python reads almost right: numbers that no float holds keep all their digits, broken text is found.

Public: Numeral, number_of, whole_of, encoded, is_sound.
"""

import math
import sys
from decimal import Decimal
from typing import Any

import msgspec

__all__ = ["Numeral", "encoded", "is_sound", "number_of", "whole_of"]

_SHORT = 16  # characters: so many digits a float always holds
_LONGEST = 4000  # digits; Python reads no integers that are much longer


class Numeral(float):
    """A number as near as a float comes to it; `text` is how it was written."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> "Numeral":
        made = super().__new__(cls, text)
        made.text = text
        return made


def number_of(text: str) -> float:
    """A number with a fraction or an exponent: a float where that says the same, else a Numeral."""
    value = float(text)
    return value if _holds(value, text) else Numeral(text)


def whole_of(text: str) -> int | float:
    """A whole number."""
    return int(text) if len(text) <= _LONGEST else Numeral(text)


def encoded(value: Any) -> bytes:
    """Its JSON, with sorted keys. Raises ValueError, which says what is wrong, for what no JSON can hold."""
    try:
        return msgspec.json.encode(value, order="sorted", enc_hook=_plain)
    except UnicodeEncodeError as error:
        raise ValueError("broken text") from error
    except RecursionError as error:
        raise ValueError("parts nested too deeply") from error


def is_sound(text: str) -> bool:
    """Whether it can be written down: half characters cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _holds(value: float, text: str) -> bool:
    if len(text) <= _SHORT and sys.float_info.min <= abs(value) <= sys.float_info.max:
        return True
    if value == 0:
        return not text.lower().partition("e")[0].strip("-0.")
    return math.isfinite(value) and Decimal(text) == Decimal(repr(value))


def _plain(value: Any) -> Any:
    """What msgspec does not write by itself: a Numeral, and in settings the text that a reference gave."""
    if isinstance(value, Numeral):
        if not math.isfinite(value):
            raise ValueError("a number that is out of range")
        return msgspec.Raw(value.text.encode())
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")
