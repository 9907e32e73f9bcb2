"""The examples of docs/http.md pass the conformance suite, each against its own fake API."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from syncd_http import HttpConnector

from syncd.testing.suite import StreamSuite

from .fakes import Chat, Comments, Crm, Drive, Fake, Tracker
from .page import blocks, loaded


class _Example(StreamSuite):
    connector = HttpConnector()
    example: str
    fake: type[Fake]
    seeds = 1

    @contextmanager
    def source(self, seed: int) -> Iterator[Any]:  # type: ignore[override]
        with patch.dict(os.environ, self.fake.secrets), tempfile.TemporaryDirectory() as folder:
            config = loaded(blocks()[self.example], Path(folder))
            yield self.fake(config.connections[self.example].settings, seed)


class TestCrm(_Example):
    example, stream, fake = "crm", "contacts", Crm


PARTS = {
    "malformed_answers_to_the_rest_do_no_harm": "the id of a part that is another text is another part: nobody can tell"
}


@pytest.mark.nightly
class TestIssues(_Example):
    example, stream, fake = "tracker", "issues", Tracker
    known = PARTS


class TestComments(_Example):
    example, stream, fake = "tracker", "comments", Comments
    known = PARTS


@pytest.mark.nightly
class TestDocuments(_Example):
    example, stream, fake = "documents", "documents", Drive


class TestMessages(_Example):
    example, stream, fake = "chat", "messages", Chat
