"""Log lines: JSON or readable, redacted as a whole, never able to steer a terminal."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from syncd import logs
from syncd.sdk import conceal


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_json_lines_carry_the_event_and_its_facts() -> None:
    out = io.StringIO()
    logs.configure("info", stream=out)
    structlog.get_logger().info("run finished", sync="nightly", run=7)
    line = json.loads(out.getvalue())
    assert (line["event"], line["sync"], line["run"], line["level"]) == ("run finished", "nightly", 7, "info")
    assert line["time"].endswith("Z")


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_secret_is_blotted_out_wherever_it_stands(form: str) -> None:
    out = io.StringIO()
    logs.configure("info", stream=out, form=form)
    token = conceal("tok-4711-very-secret")
    try:
        raise ValueError(f"refused {token}")
    except ValueError:
        structlog.get_logger().exception("failed", url=f"https://x?t={token}", nested={"a": [token]})
    logging.getLogger("plugin").warning("header %s", token)
    assert token not in out.getvalue()
    assert out.getvalue().count("[secret]") >= 4
    assert "ValueError" in out.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
def test_control_characters_are_written_out(form: str) -> None:
    out = io.StringIO()
    logs.configure("info", stream=out, form=form)
    structlog.get_logger().info("item", name="\x1b[2Jevil\x07\x9b31m")
    assert "\x1b" not in out.getvalue()
    assert "\x9b" not in out.getvalue()
    assert "evil" in out.getvalue()


def test_the_level_holds_for_both_kinds_of_logger() -> None:
    out = io.StringIO()
    logs.configure("warning", stream=out)
    structlog.get_logger().info("quiet")
    logging.getLogger("uvicorn.error").info("quiet")
    assert out.getvalue() == ""
