"""What people and scripts read.

Public: emit (JSON), say, note, console, table, fact, ask_first, styled_status, ago, plain_text.

Text of a provider is shown with its control characters written out and never read as markup; whatever is known to be a
secret is blotted out.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

SHORT = 12  # characters of a column that is shown whole on any terminal

__all__ = ["ago", "confirmed", "console", "count", "emit", "facts", "note", "plain_text", "say", "styled", "table"]

STYLES = {
    "completed": "green", "running": "cyan", "partial": "yellow", "failed": "bold red", "cancelled": "magenta",
    "held": "yellow", "idle": "green", "paused": "bold yellow", "disabled": "dim", "waiting": "blue",
    "active": "green", "suspended": "dim", "excluded": "dim", "ready": "green", "admin": "bold", "delegated_admin": "bold",
}  # fmt: skip

UNBOUND = 400  # characters a line may have where nobody's terminal cuts it


def safe(text: str) -> str:
    """The text with known secrets blotted out; nothing can be known where the SDK was never loaded."""
    secrets = sys.modules.get("syncd.sdk.secrets")
    return text if secrets is None else str(secrets.redact(text))


def emit(document: Any, *, redacted: bool = True) -> None:
    """One JSON document on stdout. Provider data is given as it is (`redacted=False`)."""
    text = json.dumps(document, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None, default=str)
    line = (safe(text) if redacted else text) + "\n"
    sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


def plain_text(text: Any) -> str:
    """One line, without control characters."""
    return safe("".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(text)))


@cache
def console(stderr: bool = False) -> "Console":
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else UNBOUND
    return Console(stderr=stderr, highlight=False, emoji=False, width=width)


def say(*parts: Any, style: str = "", stderr: bool = False) -> None:
    """A line for people."""
    console(stderr).print(styled(" ".join(plain_text(part) for part in parts), style), soft_wrap=True)


def note(*parts: Any) -> None:
    """A remark on stderr."""
    say(*parts, style="dim", stderr=True)


def styled(text: Any, style: str | None = None) -> "Text":
    """Text as it is, in a style, by default the one of its word."""
    from rich.text import Text

    words = plain_text(text)
    return Text(words, style=STYLES.get(words, "") if style is None else style)


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    title: str = "",
    right: Sequence[str] = (),
    fold: Sequence[str] = (),
) -> None:
    """A table; cells are text as it is. What does not fit is cut, in `fold` columns broken into lines."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    drawn = Table(title=styled(title, "bold") if title else None, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    cells = [[_cell(cell) for cell in row] for row in rows]
    for place, name in enumerate(columns):
        justify: Literal["right", "left"] = "right" if name in right else "left"
        folds = name in fold
        widest = max([len(name), *(len(str(row[place])) for row in cells)])
        least = widest if widest <= SHORT and not folds else None  # what is short anyway is never cut
        drawn.add_column(
            name, justify=justify, overflow="fold" if folds else "ellipsis", no_wrap=not folds, min_width=least
        )
    for row in cells:
        drawn.add_row(*row)
    console().print(drawn)


def facts(pairs: Iterable[tuple[str, Any]]) -> None:
    """Names and values, one a line."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(name, _cell(value))
    console().print(grid)


def _cell(value: Any) -> "RenderableType":
    from rich.text import Text

    return value if isinstance(value, Text) else styled("" if value is None else value)


def count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def ago(moment: str | None, now: datetime | None = None) -> str:
    """A time as people say it; "–" for none."""
    if not moment:
        return "–"
    there = datetime.fromisoformat(moment)
    seconds = ((now or datetime.now(UTC)) - there).total_seconds()
    text = span(abs(seconds))
    return "now" if text == "0 s" else f"{text} ago" if seconds > 0 else f"in {text}"


def span(seconds: float | None) -> str:
    """A length of time in one or two units."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.1f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask on a terminal; elsewhere, or with `--yes`, go on without asking."""
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    import click

    return click.confirm(question, default=False, err=True)
