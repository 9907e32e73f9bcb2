"""A change log in which every key stands once, at its latest position (google.md §6.2, entry 5).

One structure serves all feeds that say "what changed since": contacts, events, calendar lists, Drive logs.
Walking from 0 is a stable full listing; walking from a cursor is the delta. Both cost O(page).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class ChangeLog:
    """Keys in the order of their latest change. Sequence numbers start at 1 and only grow."""

    def __init__(self) -> None:
        self.seq = 0
        self.floor = 0  # cursors below it are too old
        self.latest: dict[str, int] = {}
        self._seqs: list[int] = []
        self._keys: list[str] = []
        self._times: list[float] = []

    def touch(self, key: str, now: float) -> int:
        """Note a change of `key`; returns its position."""
        self.seq += 1
        self.latest[key] = self.seq
        self._seqs.append(self.seq)
        self._keys.append(key)
        self._times.append(now)
        if len(self._seqs) > 1000 and len(self._seqs) > 2 * len(self.latest):
            self._compact()
        return self.seq

    def forget(self, key: str) -> None:
        """Take `key` out without a trace (a rename, or a key that nobody ever saw)."""
        self.latest.pop(key, None)

    def expire(self) -> None:
        """Make every cursor handed out so far too old."""
        self.seq += 1
        self.floor = self.seq

    def walk(self, after: int, until: int | None = None) -> Iterator[tuple[int, str]]:
        """(position, key) after `after` and up to `until`, oldest change first."""
        seqs, keys, latest = self._seqs, self._keys, self.latest
        for index in range(bisect_right(seqs, after), len(seqs)):
            seq = seqs[index]
            if until is not None and seq > until:
                return
            key = keys[index]
            if latest.get(key) == seq:
                yield seq, key

    def visible(self, now: float, delay: float) -> int:
        """The last position that is at least `delay` seconds old (all of them without a delay)."""
        if delay <= 0:
            return self.seq
        index = bisect_right(self._times, now - delay)
        if index == len(self._seqs):
            return self.seq
        return self._seqs[index] - 1

    def time_at(self, seq: int) -> float:
        """When the entry at `seq` was written."""
        index = bisect_left(self._seqs, seq)
        return self._times[index] if index < len(self._times) else 0.0

    def _compact(self) -> None:
        kept = [
            (seq, key, time)
            for seq, key, time in zip(self._seqs, self._keys, self._times, strict=True)
            if self.latest.get(key) == seq
        ]
        self._seqs = [seq for seq, _, _ in kept]
        self._keys = [key for _, key, _ in kept]
        self._times = [time for _, _, time in kept]
