"""A simulated Zoho organisation: accounts, Mail, Calendar, Contacts, WorkDrive and CRM over one port."""

from syncd_simulator.zoho.app import zoho_app
from syncd_simulator.zoho.world import User, ZohoWorld

__all__ = ["User", "ZohoWorld", "zoho_app"]
