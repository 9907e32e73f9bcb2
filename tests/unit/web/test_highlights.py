"""What people look for in a payload, whoever wrote it."""

import pytest

from syncd.web.pages.highlights import highlights

GOOGLE = {
    "resourceName": "people/c1",
    "phoneNumbers": [{"metadata": {"primary": True}, "value": "+34 613", "type": "mobile"}, {"value": "+34 614"}],
    "organizations": [{"name": "Acme", "title": "CTO"}],
    "addresses": [{"formattedValue": "1 High St\nLondon", "type": "home"}],
    "birthdays": [{"date": {"year": 1984, "month": 3, "day": 9}}],
    "emailAddresses": [{"value": "a@acme.example"}],
}
MICROSOFT = {
    "mobilePhone": "+1 5",
    "businessPhones": ["+1 6", "+1 5"],
    "companyName": "Acme",
    "jobTitle": "CTO",
    "homeAddress": {"street": "1 High St", "city": "London"},
    "birthday": "1984-03-09T00:00:00Z",
    "personalNotes": " hello ",
}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            GOOGLE,
            [("Phone", ["+34 613 (mobile)", "+34 614"]), ("Organisation", ["Acme, CTO"]),
             ("Address", ["1 High St\nLondon (home)"]), ("Birthday", ["1984-03-09"])],
        ),
        (
            MICROSOFT,
            [("Phone", ["+1 5", "+1 6"]), ("Organisation", ["Acme", "CTO"]), ("Address", ["1 High St, London"]),
             ("Birthday", ["1984-03-09T00:00:00Z"]), ("Notes", ["hello"])],
        ),
        ({"Phone": "1", "Mobile": None, "Department": ""}, [("Phone", ["1"])]),
        ({"phone": 7, "address": [[{"x": 1}]], "birthday": {"year": "x"}, "notes": {"type": 1}}, []),
        (None, []),
        ([1], []),
    ],
)  # fmt: skip
def test_of_a_contact(data: object, expected: list[tuple[str, list[str]]]) -> None:
    assert highlights("contact", data) == expected


def test_of_an_event_and_of_other_kinds() -> None:
    event = {
        "location": {"displayName": "Room 1"},
        "description": "<b>agenda</b>",
        "hangoutLink": "https://meet.example/x",
    }
    assert highlights("event", event) == [
        ("Where", ["Room 1"]),
        ("Meeting link", ["https://meet.example/x"]),
        ("About", ["<b>agenda</b>"]),
    ]
    assert highlights("message", GOOGLE) == []
    assert highlights(None, GOOGLE) == []
