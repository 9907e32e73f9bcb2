"""The example of docs/connectors.md runs, passes the suite, is short and is strictly typed."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import hostile_doors  # noqa: F401 - registers its own
from hostile import HOSTILE, UNCAUGHT

from syncd.testing.checks import CHECKS
from syncd.testing.notes import NotesSource
from syncd.testing.suite import StreamSuite

DOC = Path(__file__).parents[2] / "docs" / "connectors.md"
CODE = re.search(r"```python\n(.*?)```", DOC.read_text(), re.DOTALL)
assert CODE is not None
EXAMPLE = CODE.group(1)
made: dict[str, Any] = {"__name__": "example"}
exec(compile(EXAMPLE, "docs/connectors.md", "exec"), made)


class FeedSource(NotesSource):
    """The same provider, asked for each account's whole feed. What it says besides 429 and 5xx is not the example's."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, "feed")

    throttles = None  # type: ignore[assignment]
    troubles = None  # type: ignore[assignment]


class TestTheExample(StreamSuite):
    connector, stream, seeds = made["NotesConnector"](), "notes", 3

    def source(self, seed: int) -> FeedSource:
        return FeedSource(seed)


def test_the_example_is_short() -> None:
    lines = [line for line in EXAMPLE.splitlines() if line.strip() and not line.startswith(("from ", "import "))]
    assert len(lines) <= 45


def test_the_example_is_strictly_typed(tmp_path: Path) -> None:
    file = tmp_path / "notes_example.py"
    file.write_text(EXAMPLE)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_document_says_what_each_check_promises() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", DOC.read_text(), re.MULTILINE))
    assert {name: rows.get(name) for name in CHECKS} == {name: check.doc for name, check in CHECKS.items()}


def test_the_document_counts_the_broken_connectors_and_names_those_that_no_check_catches() -> None:
    """That the others are caught, each by its check, is `test_hostile.py`."""
    said = re.search(r"holds (\d+) broken connectors[^.]*: (\d+) are caught", DOC.read_text().replace("\n", " "))
    assert said is not None
    caught, uncaught = len(HOSTILE), len(UNCAUGHT)
    assert (int(said[1]), int(said[2])) == (caught + uncaught, caught)
    assert caught >= 48
    named = set(re.findall(r"\(`([A-Z]\w+)`\)", DOC.read_text()))
    assert named == set(UNCAUGHT)
