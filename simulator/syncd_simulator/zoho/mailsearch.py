"""The search syntax of Zoho Mail: `param:value` joined by `::` (and) or `:or:` (zoho.md §4.5).

Public: BadSearch, matcher.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from syncd_simulator.zoho.mailbox import Mail, Mailbox
from syncd_simulator.zoho.mailview import body_text

__all__ = ["HIDDEN", "BadSearch", "matcher"]

HIDDEN = ("Spam", "Trash")  # left out unless `inclspamtrash:true`
DAY = 86_400_000

Test = Callable[[Mail], bool]


class BadSearch(Exception):
    """The text is no search."""


def matcher(box: Mailbox, text: str) -> Test:
    """Whether a message is found by `text`; BadSearch when it is malformed."""
    hidden = {folder.id for folder in box.folders.values() if folder.system and folder.kind in HIDDEN}
    alternatives = [
        [_test(box, term) for term in group.split("::") if not term.startswith(("inclspamtrash:", "groupResult:"))]
        for group in re.split(r":or:", text)
    ]
    everywhere = "inclspamtrash:true" in text or any(f"in:{name}" in text.lower() for name in ("spam", "trash"))

    def found(mail: Mail) -> bool:
        if mail.folder in hidden and not everywhere:
            return False
        return any(all(test(mail) for test in tests) for tests in alternatives)

    return found


def _test(box: Mailbox, term: str) -> Test:
    name, colon, value = term.partition(":")
    value = value.strip().strip('"')
    build = TESTS.get(name)
    if not colon or build is None:
        raise BadSearch(term)
    return build(box, value)


def _contains(texts: Callable[[Mail], str]) -> Callable[[Mailbox, str], Test]:
    return lambda _, value: lambda mail: value.lower() in texts(mail).lower()


def _people(people: list[tuple[str, str]]) -> str:
    return " ".join(f"{name} {address}" for name, address in people)


def _file_names(mail: Mail) -> str:
    return " ".join(part.get_filename() or "" for part in mail.parts())


def _file_texts(mail: Mail) -> str:
    found = [part.get_payload(decode=True) for part in mail.parts() if part.get_filename()]
    return " ".join(data.decode("utf-8", "replace") for data in found if isinstance(data, bytes))


def _everything(mail: Mail) -> str:
    return f"{mail.subject} {_people([mail.sender, *mail.to, *mail.cc])} {body_text(mail)}"


def _has(_: Mailbox, value: str) -> Test:
    tests: dict[str, Test] = {
        "attachment": lambda mail: mail.attached,
        "flags": lambda mail: mail.flag > 0,
        "convo": lambda mail: bool(mail.thread),
    }
    if value not in tests:
        raise BadSearch(value)
    return tests[value]


def _in(box: Mailbox, value: str) -> Test:
    wanted = {folder.id for folder in box.folders.values() if folder.name.lower() == value.lower()}
    return lambda mail: mail.folder in wanted


def _label(_: Mailbox, value: str) -> Test:
    return lambda mail: value in mail.labels


def _midnight(box: Mailbox, value: str) -> int:
    try:
        day = datetime.strptime(value, "%d-%b-%Y").replace(tzinfo=ZoneInfo(box.user.zone))
    except ValueError:
        raise BadSearch(value) from None
    return int(day.astimezone(UTC).timestamp() * 1000)


def _from_date(box: Mailbox, value: str) -> Test:
    lower = _midnight(box, value)
    return lambda mail: mail.received >= lower


def _to_date(box: Mailbox, value: str) -> Test:
    upper = _midnight(box, value) + DAY
    return lambda mail: mail.received < upper


TESTS: dict[str, Callable[[Mailbox, str], Test]] = {
    "entire": _contains(_everything),
    "content": _contains(body_text),
    "sender": _contains(lambda mail: _people([mail.sender])),
    "to": _contains(lambda mail: _people(mail.to)),
    "cc": _contains(lambda mail: _people(mail.cc)),
    "subject": _contains(lambda mail: mail.subject),
    "fileName": _contains(_file_names),
    "fileContent": _contains(_file_texts),
    "has": _has,
    "in": _in,
    "label": _label,
    "fromDate": _from_date,
    "toDate": _to_date,
}
