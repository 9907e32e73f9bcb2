"""A simulated Microsoft 365 tenant behind Microsoft Graph v1.0 (microsoft.md).

Public: MicrosoftWorld, User, microsoft_app, Editor, tiny_microsoft, demo_microsoft, large_microsoft_contacts,
add_many_contacts, add_many_mails, DOCUMENTED.
"""

from syncd_simulator.microsoft.app import microsoft_app
from syncd_simulator.microsoft.edits import Editor
from syncd_simulator.microsoft.faults import DOCUMENTED
from syncd_simulator.microsoft.seed import (
    add_many_contacts,
    add_many_mails,
    demo_microsoft,
    large_microsoft_contacts,
    tiny_microsoft,
)
from syncd_simulator.microsoft.world import MicrosoftWorld, User

__all__ = [
    "DOCUMENTED",
    "Editor",
    "MicrosoftWorld",
    "User",
    "add_many_contacts",
    "add_many_mails",
    "demo_microsoft",
    "large_microsoft_contacts",
    "microsoft_app",
    "tiny_microsoft",
]
