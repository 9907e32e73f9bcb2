"""What people do in the CRM while a mirror looks on, and the truth that the mirror must show (zoho.md §8).

Public: EDITS (name → function of world, rng, user), crm_truth, add_many_crm_contacts. An edit returns the id it touched,
None when there was nothing to do; `key` chooses the record instead of the dice. Hold `world.lock`. Edits set nothing off:
`crm.outbox` is for what a client's writes cause.
"""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from syncd_simulator.google import words
from syncd_simulator.zoho import crm_view
from syncd_simulator.zoho.crm_store import CrmStore, Record
from syncd_simulator.zoho.crm_write import convert
from syncd_simulator.zoho.wire import JSON

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import User, ZohoWorld

__all__ = ["EDITS", "add_many_crm_contacts", "crm_truth"]

HOUR = 3600.0


def crm_truth(world: "ZohoWorld", user: "User", module: str) -> dict[str, dict[str, JSON]]:
    """`{"": {id: record}}`: every field, without `$` keys, of all that can be read; the same for every user.

    Converted leads and unapproved records are there too: default listings leave them out silently (§8.1).
    """
    return {"": crm_view.truth(CrmStore.of(world), module)}


# -- people -------------------------------------------------------------------------------------------------------------


def _ascii(text: str) -> str:
    return "".join(char for char in text if char.isascii() and char.isalpha()) or "x"


def _person(rng: random.Random) -> JSON:
    given, family, company = rng.choice(words.GIVEN), rng.choice(words.FAMILY), rng.choice(words.COMPANIES)
    values: JSON = {"First_Name": given, "Last_Name": family}
    address = f"{_ascii(given)}.{_ascii(family)}.{rng.randrange(10_000)}@{_ascii(company)}.example"
    values["Email"] = address.lower()
    if rng.random() < 0.6:
        values["Phone"] = f"+34 6{rng.randrange(10**8):08d}"
    if rng.random() < 0.3:
        values["Description"] = rng.choice(words.SENTENCES)
    return values


def _contact(rng: random.Random) -> JSON:
    values = _person(rng)
    if rng.random() < 0.5:
        values["Title"] = rng.choice(words.TITLES)
    if rng.random() < 0.3:
        values["Date_of_Birth"] = date(rng.randint(1950, 2000), rng.randint(1, 12), rng.randint(1, 28)).isoformat()
    if rng.random() < 0.3:
        values |= {"Mailing_City": "Łódź", "Mailing_Country": "Poland"}
    return values


def _lead(rng: random.Random) -> JSON:
    return _person(rng) | {"Company": rng.choice(words.COMPANIES), "Lead_Status": "Contacted"}


# -- meetings -----------------------------------------------------------------------------------------------------------


def _event(crm: CrmStore, rng: random.Random, user: "User") -> JSON:
    start = crm.world.base + rng.randrange(-30, 60) * 24 * HOUR + rng.randrange(7, 18) * HOUR
    values: JSON = {
        "Event_Title": f"{rng.choice(words.TOPICS).capitalize()} {rng.randrange(10_000)}",
        "Start_DateTime": start, "End_DateTime": start + rng.choice((0.5, 1, 2)) * HOUR, "Owner": user.id,
    }  # fmt: skip
    if rng.random() < 0.15:
        values |= {"All_day": True, "Start_DateTime": start - start % (24 * HOUR)}
    if rng.random() < 0.5:
        values["Participants"] = _participants(crm, rng)
    if rng.random() < 0.2:
        first = datetime.fromtimestamp(start, UTC).date()
        until = first + timedelta(days=rng.randrange(5, 50))
        values["Recurring_Activity"] = {"RRULE": f"FREQ=DAILY;INTERVAL=3;UNTIL={until};DTSTART={first}"}
    if rng.random() < 0.4:
        values["Remind_At"] = start - 900.0
    contact = _some(crm, rng, "Contacts", None)
    if contact and rng.random() < 0.4:
        values["Who_Id"] = contact.id
    account = _some(crm, rng, "Accounts", None)
    if account and rng.random() < 0.2:
        values |= {"What_Id": account.id, "$se_module": "Accounts"}
    return values


def _participants(crm: CrmStore, rng: random.Random) -> list[JSON]:
    entries = [{"type": "email", "participant": f"guest{rng.randrange(1_000)}@partner.example"}]
    contact = _some(crm, rng, "Contacts", None)
    if contact:
        entries.append({"type": "contact", "participant": contact.id})
    user = rng.choice(list(crm.world.users.values()))
    entries.append({"type": "user", "participant": crm.user_id(user.id)})
    return [entry | {"id": crm.world.new_id()} for entry in rng.sample(entries, rng.randint(1, len(entries)))]


# -- edits --------------------------------------------------------------------------------------------------------------


def _some(crm: CrmStore, rng: random.Random, module: str, key: str | None) -> Record | None:
    if key is not None:
        return crm.tables[module].records[key]
    found = list(crm.living(module))
    return rng.choice(found) if found else None


def _new(world: "ZohoWorld", rng: random.Random, user: "User", module: str, values: JSON) -> str:
    crm = CrmStore.of(world)
    made: JSON
    if module == "Events":
        made = _event(crm, rng, user)
    else:
        made = _contact(rng) if module == "Contacts" else _lead(rng)
        if module == "Contacts" and rng.random() < 0.4:
            made["Account_Name"] = _account(crm, rng, user)
    return crm.insert(module, made | values, user.id).id


