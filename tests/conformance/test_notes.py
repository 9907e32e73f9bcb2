"""The suite passes on a connector that behaves: the notes of `syncd.testing`."""

from syncd.testing.notes import NotesSource
from syncd.testing.notes_connector import NotesConnector
from syncd.testing.suite import StreamSuite


class TestNotes(StreamSuite):
    connector, stream = NotesConnector(), "notes"

    def source(self, seed: int) -> NotesSource:
        return NotesSource(seed)


class TestTags(StreamSuite):
    connector, stream = NotesConnector(), "tags"

    def source(self, seed: int) -> NotesSource:
        return NotesSource(seed, "tags")
