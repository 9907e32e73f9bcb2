"""`syncd new-connector`: what it writes installs into a clean environment, passes its own tests and works with the core."""

import json
import os
import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

from syncd.cli.app import run
from syncd.testing.scaffold import files_of

BIN = Path(sys.executable).parent
NAMES = ["a", "my-crm", "zebra_2"]


@dataclass(frozen=True)
class Project:
    """A generated distribution, and an environment with nothing of its own but that."""

    folder: Path
    python: Path

    def run(self, *command: str, code: int = 0) -> str:
        done = subprocess.run(
            [str(self.python), *command], cwd=self.folder, env=clean_environment(), capture_output=True, text=True, check=False
        )  # fmt: skip
        assert done.returncode == code, f"{command} exited {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def syncd(self, *arguments: str) -> str:
        return self.run("-m", "syncd", *arguments)


def clean_environment() -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SYNCD_", "PYTEST", "VIRTUAL_ENV"))
    }
    return {**kept, "MY_CRM_KEY": "a-key"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Generated, and installed without a network: a build tool's own backend, and the packages of this environment."""
    folder = tmp_path_factory.mktemp("plugin")
    assert run(["new-connector", "my-crm", str(folder / "made")]) == 0
    place = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    python = place / "bin" / "python"
    (own,) = place.glob("lib/python*/site-packages")
    (own / "core.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    install = [
        BIN / "uv",
        "pip",
        "install",
        "--quiet",
        "--offline",
        "--no-deps",
        "--python",
        python,
        "-e",
        folder / "made",
    ]
    subprocess.run(install, check=True, env=clean_environment())
    return Project(folder / "made", python)


@pytest.mark.timeout(600)
def test_the_tests_of_a_new_connector_pass_at_once(project: Project) -> None:
    shown = project.run("-m", "pytest", "-p", "no:cacheprovider")
    assert re.search(r"2\d passed", shown)
    assert "failed" not in shown


def test_the_core_finds_it(project: Project) -> None:
    listed = json.loads(project.syncd("connectors", "--json"))
    (own,) = [one for one in listed["connectors"] if one["name"] == "my-crm"]
    assert (own["distribution"], own["version"], own["title"]) == ("syncd-my-crm", "0.1.0", "My Crm")
    assert [one["stream"] for one in own["streams"]] == ["items"]
    assert "api_key" in project.syncd("schema", "my-crm")


def test_the_configuration_of_its_page_is_valid(project: Project, tmp_path: Path) -> None:
    block = re.search(r"```yaml\n(.*?)```", (project.folder / "README.md").read_text(), re.DOTALL)
    assert block is not None
    (tmp_path / "acme.yaml").write_text(block[1])
    assert json.loads(project.syncd("validate", str(tmp_path), "--json"))["ok"]


def test_the_suite_runs_against_it_from_the_command_line(project: Project) -> None:
    """Nothing is typed but its name: the fake provider is found in its tests."""
    checks = ("info_is_sane", "delta_equals_truth", "an_expired_cursor_is_a_non_event", "secrets_stay_secret")
    chosen = [word for check in checks for word in ("--check", check)]
    found = json.loads(project.syncd("test-connector", "my-crm", *chosen, "--json"))
    assert [(one["check"], one["status"]) for one in found["checks"] if one["status"] != "passed"] == []
    assert {one["check"] for one in found["checks"]} == set(checks)


def test_a_bug_put_into_it_is_found(project: Project) -> None:
    file = project.folder / "syncd_my_crm" / "items.py"
    before = file.read_text()
    file.write_text(before.replace('if item.get("deleted") is True:', "if False:"))
    try:
        shown = project.run("-m", "syncd", "test-connector", "my-crm", "--check", "deletions_come_as_declared", code=1)
    finally:
        file.write_text(before)
    assert "reproduce: syncd test-connector my-crm --stream items --check deletions_come_as_declared --seed" in shown


def test_its_types_are_strict(project: Project) -> None:
    """Of the environment with the core's sources, since a checker does not follow the clean one's way to them."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-incremental"],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_any_name_gives_clean_files(name: str, tmp_path: Path) -> None:
    assert run(["new-connector", name, str(tmp_path / "x")]) == 0
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [BIN / "ruff", *command, "--no-cache", "."], cwd=tmp_path / "x", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout
    texts = [path.read_text() for path in (tmp_path / "x").rglob("*") if path.is_file()]
    assert len(texts) == len(files_of(name))
    assert not [text for text in texts if re.search(r"\{\{\w", text)]


BAD = ["", "A", "1crm", "my--crm", "my-crm-", "my crm", "../x", "x" * 41, "syncd-crm", "ünï"]


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_no_connector_may_have_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["new-connector", name, str(tmp_path / "x")]) == 2
    assert f"the name {name!r}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_name_of_an_installed_connector_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["new-connector", "google", str(tmp_path / "x")]) == 2
    assert "is installed already: syncd-google" in capsys.readouterr().err


def test_a_folder_that_has_something_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert run(["new-connector", "crm", str(tmp_path)]) == 2
    assert run(["new-connector", "crm", str(tmp_path / "mine.txt")]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_will_do_and_scripts_learn_what_was_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x").mkdir()
    assert run(["new-connector", "crm", str(tmp_path / "x"), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["files"] == sorted(files_of("crm"))
    assert made["next"][2] == "syncd test-connector crm"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_disk_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    assert run(["new-connector", "crm", str(tmp_path / "x")]) == 1
    assert not list(tmp_path.iterdir())