def _account(crm: CrmStore, rng: random.Random, user: "User") -> str:
    known = _some(crm, rng, "Accounts", None)
    if known and rng.random() < 0.7:
        return known.id
    return crm.insert("Accounts", {"Account_Name": rng.choice(words.COMPANIES)}, user.id).id


def _change(
    world: "ZohoWorld", rng: random.Random, user: "User", module: str, key: str | None, values: JSON, usual: JSON
) -> str | None:
    crm = CrmStore.of(world)
    record = _some(crm, rng, module, key)
    if record is None:
        return None
    crm.update(module, record, values or usual, user.id)
    return record.id


def _remove(world: "ZohoWorld", rng: random.Random, user: "User", module: str, key: str | None) -> str | None:
    crm = CrmStore.of(world)
    record = _some(crm, rng, module, key)
    if record is None:
        return None
    crm.delete(module, record, user.id)
    return record.id


def _back(world: "ZohoWorld", rng: random.Random, module: str, key: str | None) -> str | None:
    crm = CrmStore.of(world)
    keys = [key] if key else [entry.record.id for entry in crm.deleted(module) if entry.kind == "recycle"]
    record = crm.restore(module, rng.choice(keys)) if keys else None
    return record.id if record else None


def add_crm_contact(world: "ZohoWorld", rng: random.Random, user: "User", **values: Any) -> str:
    """A new contact; values are stored as they are (instants for times, ids for lookups)."""
    return _new(world, rng, user, "Contacts", values)


def edit_crm_contact(
    world: "ZohoWorld", rng: random.Random, user: "User", key: str | None = None, **values: Any
) -> str | None:
    """Some fields change, by default the phone number; now and then one is emptied."""
    usual: JSON = {"Mobile": f"+34 9{rng.randrange(10**8):08d}"}
    if rng.random() < 0.2:
        usual["Phone"] = None
    return _change(world, rng, user, "Contacts", key, values, usual)


def delete_crm_contact(world: "ZohoWorld", rng: random.Random, user: "User", key: str | None = None) -> str | None:
    """Into the recycle bin."""
    return _remove(world, rng, user, "Contacts", key)


def restore_crm_contact(world: "ZohoWorld", rng: random.Random, user: "User", key: str | None = None) -> str | None:
    """Out of the bin with the old id and the old time of modification."""
    return _back(world, rng, "Contacts", key)


def add_crm_event(world: "ZohoWorld", rng: random.Random, user: "User", **values: Any) -> str:
    """A meeting: some all day, recurring, with participants, with a reminder."""
    return _new(world, rng, user, "Events", values)


def edit_crm_event(
    world: "ZohoWorld", rng: random.Random, user: "User", key: str | None = None, **values: Any
) -> str | None:
    """By default it gets another title and other participants."""
    title = f"{rng.choice(words.TOPICS).capitalize()} {rng.randrange(10_000)}"
    usual: JSON = {"Event_Title": title, "Participants": _participants(CrmStore.of(world), rng)}
    return _change(world, rng, user, "Events", key, values, usual)


def delete_crm_event(world: "ZohoWorld", rng: random.Random, user: "User", key: str | None = None) -> str | None:
    """Into the recycle bin."""
    return _remove(world, rng, user, "Events", key)


def add_crm_lead(world: "ZohoWorld", rng: random.Random, user: "User", **values: Any) -> str:
    """A new lead."""
    return _new(world, rng, user, "Leads", values)


def edit_crm_lead(
    world: "ZohoWorld", rng: random.Random, user: "User", key: str | None = None, **values: Any
) -> str | None:
    """By default the status changes."""
    usual: JSON = {"Lead_Status": rng.choice(("Contacted", "Lost Lead")), "No_of_Employees": rng.randrange(500)}
    return _change(world, rng, user, "Leads", key, values, usual)


def convert_lead(world: "ZohoWorld", rng: random.Random, user: "User", key: str | None = None) -> str | None:
    """A contact and an account are made; the lead leaves the listings without a trace in `/deleted`."""
    crm = CrmStore.of(world)
    record = _some(crm, rng, "Leads", key)
    if record is None:
        return None
    convert(crm, record, user.id)
    return record.id


def delete_crm_lead(world: "ZohoWorld", rng: random.Random, user: "User", key: str | None = None) -> str | None:
    """Into the recycle bin."""
    return _remove(world, rng, user, "Leads", key)


def add_many_crm_contacts(world: "ZohoWorld", user: "User", count: int, module: str = "Contacts") -> None:
    """So many contacts (or leads), for measurements."""
    rng = random.Random(f"many {world.seed}")
    make = _contact if module == "Contacts" else _lead
    crm = CrmStore.of(world)
    for number in range(count):
        crm.insert(module, make(rng) | {"Email": f"person{number}@many.example"}, user.id)


EDITS: dict[str, Callable[..., str | None]] = {
    "add_crm_contact": add_crm_contact,
    "edit_crm_contact": edit_crm_contact,
    "delete_crm_contact": delete_crm_contact,
    "restore_crm_contact": restore_crm_contact,
    "add_crm_event": add_crm_event,
    "edit_crm_event": edit_crm_event,
    "delete_crm_event": delete_crm_event,
    "add_crm_lead": add_crm_lead,
    "edit_crm_lead": edit_crm_lead,
    "convert_lead": convert_lead,
    "delete_crm_lead": delete_crm_lead,
}
