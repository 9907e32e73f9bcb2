"""The pages say what is so: commands, configuration, errors and SDK names in the docs exist, and none is missing."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
from syncd_google import GoogleConnector
from syncd_microsoft import MicrosoftConnector
from syncd_zoho import ZohoConnector

import syncd.sdk
from syncd.cli.app import cli
from syncd.config.catalog import Catalog
from syncd.config.loader import load
from syncd.config.schema import schema
from syncd.plugins import discover
from syncd.sdk.errors import CATALOGUE
from tests.guards import errors_page

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = re.compile(r"SYN-[A-Z]+-\d{3}")


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def sources() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and "tests" not in path.parts]


def test_the_page_of_errors_is_up_to_date() -> None:
    page = (ROOT / "docs/errors.md").read_text()
    assert page == errors_page.page(), "run: python -m tests.guards.errors_page > docs/errors.md"


def test_every_code_in_the_sources_is_in_a_catalogue_and_every_entry_is_used() -> None:
    own = [entry for connector in discover().connectors.values() for entry in connector.info.errors]
    known = {*CATALOGUE, *(entry.code for entry in own)}
    used: dict[str, int] = {}
    for path in sources():
        for code in CODE.findall(path.read_text()):
            used[code] = used.get(code, 0) + 1
    assert used.keys() <= known, f"not in a catalogue: {used.keys() - known}"
    only_defined = {code for code in CATALOGUE if used.get(code, 0) < 2}
    assert not only_defined, f"in a catalogue, never raised: {only_defined}"


def test_the_public_names_of_the_sdk_are_sorted_and_told_in_the_tutorial() -> None:
    names = syncd.sdk.__all__
    assert sorted(names) == sorted(set(names))
    page = (ROOT / "docs/connectors.md").read_text()
    missing = [name for name in names if not re.search(rf"\b{name}\b", page)]
    assert not missing, f"docs/connectors.md does not mention {missing}"


def commands_in(page: str) -> set[str]:
    """The words after `syncd` where a command stands: at the start of a line of code, or of inline code."""
    lines = re.findall(r"^ *(?:\$ )?(?:sudo )?(?:\.venv/bin/)?syncd ([a-z][a-z-]+)", page, re.MULTILINE)
    return {*lines, *re.findall(r"`syncd ([a-z][a-z-]+)", page)} - PROSE


PROSE = {"can", "does", "is", "keeps", "mirrors"}  # how sentences go on that begin a line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_named_in_the_docs_exist(page: Path) -> None:
    named = commands_in(page.read_text())
    assert isinstance(cli, click.Group)
    unknown = named - set(cli.commands)
    assert not unknown, f"{page.name} names commands that are not there: {unknown}"


def test_the_configuration_of_the_readme_is_valid(tmp_path: Path) -> None:
    block = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    (tmp_path / "acme.yaml").write_text("\n".join(line.removeprefix("   ") for line in block[1].splitlines()) + "\n")
    loaded = load(tmp_path, Catalog.of([GoogleConnector()]), check_values=False)
    assert not loaded.problems, loaded.problems


@pytest.mark.parametrize("name", ["google", "microsoft", "zoho"])
def test_the_configuration_of_a_providers_page_is_valid(name: str, tmp_path: Path) -> None:
    """Settings and options that it names are those of the connector."""
    blocks = re.findall(
        r"^```yaml\n(version: 1\n.*?)^```", (ROOT / f"docs/providers/{name}.md").read_text(), re.DOTALL | re.MULTILINE
    )
    assert blocks
    for number, block in enumerate(blocks):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "acme.yaml").write_text(block)
        loaded = load(folder, Catalog.of(list(discover().connectors.values())), check_values=False)
        assert not loaded.problems, loaded.problems


def keys(part: Any, path: str = "") -> set[str]:
    """Every property that the schema knows."""
    if isinstance(part, list):
        return set().union(*(keys(one, path) for one in part)) if part else set()
    if not isinstance(part, dict):
        return set()
    own = set(part.get("properties", {}))
    return own.union(*(keys(value) for value in part.values()))


CONFIGURED = ("configuration.md", "providers/google.md", "providers/microsoft.md", "providers/zoho.md")


def test_the_page_of_configuration_tells_every_key() -> None:
    page = "".join((ROOT / "docs" / name).read_text() for name in CONFIGURED)
    connectors = [GoogleConnector(), MicrosoftConnector(), ZohoConnector()]
    found = keys(json.loads(json.dumps(schema(Catalog.of(connectors)))))
    reserved = {"links", "webhooks", "profiles"}
    missing = sorted(key for key in found - reserved if f"`{key}" not in page and f"{key}:" not in page)
    assert not missing, f"docs/configuration.md does not tell of {missing}"


def test_no_machine_and_no_registry_is_named() -> None:
    private = re.compile(r"/work/|/root/(?!delta|children|content|microsoft\.)|pypi\.org|npmjs")
    own = Path(__file__)
    named = []
    for path in tracked():
        if path == own or path.suffix == ".png":
            continue
        text = path.read_text(errors="replace")
        named += [
            f"{path.relative_to(ROOT)}: {line.strip()[:100]}" for line in text.splitlines() if private.search(line)
        ]
    assert not named, named
