"""The Google connector keeps the contract, against the simulator. `known`: what is reported and not mended yet."""

from collections.abc import Mapping
from typing import ClassVar

from google_source import GoogleSource
from syncd_google import GoogleConnector

from syncd.testing.suite import StreamSuite

RAW = "payloads stay raw bytes: 1e999 and integers that Python cannot read get through"
TOKENS = 'a page token of a wrong, falsy type (`"nextPageToken": []`) ends a listing as if it were absent'
UTF8 = "a key that is not UTF-8 is taken for another key: the list counts as left out"


class TestGoogleContacts(StreamSuite):
    connector, stream, seeds = GoogleConnector(), "contacts", 3
    known: ClassVar[Mapping[str, str]] = {
        "malformed_answers_to_listings_do_no_harm": f"{UTF8}; {RAW}",
        "malformed_answers_to_deltas_do_no_harm": f"{UTF8}; {RAW}",
        "malformed_answers_to_the_rest_do_no_harm": TOKENS,
        "delta_equals_truth": "metadata.previousResourceNames comes with deltas only and is not volatile",
    }

    def source(self, seed: int) -> GoogleSource:
        return GoogleSource("contacts", seed)


class TestGoogleCalendar(StreamSuite):
    connector, stream, seeds = GoogleConnector(), "calendar", 3
    known: ClassVar[Mapping[str, str]] = {
        "malformed_answers_to_listings_do_no_harm": RAW,
        "malformed_answers_to_deltas_do_no_harm": RAW,
        "malformed_answers_to_the_rest_do_no_harm": TOKENS,
    }

    def source(self, seed: int) -> GoogleSource:
        return GoogleSource("calendar", seed)


class TestGoogleFiles(StreamSuite):
    connector, stream, seeds = GoogleConnector(), "files", 3
    known: ClassVar[Mapping[str, str]] = {
        "malformed_answers_to_listings_do_no_harm": f"{UTF8}; {RAW}",
        "malformed_answers_to_deltas_do_no_harm": RAW,
        "malformed_answers_to_the_rest_do_no_harm": TOKENS,
        "delta_equals_truth": "shortcutDetails.targetMimeType follows the target, which no log tells, and is not volatile",
    }

    def source(self, seed: int) -> GoogleSource:
        return GoogleSource("files", seed)


class TestGoogleMail(StreamSuite):
    connector, stream, seeds = GoogleConnector(), "mail", 3
    known: ClassVar[Mapping[str, str]] = {
        "malformed_answers_to_listings_do_no_harm": TOKENS,
        "malformed_answers_to_deltas_do_no_harm": f"{TOKENS}; a history record of unknown form is left out in silence",
        "malformed_answers_to_the_rest_do_no_harm": TOKENS,
    }

    def source(self, seed: int) -> GoogleSource:
        return GoogleSource("mail", seed)
