"""The first command of a new connector finds this syncd again, which is on no package index."""

import json
import re
import shlex
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from syncd.testing import scaffold

OWN = ["--editable", ".[dev]"]
GIT = {"vcs": "git", "commit_id": "c0ffee"}
ORIGINS: list[tuple[Any, list[str]]] = [
    (None, OWN),
    ({"url": "file:///srv/my%20syncd", "dir_info": {}}, ["syncd[web] @ file:///srv/my%20syncd", *OWN]),
    ({"url": "file:///srv/syncd-0.1.0-py3-none-any.whl", "archive_info": {}},
     ["syncd[web] @ file:///srv/syncd-0.1.0-py3-none-any.whl", *OWN]),
    ({"url": "https://git.example/syncd", "vcs_info": GIT}, ["syncd[web] @ git+https://git.example/syncd@c0ffee", *OWN]),
]  # fmt: skip


@pytest.mark.parametrize(("origin", "words"), ORIGINS)
def test_a_new_connector_is_installed_with_the_syncd_that_made_it(
    monkeypatch: pytest.MonkeyPatch, origin: Any, words: list[str]
) -> None:
    told = None if origin is None else json.dumps(origin)
    monkeypatch.setattr(scaffold, "distribution", lambda name: SimpleNamespace(read_text=lambda file: told))
    assert shlex.split(scaffold.install_command()) == ["pip", "install", *words]


def test_without_a_trace_of_the_installation_the_command_is_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(scaffold, "distribution", missing)
    assert shlex.split(scaffold.install_command()) == ["pip", "install", *OWN]


def test_no_page_installs_a_new_connector_without_saying_where_syncd_is() -> None:
    files = scaffold.files_of("my-crm")
    doc = (Path(__file__).parents[3] / "docs" / "connectors.md").read_text()
    pages = {"docs": doc, **{name: files[name] for name in ("README.md", ".github/workflows/check.yml")}}
    for name, page in pages.items():
        lines = re.findall(r"^(?: +- run: )?pip install (.*--editable.*)$", page, re.MULTILINE)
        assert lines, name
        assert [line for line in lines if not re.match(r"""'/path/to/syncd|"\$SYNCD" """, line)] == []
