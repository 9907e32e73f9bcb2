"""From a user of the directory to an account.

Public: FIELDS, Person, person_of.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from syncd.sdk import Account, ProtocolError

__all__ = ["FIELDS", "MAILBOX", "Person", "person_of"]

FIELDS = "id,displayName,mail,userPrincipalName,accountEnabled,userType,assignedLicenses"  # §9: not the default set
NEEDED = FIELDS.split(",")
MAILBOX = ("contacts", "calendar", "mail")  # streams that live in a mailbox
RESOURCES = ("shared", "room", "equipment")


@dataclass(frozen=True, slots=True)
class Person:
    """A user, read. `whole`: the answer told all that an account needs."""

    id: str
    address: str
    name: str
    enabled: bool
    guest: bool
    licensed: bool
    mail: bool
    whole: bool

    @property
    def doubtful(self) -> bool:
        """Whether this may be a mailbox without a person: its sign-in is blocked, or nobody pays for it (§9)."""
        return not self.guest and self.mail and not (self.enabled and self.licensed)

    def account(self, role: str, organization: str | None, purpose: str | None, streams: Mapping[str, str]) -> Account:
        """`purpose`: the mailbox's userPurpose, if it was asked for and told."""
        resource = purpose in RESOURCES
        state = "guest" if self.guest else "active" if self.enabled or resource else "disabled"
        kind = purpose if resource and purpose else "person"
        return Account(
            id=self.id,
            address=self.address,
            name=self.name,
            role=role,
            state=state,
            streams=streams,
            organization=organization,
            kind=kind,
        )


def person_of(user: Mapping[str, Any]) -> Person:
    """A user object. ProtocolError without an id: an import that leaves somebody out would be incomplete."""
    identity = user.get("id")
    if not isinstance(identity, str) or not identity:
        raise ProtocolError("users: a user has no id")
    name, mail = _text(user.get("userPrincipalName")), _text(user.get("mail"))
    return Person(
        id=identity,
        address=mail or name or identity,
        name=_text(user.get("displayName")),
        enabled=user.get("accountEnabled") is not False,  # never a deletion (§18.31)
        guest=_text(user.get("userType")).lower() == "guest" or "#EXT#" in name.upper(),
        licensed=bool(user.get("assignedLicenses")) or "assignedLicenses" not in user,
        mail=bool(mail),
        whole=all(field in user for field in NEEDED),  # in a delta, what is absent has not changed (§18.7)
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
