"""Log lines: their form, their priority in the journal, and what they never show."""

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from syncd.cli.app import run
from syncd.engine.log import about, debugging, known, logger
from syncd.logs import FORMATS, LEVELS, configure
from syncd.sdk import Secret


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging is the process's: give it back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def as_journal(file: io.TextIOWrapper) -> dict[str, str]:
    found = os.fstat(file.fileno())
    return {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}


def test_lines_are_json_where_nobody_reads_them_and_readable_on_a_terminal() -> None:
    out, terminal = io.StringIO(), Terminal()
    configure(stream=out)
    logger(connection="acme").info("run begins", full=True)
    line = json.loads(out.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {"event": "run begins", "connection": "acme", "full": True, "level": "info"}
    configure(stream=terminal)
    logger().info("run begins")
    assert "run begins" in terminal.getvalue()
    assert "{" not in terminal.getvalue()


def test_the_form_can_be_chosen() -> None:
    out, terminal = io.StringIO(), Terminal()
    configure(stream=out, form="console")
    logger().info("hello")
    assert not out.getvalue().startswith("{")
    configure(stream=terminal, form="json")
    logger().info("hello")
    assert json.loads(terminal.getvalue())["event"] == "hello"


def test_in_the_journal_each_line_has_its_priority(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w+", encoding="utf-8") as file:
        configure("debug", stream=file, environment=as_journal(file))
        for level in LEVELS:
            getattr(logger(), level)("told")
        file.seek(0)
        lines = file.read().splitlines()
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<3>"]
    assert [json.loads(line[3:])["level"] for line in lines] == list(LEVELS)


def test_in_the_journal_a_traceback_keeps_its_priority_and_readable_lines_have_no_time(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w+", encoding="utf-8") as file:
        configure(stream=file, form="console", environment=as_journal(file))
        try:
            raise ValueError("broken")
        except ValueError as error:
            logger().error("it failed", exc_info=error)
        file.seek(0)
        lines = file.read().splitlines()
    assert len(lines) > 3
    assert all(line.startswith("<3>") for line in lines)
    assert lines[0].startswith("<3>[error")
    assert lines[-1] == "<3>ValueError: broken"


@pytest.mark.parametrize("journal", [{}, {"JOURNAL_STREAM": "8:12345"}, {"JOURNAL_STREAM": "nonsense"}])
def test_what_does_not_go_to_the_journal_has_no_priority(tmp_path: Path, journal: dict[str, str]) -> None:
    with (tmp_path / "log").open("w+", encoding="utf-8") as file:
        configure(stream=file, environment=journal)
        logger().info("hello")
        file.seek(0)
        assert file.read().startswith("{")


def test_a_stream_without_a_file_is_no_journal() -> None:
    out = io.StringIO()
    configure(stream=out, environment={"JOURNAL_STREAM": "1:1"})
    logger().info("hello")
    assert out.getvalue().startswith("{")


def test_what_is_below_the_level_is_not_written() -> None:
    out = io.StringIO()
    configure("warning", stream=out)
    logger().info("quiet")
    logging.getLogger("a.plugin").info("quiet")
    assert out.getvalue() == ""
    assert not debugging()
    configure("debug", stream=out)
    assert debugging()


def test_facts_reach_every_line_inside_and_none_outside() -> None:
    out = io.StringIO()
    configure(stream=out)
    with about(run=7, sync="nightly"):
        with about(partition="inbox"):
            logger(stream="mail").info("inner")
            logging.getLogger("a.plugin").warning("by a library")
        logger().info("outer")
    logger().info("after")
    inner, library, outer, after = (json.loads(line) for line in out.getvalue().splitlines())
    assert (inner["run"], inner["sync"], inner["partition"], inner["stream"]) == (7, "nightly", "inbox", "mail")
    assert (library["run"], library["partition"], library["logger"]) == (7, "inbox", "a.plugin")
    assert outer["run"] == 7
    assert "partition" not in outer
    assert "run" not in after
    assert dict(known()) == {}


def test_a_line_says_what_it_says_even_where_the_surroundings_say_otherwise() -> None:
    out = io.StringIO()
    configure(stream=out)
    with about(account="ann@acme.example"):
        logger().info("moved", account="bob@acme.example")
    assert json.loads(out.getvalue())["account"] == "bob@acme.example"


@pytest.mark.parametrize(
    ("arguments", "level", "form"),
    [
        ((), "info", "auto"),
        (("-v",), "debug", "auto"),
        (("--log-format", "console"), "info", "console"),
        (("-v", "--log-level", "warning", "--log-format", "json"), "warning", "json"),
    ],
)
def test_the_daemon_logs_as_its_options_say(
    arguments: tuple[str, ...], level: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr("syncd.daemon.run_daemon", lambda *_, **__: 0)
    monkeypatch.setattr("syncd.logs.configure", lambda level, *, form: asked.append((level, form)))
    assert run(["run", "--config", str(tmp_path), "--state", str(tmp_path), *arguments]) == 0
    assert asked == [(level, form)]


@pytest.mark.parametrize("option", [("--log-format", "xml"), ("--log-level", "loud")])
def test_a_form_that_there_is_not_is_refused(option: tuple[str, str], tmp_path: Path) -> None:
    assert run(["run", "--config", str(tmp_path), "--state", str(tmp_path), *option]) == 2


@pytest.mark.parametrize("form", FORMATS)
def test_no_secret_and_no_control_character_is_written(form: str) -> None:
    key = Secret(lambda: "a-key-that-nobody-may-see", "${env:KEY}").reveal()
    out = io.StringIO()
    configure(stream=out, form=form)
    with about(partition=f"\x1b[31m{key}"):
        logging.getLogger("a.plugin").error("%s", key)
        logger().error(f"failed with {key}")
    assert key not in out.getvalue()
    assert "\x1b[31m" not in out.getvalue()


@pytest.mark.parametrize("library", ["httpx", "sqlalchemy.engine.Engine", "uvicorn.access"])
def test_what_libraries_say_of_addresses_and_statements_is_never_written(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A simulator that an earlier test ran in this process has silenced uvicorn.
    monkeypatch.setattr(logging.getLogger(library), "propagate", True)
    monkeypatch.setattr(logging.getLogger(library), "level", logging.NOTSET)
    out = io.StringIO()
    configure("debug", stream=out)
    logging.getLogger(library).info("GET https://api.example/?token=1")
    assert out.getvalue() == ""
    logging.getLogger(library).warning("a retry")
    assert json.loads(out.getvalue())["event"] == "a retry"
