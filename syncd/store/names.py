"""Names of purged accounts in texts: errors of runs, reasons, notices.

Public: Names, forget_texts.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from .database import Tx

__all__ = ["Names", "forget_texts"]

WORD = re.compile(r"[^\s\"'`,;()<>\[\]{}/=&?:|]+")
PURGED = "(purged)"


@dataclass(frozen=True, slots=True)
class Names:
    """Labels, addresses and ids of accounts, casefolded: those that go, those that stay; `all`: the whole connection.

    `streams`: only errors of these go; None: whatever they are about.
    """

    going: frozenset[str]
    staying: frozenset[str]
    all: bool
    streams: set[str] | None

    def concern(self, stream: str | None, account: str | None, *texts: str | None) -> bool:
        """Whether an error of a run goes: it is an account's that goes, of nobody who is known, or mentions one."""
        if self.streams is not None and stream not in self.streams:
            return False
        if self.all:
            return True
        if account is not None and account.casefold() not in self.staying:
            return self.streams is None or account.casefold() in self.going
        return any(text is not None and self.in_text(text) for text in texts)

    def in_text(self, text: str) -> bool:
        return any(self._is_name(word.group()) for word in WORD.finditer(text))

    def blotted(self, text: str) -> str:
        """The text without the names."""
        return WORD.sub(lambda word: PURGED if self._is_name(word.group()) else word.group(), text)

    def _is_name(self, word: str) -> bool:
        plain = unquote(word).casefold().rstrip(".!")
        return plain in self.going or plain.partition("#")[0] in self.going


def forget_texts(tx: Tx, names: Names, table: str, key: str, columns: Sequence[str], keys: Sequence[Any]) -> None:
    """Blot the names out of these rows' columns, be they text or JSON."""
    sql = f"SELECT {key}, {', '.join(columns)} FROM {table} WHERE {key} IN ({{}})"  # noqa: S608
    for row in list(tx.within(sql, (), keys)):
        kept = row[1:]
        blotted = [_blotted(names, one) for one in kept]
        if blotted != list(kept):
            sets = ", ".join(f"{name} = ?" for name in columns)
            tx.run(f"UPDATE {table} SET {sets} WHERE {key} = ?", (*blotted, row[0]))  # noqa: S608


def _blotted(names: Names, kept: Any) -> Any:
    if isinstance(kept, bytes):
        return names.blotted(kept.decode("utf-8", "replace")).encode() if kept else kept
    return names.blotted(kept) if isinstance(kept, str) else kept
