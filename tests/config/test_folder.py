"""Which files are read, how, and what a folder as such may be."""

import os
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from syncd.config.catalog import Catalog
from syncd.config.loader import Loaded, load
from syncd.sdk import Account, Connector, ConnectorInfo, Context, Stream

SYNC = "syncs:\n  {0}:\n    connection: acme\n    streams: [{1}]\n"
SHOP = "connections:\n  {0}: {{connector: shop, settings: {{region: eu}}}}\n"


def messages(loaded: Loaded) -> list[str]:
    return [f"{problem.file}: {problem.message}" for problem in loaded.problems]


def test_files_of_any_layout_are_merged(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "a.yaml").write_text(SHOP.format("acme"))
    (tmp_path / "deep/b.yml").write_text(SYNC.format("one", "orders"))
    (tmp_path / "deep/er/c.YAML").write_text(SYNC.format("two", "refunds"))
    (tmp_path / "deep/er/empty.yaml").write_text("")
    loaded = load(tmp_path, catalog)
    assert loaded.problems == []
    assert loaded.config is not None
    assert set(loaded.config.syncs) == {"one", "two"}
    assert len(loaded.files) == 4


@pytest.mark.parametrize(
    "name", [".hidden.yaml", "#a.yaml#", ".#a.yaml", "a.yaml~", "a.yaml.swp", "a.json", ".git/a.yaml"]
)
def test_hidden_files_and_droppings_are_skipped(name: str, catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("version: 1\n")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("[")
    assert load(tmp_path, catalog).problems == []


def test_a_mounted_configmap_is_read_once(catalog: Catalog, tmp_path: Path) -> None:
    version = tmp_path / "..2026_11_21_09_00_00.1"
    version.mkdir()
    (version / "a.yaml").write_text(SHOP.format("acme"))
    (tmp_path / "..data").symlink_to(version.name)
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    loaded = load(tmp_path, catalog)
    assert loaded.problems == []
    assert loaded.files == (f"{tmp_path}/a.yaml",)


def test_links_do_not_make_files_read_twice_or_for_ever(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SHOP.format("acme"))
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    (tmp_path / "loop").symlink_to(".")
    assert load(tmp_path, catalog).files == (f"{tmp_path}/a.yaml",)


def test_a_file_value_is_relative_to_the_file_that_names_it(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team/region").write_text("eu\n")
    (tmp_path / "team/a.yaml").write_text(
        "connections:\n  a: {connector: shop, settings: {region: '${file:region}'}}\n"
    )
    config = load(tmp_path, catalog).config
    assert config is not None
    assert config.connections["a"].settings["region"] == "eu"


def test_a_missing_folder_and_a_file_in_its_place(catalog: Catalog, tmp_path: Path) -> None:
    assert messages(load(tmp_path / "no", catalog)) == [f"{tmp_path}/no: the configuration folder does not exist"]
    (tmp_path / "a.yaml").write_text("version: 1\n")
    assert "this is a file" in messages(load(tmp_path / "a.yaml", catalog))[0]


def test_a_file_above_1_mb_a_pipe_and_a_folder_named_like_a_file(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_text("#" * 1_000_001)
    (tmp_path / "fits.yaml").write_text("#" * 1_000_000)
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    assert [str(problem) for problem in load(tmp_path, catalog).problems] == [
        f"{tmp_path}/big.yaml:1:1: the file is larger than 1 MB",
        f"{tmp_path}/pipe.yaml:1:1: the file is not a regular file",
    ]


def test_a_secret_file_above_1_mb_or_a_pipe_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "big").write_text("x" * 1_000_001)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.yaml").write_text('daemon: {token: "${file:big}", encryption_keys: ["${file:pipe}"]}\n')
    found = messages(load(tmp_path, catalog))
    assert found[0].endswith("of '${file:big}' is larger than 1 MB")
    assert found[1].endswith("of '${file:pipe}' is not a regular file")


def test_nothing_outside_the_folder_is_read_without_check_values(catalog: Catalog, tmp_path: Path) -> None:
    asked: list[str] = []
    spying = Catalog(catalog.connectors, schemes={"vault": lambda argument: asked.append(argument) or "x"})
    text = 'daemon: {token: "${vault:a}", listen: "${vault:b}"}\n'
    (tmp_path / "a.yaml").write_text(text)
    loaded = load(tmp_path, spying, check_values=False)
    assert (loaded.problems, asked) == ([], [])
    assert loaded.config is not None
    assert loaded.config.daemon.listen == "127.0.0.1:8642"


def test_what_a_plugins_scheme_raises_is_a_problem(catalog: Catalog, tmp_path: Path) -> None:
    def broken(argument: str) -> str:
        raise {"told": ValueError("the vault is sealed"), "bug": RuntimeError("secret stuff")}[argument]

    (tmp_path / "a.yaml").write_text('daemon: {token: "${vault:told}", listen: "${vault:bug}"}\n')
    found = messages(load(tmp_path, Catalog(catalog.connectors, schemes={"vault": broken})))
    assert found[0].endswith("'${vault:told}' cannot be read: the vault is sealed")
    assert found[1].endswith("'${vault:bug}' cannot be read: RuntimeError")


def test_a_secret_is_read_anew_at_each_use(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first-token\n")
    (tmp_path / "a.yaml").write_text("daemon: {token: '${file:token}'}\n")
    config = load(tmp_path, catalog).config
    assert config is not None
    assert config.daemon.token is not None
    assert config.daemon.token.reveal() == "first-token"
    (tmp_path / "token").write_text("second-token\n")
    assert config.daemon.token.reveal() == "second-token"
    assert "token-" not in repr(config)


def test_paths_of_problems_are_relative_when_the_folder_is(catalog: Catalog, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/a.yaml").write_text("x: 1\n")
    monkeypatch.chdir(tmp_path)
    problem = load(Path("conf"), catalog).problems[0]
    assert str(problem).startswith("conf/a.yaml:1:1: ")
    assert (problem.path, problem.line, problem.column) == ("x", 1, 1)


def test_a_thousand_sync_files_validate_in_about_a_second(catalog: Catalog, tmp_path: Path) -> None:
    """Under 0.5 s of processor time on the machine it was written on; the bound leaves room for a busy one."""
    for number in range(1000):
        connection = f"connections:\n  c{number}: {{connector: shop, settings: {{region: eu}}}}\n"
        options = "{since: 5d, page: 20}"
        sync = f"syncs:\n  s{number}:\n    connection: c{number}\n    streams: {{orders: {options}, refunds: {{}}}}\n"
        schedule = f'    schedule: {{cron: "{number % 60} 2 * * 1-5", timezone: Europe/Madrid}}\n    max_delete: 25%\n'
        (tmp_path / f"{number}.yaml").write_text("version: 1\n" + connection + sync + schedule)
    before = time.process_time()
    assert load(tmp_path, catalog).problems == []
    assert time.process_time() - before < 2


class Picky(Connector):
    """A connector whose own code fails where its settings are looked at."""

    info = ConnectorInfo("picky", settings_schema={"properties": {"fails": {"type": "string"}}})

    def streams(self) -> Sequence[Stream]:
        return []

    def accounts(self, ctx: Context) -> AsyncIterator[Account]:
        raise NotImplementedError

    def configured(self, settings: Mapping[str, Any]) -> Connector:
        if settings["fails"] == "configured":
            raise ValueError("a stream needs a path")
        return self

    def problems(self, settings: Mapping[str, Any]) -> Iterable[tuple[Sequence[str | int], str]]:
        if settings["fails"] == "problems":
            raise KeyError("inside")
        return ()


@pytest.mark.parametrize(("fails", "reason"), [("configured", "a stream needs a path"), ("problems", "KeyError")])
def test_a_connector_that_fails_over_its_settings_is_a_problem_of_theirs(
    fails: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(f"connections:\n  acme:\n    connector: picky\n    settings: {{fails: {fails}}}\n")
    (found,) = load(tmp_path, Catalog.of([Picky()])).problems
    assert (found.file, found.line) == (str(tmp_path / "a.yaml"), 4)
    assert "acme" in found.message
    assert found.message.endswith(f"the connector 'picky' can make nothing of them: {reason}")


def test_a_connector_is_not_asked_about_values_that_could_not_be_had(tmp_path: Path) -> None:
    text = "connections:\n  acme:\n    connector: picky\n    settings: {fails: '${env:SYNCD_TEST_NOT_SET}'}\n"
    (tmp_path / "a.yaml").write_text(text)
    assert load(tmp_path, Catalog.of([Picky()]), check_values=False).problems == []
