"""`mailboxSettings` (microsoft.md §9). Public: API, READ, WRITE, ROUTES."""

from typing import TYPE_CHECKING, Any

from syncd_simulator.microsoft.wire import JSON, Call

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld

__all__ = ["API", "READ", "ROUTES", "WRITE"]

API = "settings"
READ = {"MailboxSettings.Read", "MailboxSettings.ReadWrite"}
WRITE = {"MailboxSettings.ReadWrite"}


def get_settings(world: "MicrosoftWorld", call: Call) -> JSON:
    """The mailbox's own settings."""
    return {
        "@odata.context": f"{call.root}/v1.0/$metadata#users('{call.user.id}')/mailboxSettings",
        "archiveFolder": call.user.mailbox.well_known["archive"],
        "timeZone": "W. Europe Standard Time",
        "delegateMeetingMessageDeliveryOptions": "sendToDelegateOnly",
        "dateFormat": "dd.MM.yyyy",
        "timeFormat": "HH:mm",
        "userPurpose": call.user.purpose,
    }


def get_purpose(world: "MicrosoftWorld", call: Call) -> JSON:
    """`userPurpose` alone."""
    context = f"{call.root}/v1.0/$metadata#users('{call.user.id}')/mailboxSettings/userPurpose"
    return {"@odata.context": context, "value": call.user.purpose}


ROUTES: list[Any] = [
    ("GET", "/users/{u}/mailboxSettings", get_settings),
    ("GET", "/users/{u}/mailboxSettings/userPurpose", get_purpose),
]
