"""One thing that is wrong with the folder, as a person sees it.

Public: Problem, did_you_mean, shown.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

__all__ = ["Problem", "did_you_mean", "one_of", "shown"]

LONGEST = 60  # characters of a value that a message quotes


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """A sentence with its place. Fields as in `validate --json`.

    `file` is the folder as it was given, with the file's path in it: a relative folder gives paths relative to the
    working directory, which terminals and editors open on a click. Line and column count from 1; a problem of a whole
    file stands at 1:1, for one of a whole folder both are 0. `path` is the place in the configuration
    (`syncs.nightly.streams[1]`), empty for a problem of the YAML text. No value that came through a `${…}` reference
    ever stands in `message` or `hint`.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{place}: {self.message}{hint}"


def shown(value: object, longest: int = LONGEST) -> str:
    """A value quoted for a message: short, on one line, without control characters."""
    whole = str(value)
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in whole[:longest])
    return f"'{text}…'" if len(whole) > longest else f"'{text}'"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?`, or nothing when no known word is near."""
    by_fold: dict[str, str] = {}
    for name in known:
        by_fold.setdefault(name.casefold(), name)
    near = get_close_matches(word[:LONGEST].casefold(), by_fold, n=1, cutoff=0.6)
    return f"did you mean {shown(by_fold[near[0]])}?" if near else ""


def one_of(words: Iterable[object]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    texts = [str(word) for word in words]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}" if texts else "nothing"
