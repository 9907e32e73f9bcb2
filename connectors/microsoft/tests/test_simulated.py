"""The connector against the simulated Microsoft 365: the conformance suite."""

from microsoft_source import MicrosoftSource
from syncd_microsoft import MicrosoftConnector

from syncd.testing.suite import StreamSuite


class TestMicrosoftContacts(StreamSuite):
    connector, stream, seeds = MicrosoftConnector(), "contacts", 3

    def source(self, seed: int) -> MicrosoftSource:
        return MicrosoftSource("contacts", seed)


class TestMicrosoftMail(StreamSuite):
    connector, stream, seeds = MicrosoftConnector(), "mail", 3

    def source(self, seed: int) -> MicrosoftSource:
        return MicrosoftSource("mail", seed)
