"""docs/guarantees.md names tests that exist, for every guarantee; and time is read where it may be."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/guarantees.md").read_text()
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "monotonic_ns"}
MODULES = {"datetime", "date", "time"}
READERS = {
    "syncd/sdk/clock.py",  # the clock that all others are given
    "syncd/store/writer.py",  # patience with another process's lock, which knows no injected clock
    "syncd/cli/output.py",  # "3 minutes ago" on a terminal, unless told the moment
    "syncd/cli/test_connector.py",  # how long the suite took, for people
    "syncd/store/backup.py",  # another process's lock knows no injected clock
    "syncd/testing/standstill.py",  # an event loop that stands still does not turn a clock that it is given
    "syncd/testing/runner.py",  # a check in a process of its own may hang
}


def names_in(path: Path) -> set[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, functions)}


def test_every_test_that_the_page_names_exists() -> None:
    named = NAMED.findall(PAGE)
    known = {path: names_in(ROOT / path) if (ROOT / path).is_file() else set() for path in {path for path, _ in named}}
    missing = [f"{path}::{name}" for path, name in named if not name.startswith("test_") or name not in known[path]]
    assert not missing
    assert len(named) > 60


def test_every_guarantee_and_every_row_has_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| no.", "| rule"))]
    assert [row for row in rows if not NAMED.search(row)] == []
    assert {str(number) for number in range(1, 11)} <= {row.split("|")[1].strip() for row in rows}


def test_time_is_read_where_it_may_be_only() -> None:
    """Guarantee 10: everything else is given a clock. `time.sleep` and formatting are no reading."""
    folders = (ROOT / "syncd", ROOT / "connectors/google/syncd_google")
    found = {
        str(path.relative_to(ROOT))
        for folder in folders
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and _reads_a_clock(node.func)
    }
    assert found == READERS


def _reads_a_clock(function: ast.expr) -> bool:
    if not isinstance(function, ast.Attribute) or function.attr not in CLOCKS:
        return False
    return isinstance(function.value, ast.Name) and function.value.id in MODULES
