"""One contact: what is looked at in it, and how it becomes a record (§6.1).

Public: Person, record_of, changed_at.
"""

from datetime import UTC, datetime

import msgspec

from syncd.sdk import Record

from .wire import millis

__all__ = ["Person", "changed_at", "record_of"]

LATEST = 32_503_680_000_000  # ms: the year 3000


class Email(msgspec.Struct, gc=False):
    email_id: str | None = None
    is_primary: bool | str | None = None


class Phone(msgspec.Struct, gc=False):
    number: str | None = None


class Person(msgspec.Struct, gc=False):
    """What is looked at; all else stays bytes. Name keys are left out when empty (§6.1)."""

    contact_id: str
    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    nick_name: str | None = None
    company: str | None = None
    emails: list[Email] | None = None
    phones: list[Phone] | None = None
    created_time: int | str | None = None
    updated_time: int | str | None = None


class Summary(msgspec.Struct, gc=False):
    """The common fields of a contact."""

    name: str | None
    emails: list[str]
    phones: list[str]
    organization: str | None


encode = msgspec.json.Encoder().encode


def record_of(person: Person, data: bytes) -> Record:
    """The record of a contact with an id; `data` is the bytes that came."""
    return Record(person.contact_id, data, summary=encode(_summary(person)), modified_at=_modified(person))


def changed_at(person: Person) -> int:
    """When it was made or last edited, in ms: the greater of two times (§6.1). 0 if neither can be read."""
    times = (_number(person.created_time), _number(person.updated_time))
    return max(0, *times)


def _number(value: int | str | None) -> int:
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdecimal() and len(value) < len(str(LATEST)) else 0
    return value if value is not None and value < LATEST else 0


def _summary(person: Person) -> Summary:
    first, last = person.first_name, person.last_name
    if first and last and not person.middle_name:
        name: str | None = f"{first} {last}"
    else:
        name = " ".join(part for part in (first, person.middle_name, last) if part) or person.nick_name
    emails, phones = person.emails, person.phones
    return Summary(
        name or None,
        [one.email_id for one in emails if one.email_id] if emails else [],
        [one.number for one in phones if one.number] if phones else [],
        person.company or None,
    )


def _modified(person: Person) -> datetime | None:
    """`updated_time` is -1 until the first edit (§10.29)."""
    at = person.updated_time
    if type(at) is not int or at <= 0:
        at = person.created_time
    if type(at) is int and 0 < at < LATEST:
        return datetime.fromtimestamp(at / 1000, UTC)
    return millis(at)
