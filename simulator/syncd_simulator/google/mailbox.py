"""State of a mailbox: messages, labels, and the history with ids that are not contiguous (google.md §7)."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from syncd_simulator.google.mime import snippet_of
from syncd_simulator.google.wire import JSON

SYSTEM_LABELS = (
    "CHAT", "SENT", "INBOX", "IMPORTANT", "TRASH", "DRAFT", "SPAM", "CATEGORY_FORUMS", "CATEGORY_UPDATES",
    "CATEGORY_PERSONAL", "CATEGORY_PROMOTIONS", "CATEGORY_SOCIAL", "STARRED", "UNREAD",
)  # fmt: skip
HIDDEN = frozenset(("SPAM", "TRASH"))
FIXED = frozenset(("SENT", "DRAFT"))  # cannot be applied or removed by hand


@dataclass(slots=True)
class Mail:
    """One message. Labels keep the order in which they came."""

    id: str
    thread: str
    labels: list[str]
    raw: bytes
    date: int  # milliseconds: internalDate
    history: int
    _snippet: str | None = None

    @property
    def snippet(self) -> str:
        """Computed when somebody asks."""
        if self._snippet is None:
            self._snippet = snippet_of(self.raw)
        return self._snippet

    @property
    def is_hidden(self) -> bool:
        """In spam or trash."""
        return not HIDDEN.isdisjoint(self.labels)

    def stub(self) -> JSON:
        """As history records show it."""
        value: JSON = {"id": self.id, "threadId": self.thread}
        return value | ({"labelIds": list(self.labels)} if self.labels else {})


@dataclass
class Mailbox:
    """Messages by id and by date, labels by id, and the history."""

    mails: dict[str, Mail] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)  # user labels: id -> name
    current: int = 1000
    floor: int = 0
    records: list[JSON] = field(default_factory=list)
    _ids: list[int] = field(default_factory=list)
    _times: list[float] = field(default_factory=list)
    _by_date: list[tuple[int, str]] = field(default_factory=list)
    _threads: dict[str, int] = field(default_factory=dict)
    _labels_made: int = 0

    def start(self, history: int) -> None:
        """The first history id."""
        self.current = history

    # -- reading ----------------------------------------------------------------------------------------------

    @property
    def threads_total(self) -> int:
        """How many threads there are."""
        return len(self._threads)

    def newest_first(self, before: tuple[int, str] | None = None) -> Iterator[tuple[tuple[int, str], Mail]]:
        """(place, message) from the newest, or from just below `before`."""
        index = len(self._by_date) if before is None else bisect_left(self._by_date, before)
        for place in range(index - 1, -1, -1):
            key = self._by_date[place]
            yield key, self.mails[key[1]]

    def seen_at(self, now: float, delay: float) -> int:
        """The current history id as it shows `delay` seconds late."""
        index = bisect_right(self._times, now - delay) if delay > 0 else len(self._ids)
        return self.current if index == len(self._ids) else self._ids[index] - 1

    def lapsed(self, start: int, oldest: float) -> bool:
        """Whether records after `start` are gone: expired, older than `oldest`, or never there."""
        if start < self.floor or start > self.current:
            return True
        index = bisect_right(self._ids, start)
        return index < len(self._ids) and self._times[index] < oldest

    def history_after(self, start: int, until: int) -> Iterator[tuple[int, JSON]]:
        """(id, record) after `start` up to `until`."""
        for index in range(bisect_right(self._ids, start), len(self._ids)):
            if self._ids[index] > until:
                return
            yield self._ids[index], self.records[index]

    def all_labels(self) -> dict[str, str]:
        """id -> name, system labels first."""
        return dict.fromkeys(SYSTEM_LABELS, "") | self.labels

    # -- changing ---------------------------------------------------------------------------------------------

    def add(self, mail_id: str, raw: bytes, labels: Iterable[str], date: float, now: float, thread: str = "") -> Mail:
        """A message arrives: a `messagesAdded` record."""
        mail = Mail(mail_id, thread or mail_id, list(labels), raw, int(date * 1000), 0)
        self.mails[mail_id] = mail
        self._threads[mail.thread] = self._threads.get(mail.thread, 0) + 1
        insort(self._by_date, (mail.date, mail_id))
        self._record(mail, now, {"messagesAdded": [{"message": mail.stub()}]})
        return mail

    def relabel(self, mail: Mail, add: Iterable[str], remove: Iterable[str], now: float) -> None:
        """Apply and take off labels: one record, or none when nothing changes."""
        added = [label for label in add if label not in mail.labels]
        removed = [label for label in remove if label in mail.labels and label not in added]
        if not added and not removed:
            return
        mail.labels = [label for label in mail.labels if label not in removed] + added
        stub = mail.stub()
        lists: JSON = {}
        if added:
            lists["labelsAdded"] = [{"message": stub, "labelIds": added}]
        if removed:
            lists["labelsRemoved"] = [{"message": stub, "labelIds": removed}]
        self._record(mail, now, lists)

    def trash(self, mail: Mail, now: float) -> None:
        """TRASH on, INBOX off (§7.2.4)."""
        self.relabel(mail, ["TRASH"], ["INBOX"], now)

    def untrash(self, mail: Mail, now: float) -> None:
        """TRASH off; the inbox does not come back by itself."""
        self.relabel(mail, [], ["TRASH"], now)

    def delete(self, mail: Mail, now: float) -> None:
        """For good: a `messagesDeleted` record."""
        del self.mails[mail.id]
        del self._by_date[bisect_left(self._by_date, (mail.date, mail.id))]
        self._threads[mail.thread] -= 1
        if not self._threads[mail.thread]:
            del self._threads[mail.thread]
        self._record(mail, now, {"messagesDeleted": [{"message": mail.stub()}]})

    def add_label(self, name: str) -> str:
        """A user label; labels leave no history (§7.2.6)."""
        self._labels_made += 1
        label = f"Label_{self._labels_made}"
        self.labels[label] = name
        return label

    def delete_label(self, label: str, now: float) -> None:
        """The label goes, from every message that has it too."""
        del self.labels[label]
        for mail in [mail for mail in self.mails.values() if label in mail.labels]:
            self.relabel(mail, [], [label], now)

    def expire_history(self) -> None:
        """Every history id handed out so far is too old."""
        self.current += 17
        self.floor = self.current

    def _record(self, mail: Mail, now: float, lists: JSON) -> None:
        """Append a record; ids grow in uneven steps and `current` runs ahead of the last one."""
        number = self.current + 1 + (len(self._ids) * 7919) % 23
        mail.history = number
        record: JSON = {"id": str(number), "messages": [{"id": mail.id, "threadId": mail.thread}]}
        self.records.append(record | lists)
        self._ids.append(number)
        self._times.append(now)
        self.current = number + 1 + len(self._ids) % 5
