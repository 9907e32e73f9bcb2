"""Invented people and messages, from a seeded generator.

Public: ascii_name, contact, mail.
"""

import random
from typing import TYPE_CHECKING

from syncd_simulator.google import words
from syncd_simulator.google.mime import compose
from syncd_simulator.zoho.wire import JSON

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import User

__all__ = ["ascii_name", "contact", "mail"]

_PLAIN = str.maketrans("áéíóúüñãöåøłŁç", "aeiouunaoaolLc")


def ascii_name(name: str) -> str:
    """The name in lower-case ASCII."""
    return name.translate(_PLAIN).encode("ascii", "ignore").decode().lower()


def _person(rng: random.Random) -> tuple[str, str, str, str]:
    """Given name, family name, company, address."""
    given, family, company = rng.choice(words.GIVEN), rng.choice(words.FAMILY), rng.choice(words.COMPANIES)
    return given, family, company, f"{ascii_name(given)}.{ascii_name(family)}@{company.lower()}.example"


def _text(rng: random.Random, sentences: int) -> str:
    return " ".join(rng.choice(words.SENTENCES) for _ in range(sentences))


def contact(rng: random.Random) -> JSON:
    """The fields of a contact (zoho.md §6.1)."""
    given, family, company, address = _person(rng)
    values: JSON = {"first_name": given, "last_name": family, "emails": [{"email_id": address, "is_primary": True}]}
    if rng.random() < 0.3:
        values["emails"].append({"email_id": f"private.{address}", "is_primary": False})
    if rng.random() < 0.6:
        values["phones"] = [{"number": f"+34 6{rng.randrange(10**8):08d}", "type": "mobile"}]
    if rng.random() < 0.5:
        values |= {"company": company, "job_title": rng.choice(words.TITLES)}
    if rng.random() < 0.3:
        values["address"] = [{"street_addr": f"Main Street {rng.randint(1, 99)}", "city": "Lisbon",
                              "postal_code": "1100-001", "country": "Portugal", "type": "work"}]  # fmt: skip
    if rng.random() < 0.2:
        values |= {"birth_day": str(rng.randint(1, 28)), "birth_month": str(rng.randint(1, 12))}
        values |= {"birth_year": "1984"} if rng.random() < 0.5 else {}
    if rng.random() < 0.15:
        values["notes"] = _text(rng, 2)
    return values


def mail(rng: random.Random, user: "User", moment: float, number: int) -> bytes:
    """A message to `user`; some have HTML, some attachments, some other addressees. `number` makes it unique."""
    given, family, company, address = _person(rng)
    text = "\n\n".join(_text(rng, 3) for _ in range(rng.randint(1, 5)))
    attachments = []
    if rng.random() < 0.25:
        extension, mime = rng.choice(words.BLOBS)
        attachments.append((f"{rng.choice(words.TOPICS)}.{extension}", mime, rng.randbytes(rng.randint(50, 4000))))
    copies = [("Cc", f'"A. {ascii_name(family).title()}" <copy.{address}>')] if rng.random() < 0.3 else []
    return compose(
        f"{rng.getrandbits(80):x}.{number}@{company.lower()}.example",
        f'"{ascii_name(given).title()} {ascii_name(family).title()}" <{address}>',
        f'"{ascii_name(user.name).title()}" <{user.address}>', rng.choice(words.TOPICS).capitalize(), moment, text,
        html=f"<p>{text}</p>" if rng.random() < 0.5 else None, attachments=attachments, extra=copies,
    )  # fmt: skip
