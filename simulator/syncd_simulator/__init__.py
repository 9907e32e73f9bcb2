"""Simulated providers for tests and demonstrations. README.md has the contract."""

from syncd_simulator.clock import SimClock
from syncd_simulator.google.app import google_app
from syncd_simulator.google.edits import Editor
from syncd_simulator.google.seed import (
    add_many_contacts,
    add_many_mails,
    demo_organisation,
    large_contacts,
    large_mailbox,
    tiny_organisation,
)
from syncd_simulator.google.world import GoogleWorld, User
from syncd_simulator.server import RunningServer, serve

__all__ = [
    "Editor",
    "GoogleWorld",
    "RunningServer",
    "SimClock",
    "User",
    "add_many_contacts",
    "add_many_mails",
    "demo_organisation",
    "google_app",
    "large_contacts",
    "large_mailbox",
    "serve",
    "tiny_organisation",
]
