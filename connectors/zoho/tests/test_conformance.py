"""The connector's core keeps the contract, against the simulator."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

from syncd_zoho import ZohoConnector

from syncd.testing.suite import StreamSuite


def _source() -> Any:
    """zoho_source.py beside this file, which belongs to no package."""
    name = "syncd_zoho_conformance_source"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("zoho_source.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name].ZohoSource


class TestZohoContacts(StreamSuite):
    connector, stream, seeds, idle_requests = ZohoConnector(), "contacts", 1, 10

    def source(self, seed: int) -> Any:
        return _source()("contacts", seed)


class TestZohoContactsBySync(StreamSuite):
    connector, stream, seeds = ZohoConnector(), "contacts", 1

    def source(self, seed: int) -> Any:
        return _source()("contacts", seed, source="sync")


class TestZohoCalendar(StreamSuite):
    connector, stream, seeds = ZohoConnector(), "calendar", 1

    def source(self, seed: int) -> Any:
        return _source()("calendar", seed, past="90d", future="400d")


class TestZohoMail(StreamSuite):
    connector, stream, seeds = ZohoConnector(), "mail", 1

    def source(self, seed: int) -> Any:
        return _source()("mail", seed)
