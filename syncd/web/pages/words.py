"""Values as people read them: the filters of the templates.

Public: FILTERS, clean, Now.

Texts that came from a provider are hostile: Jinja escapes markup, and `clean` makes characters harmless that would
hide, turn or overwrite what stands beside them.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape

__all__ = ["FILTERS", "Now", "clean"]

Now = Callable[[], datetime]

# Controls but tab and line feed; directional marks and overrides; invisible and private-use characters; half characters.
HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ue000-\uf8ff\ud800-\udfff]"
)
TICKS = re.compile("`([^`]{1,200})`")
UNITS = ((86400 * 365, "y"), (86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
SIZES = ("bytes", "kB", "MB", "GB", "TB")


def clean(value: Any) -> Any:
    """For Jinja's `finalize`: every text that a template prints goes through here."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return "" if value is None else value
    return HARMFUL.sub("\ufffd", value)


def number(value: float | None) -> str:
    """1234567 → 1 234 567, with thin spaces that do not break."""
    return "–" if value is None else f"{value:,}".replace(",", "\u202f")


def compact(value: float | None) -> str:
    """For tiles and chips: 1234567 → 1.2 M."""
    if value is None:
        return "–"
    for limit, unit in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if value >= limit:
            scaled = value / (1000 if unit == "k" else limit)
            return f"{scaled:.1f}\u202f{unit}" if scaled < 100 else f"{scaled:.0f}\u202f{unit}"
    return number(value)


def size(value: float | None) -> str:
    """Bytes in powers of a thousand."""
    if value is None:
        return "–"
    amount, unit = float(value), 0
    while amount >= 1000 and unit < len(SIZES) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{int(amount)} {SIZES[unit]}" if unit == 0 or amount >= 100 else f"{amount:.1f} {SIZES[unit]}"


def span(seconds: float | None) -> str:
    """A length of time with its largest unit, or two of them."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    for place, (length, unit) in enumerate(UNITS):
        if whole >= length:
            rest = "" if place == len(UNITS) - 1 else _rest(whole % length, *UNITS[place + 1])
            return f"{whole // length} {unit}{rest if whole // length < 10 else ''}"
    return "0 s"


def age(seconds: float | None) -> str:
    """A length of time in whole seconds."""
    if seconds is None:
        return "–"
    return f"{int(seconds)} s" if seconds < 10 else span(seconds)


def _rest(seconds: int, length: int, unit: str) -> str:
    return f" {seconds // length} {unit}" if seconds // length else ""


def moment(value: str | None) -> datetime | None:
    """An RFC 3339 text as the API gives it; None if it is none."""
    try:
        when = datetime.fromisoformat(value) if value else None
    except ValueError:
        return None
    return when if when is None or when.tzinfo else when.replace(tzinfo=UTC)


def absolute(value: str | None) -> str:
    """2026-11-21 14:05 UTC; what is no time stays as it is."""
    when = moment(value)
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if when else str(value or "–")


def day(value: str | None) -> str:
    """A date, or a time with its date, as the record gives it."""
    when = moment(value)
    if when is None or value is None:
        return str(value or "–")
    return f"{when:%a %d %b %Y}" if len(value) == 10 else f"{when.astimezone(UTC):%a %d %b %Y, %H:%M} UTC"


def relative(value: str | None, now: datetime) -> str:
    """5 min ago, in 2 h."""
    when = moment(value)
    if when is None:
        return str(value or "–")
    seconds = (now - when).total_seconds()
    if abs(seconds) < 1.5:
        return "now"
    text = age(abs(seconds))
    return f"{text} ago" if seconds > 0 else f"in {text}"


def ticks(value: str | None) -> Markup:
    """A text of ours in which `commands` stand in back ticks."""
    return Markup(TICKS.sub(r"<code>\1</code>", str(escape(clean(value or "")))))  # noqa: S704 - escaped just before


def texts(value: Any) -> list[str]:
    """The texts of a list of addresses or people, however a connector writes them."""
    if value is None or value == "":
        return []
    items = value if isinstance(value, list) else [value]
    return [text for one in items if (text := _text(one))]


def _text(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    address = next((str(value[key]) for key in ("email", "address", "value") if value.get(key)), "")
    name = next((str(value[key]) for key in ("name", "displayName", "display_name") if value.get(key)), "")
    text = f"{name} <{address}>" if name and address and name != address else name or address
    answer = next((str(value[key]) for key in ("response", "status", "responseStatus") if value.get(key)), "")
    return f"{text} ({answer})" if answer and text else text


FILTERS: dict[str, Callable[..., Any]] = {
    "absolute": absolute,
    "age": age,
    "compact": compact,
    "day": day,
    "number": number,
    "size": size,
    "span": span,
    "texts": texts,
    "ticks": ticks,
}
