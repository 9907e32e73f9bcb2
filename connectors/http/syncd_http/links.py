"""The Link header (RFC 8288).

Public: Link, links_of.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["Link", "links_of"]

_GAP = re.compile(r"[\s,]*")  # lists may have empty elements
_TARGET = re.compile(r"<([^>]*)>\s*")
_PARAM = re.compile(r';\s*(?:([^\s=;,"<>]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))\s*)?)?')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Link:
    """Where to, and the parameters by their names in small letters: of several with one name the first counts."""

    target: str
    params: Mapping[str, str]

    def is_a(self, rel: str) -> bool:
        """Whether `rel` is one of its relations."""
        return rel.lower() in self.params.get("rel", "").lower().split()


def links_of(header: str) -> Iterator[Link]:
    """The links of a header. Raises ValueError where it cannot be read."""
    place = _behind_gap(header, 0)
    while place < len(header):
        target = _TARGET.match(header, place)
        if target is None:
            raise ValueError(f"there is no <link> at character {place + 1}")
        params, place = _params(header, target.end())
        if place < len(header) and header[place] != ",":
            raise ValueError(f"it makes no sense from its character {place + 1} on")
        yield Link(target[1].strip(), params)
        place = _behind_gap(header, place)


def _params(header: str, place: int) -> tuple[dict[str, str], int]:
    params: dict[str, str] = {}
    while (match := _PARAM.match(header, place)) is not None:
        place = match.end()
        if match[1]:
            value = _ESCAPED.sub(r"\1", match[2]) if match[2] is not None else (match[3] or "").strip("'")
            params.setdefault(match[1].lower(), value)
    return params, place


def _behind_gap(header: str, place: int) -> int:
    match = _GAP.match(header, place)
    return match.end() if match else place
