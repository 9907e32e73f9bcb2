"""The Google connector keeps the contract, against the simulator. `known`: what is reported and not mended yet."""

from collections.abc import Mapping
from typing import ClassVar

from google_source import GoogleSource
from syncd_google import GoogleConnector

from syncd.testing.suite import StreamSuite


class TestGoogleContacts(StreamSuite):
    connector, stream, seeds = GoogleConnector(), "contacts", 1

    def source(self, seed: int) -> GoogleSource:
        return GoogleSource("contacts", seed)


class TestGoogleCalendar(StreamSuite):
    connector, stream, seeds = GoogleConnector(), "calendar", 1

    def source(self, seed: int) -> GoogleSource:
        return GoogleSource("calendar", seed)


class TestGoogleFiles(StreamSuite):
    connector, stream, seeds = GoogleConnector(), "files", 1
    known: ClassVar[Mapping[str, str]] = {
        "delta_equals_truth": "shortcutDetails.targetMimeType follows the target, which no log tells, and is not volatile",
    }

    def source(self, seed: int) -> GoogleSource:
        return GoogleSource("files", seed)


class TestGoogleMail(StreamSuite):
    connector, stream, seeds = GoogleConnector(), "mail", 1

    def source(self, seed: int) -> GoogleSource:
        return GoogleSource("mail", seed)
