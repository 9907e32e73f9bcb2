"""A simulated Zoho organisation: accounts, Mail, Calendar, Contacts, WorkDrive and CRM over one port."""

from syncd_simulator.zoho.app import zoho_app
from syncd_simulator.zoho.edits import Editor
from syncd_simulator.zoho.faults import DOCUMENTED
from syncd_simulator.zoho.seed import add_many_contacts, add_many_mails, demo_zoho, large_zoho_contacts, tiny_zoho
from syncd_simulator.zoho.world import User, ZohoWorld

__all__ = [
    "DOCUMENTED",
    "Editor",
    "User",
    "ZohoWorld",
    "add_many_contacts",
    "add_many_mails",
    "demo_zoho",
    "large_zoho_contacts",
    "tiny_zoho",
    "zoho_app",
]
