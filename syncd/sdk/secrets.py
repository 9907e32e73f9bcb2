"""Secrets: values that are read when needed and shown nowhere.

Public: Secret, conceal, redact.

Whatever passes through `Secret.reveal` or `conceal` is remembered for the life of the process, and `redact` blots it
out of any text on its way to a log, an error, an answer or a terminal.
"""

from collections.abc import Callable
from urllib.parse import quote, quote_plus

__all__ = ["BLOT", "Secret", "conceal", "redact"]

BLOT = "[secret]"
SHORTEST = 6  # characters; blotting out anything shorter would deface ordinary words

_concealed: dict[str, None] = {}
_LIMIT = 20_000  # access tokens come and go; the oldest are dropped first


class Secret:
    """A secret setting. Each `reveal` reads its source again, so that a rotated secret is picked up.

    `reference` is what the operator wrote (`${env:NAME}`): it may be shown. `read` raises OSError or ValueError if the
    source cannot be read.
    """

    __slots__ = ("_read", "reference")

    def __init__(self, read: Callable[[], str], reference: str) -> None:
        self._read = read
        self.reference = reference

    def reveal(self) -> str:
        """The value as it is now."""
        return conceal(self._read())

    def __repr__(self) -> str:
        return f"Secret({self.reference})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reference == self.reference

    def __hash__(self) -> int:
        return hash(self.reference)


def conceal(value: str) -> str:
    """Remember a value (an access token, a private key) as secret, and give it back."""
    for part in _parts(value):
        _concealed.pop(part, None)
        _concealed[part] = None
    while len(_concealed) > _LIMIT:
        del _concealed[next(iter(_concealed))]
    return value


def redact(text: str) -> str:
    """The text with every secret known so far blotted out."""
    for value in sorted(_concealed, key=len, reverse=True) if _concealed else ():
        if value in text:
            text = text.replace(value, BLOT)
    return text


def _parts(value: str) -> list[str]:
    """The value, as it stands in a URL too, and its lines: a key file is quoted line by line, in JSON with escaped ends."""
    stripped = value.strip()
    parts = {stripped, quote(stripped, safe=""), quote_plus(stripped)} if len(stripped) >= SHORTEST else set()
    if "\n" in stripped or "\\n" in stripped:
        lines = stripped.replace("\\n", "\n").splitlines()
        parts.update(line.strip() for line in lines if len(line.strip()) >= 24)
    return sorted(parts)
