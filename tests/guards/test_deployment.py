"""What is shipped beside the program: the unit, the container, the install script, the examples for repositories."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "syncd.service"
EXPOSURE = 15  # of 100: 1.5 on systemd's scale


def judge() -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        assert os.environ.get("SYNCD_SYSTEMD") != "required", "systemd-analyze is not installed"
        pytest.skip("systemd-analyze is not installed")
    return program


def test_the_unit_is_valid() -> None:
    done = subprocess.run([judge(), "verify", str(UNIT)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_unit_is_hardened() -> None:
    command = [judge(), "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-400:]


def test_the_unit_says_what_the_operations_page_promises() -> None:
    lines = set(UNIT.read_text().splitlines())
    assert {"Type=notify", "DynamicUser=yes", "StateDirectory=syncd", "RuntimeDirectory=syncd"} <= lines
    assert {"ConfigurationDirectory=syncd", "ExecReload=/bin/kill -HUP $MAINPID", "Restart=always"} <= lines
    assert any(line.startswith("WatchdogSec=") for line in lines)


def test_the_container_runs_as_nobody_special_from_pinned_dependencies() -> None:
    text = (ROOT / "Dockerfile").read_text()
    final = text.rsplit("\nFROM ", 1)[1]
    assert "--require-hashes -r requirements-runtime.lock" in text
    assert re.search(r"^USER syncd$", final, re.MULTILINE)
    assert "/readyz" in final
    assert not re.search(r"^(ADD|COPY) (?!--from=build)", final, re.MULTILINE)
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        part.removeprefix("./")
        for line in re.findall(r"^COPY (.+) \./\S*$", text, re.MULTILINE)
        for part in line.split()
    }
    assert copied == kept


def test_the_runtime_lock_holds_what_the_program_needs_and_no_test_tool() -> None:
    names = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements-runtime.lock").read_text(), re.MULTILINE))
    assert {"httpx", "sqlmodel", "fastapi", "uvicorn", "apprise", "jinja2"} <= names
    assert not names & {"pytest", "playwright", "hypothesis", "google-api-python-client", "mypy"}
    both = set(re.findall(r"^([a-z0-9._-]+==\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert (
        set(re.findall(r"^([a-z0-9._-]+==\S+)", (ROOT / "requirements-runtime.lock").read_text(), re.MULTILINE)) <= both
    )


def test_the_hook_for_repositories_is_one_that_pre_commit_accepts() -> None:
    from pre_commit.clientlib import load_manifest

    (hook,) = load_manifest(str(ROOT / ".pre-commit-hooks.yaml"))
    assert hook["entry"] == "syncd validate"


def commands(value: Any) -> list[str]:
    """Every shell line of a pipeline's description."""
    if isinstance(value, str):
        return value.splitlines()
    if isinstance(value, dict):
        keys = ("jobs", "steps", "run", "script", "configuration", "syncd")
        return [line for key in keys if key in value for line in commands(value[key])]
    return [line for one in value for line in commands(one)]


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_the_pipelines_commands_run(name: str, tmp_path: Path) -> None:
    document = yaml.load((ROOT / "contrib/ci" / name).read_text(), yaml.BaseLoader)
    lines = [line.split(" | ")[0] for line in commands(document) if line.startswith("syncd ")]
    assert {line.split()[1] for line in lines} == {"validate", "plan"}
    for folder in (tmp_path / "repo/config", tmp_path / "before/config"):
        shutil.copytree(ROOT / "config", folder)
    nightly = tmp_path / "repo/config/syncs/nightly.yaml"
    nightly.write_text(nightly.read_text().replace("max_delete: 10%", "max_delete: 50%"))
    environment = {**os.environ, "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"}
    for line in lines:
        done = subprocess.run(
            line, shell=True, cwd=tmp_path / "repo", env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, line + done.stdout + done.stderr
    assert "max\\_delete changes from 10% to 50%" in done.stdout


PYTHON = """#!/bin/sh
# In Python's place: what the install script asks of it, without the network.
echo "$0 $*" >>"$CALLS"
case "$1 $2" in
"-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; printf '#!%s/bin/python\\necho syncd "$@"\\n' "$3" >"$3/bin/tool"
           printf '#!/bin/sh\\necho syncd "$@"\\n' >"$3/bin/syncd"; chmod +x "$3/bin/syncd" "$3/bin/tool" ;;
esac
"""


class Target:
    """A root folder to install into."""

    def __init__(self, folder: Path) -> None:
        self.root, self.calls = folder / "root", folder / "calls"
        self.python = folder / "python"
        self.python.write_text(PYTHON)
        self.python.chmod(0o755)

    def install(self, *arguments: str, code: int = 0) -> str:
        script = ["sh", str(ROOT / "contrib/install.sh"), "--destdir", str(self.root), "--python", str(self.python)]
        environment = {**os.environ, "CALLS": str(self.calls)}
        done = subprocess.run([*script, *arguments], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def files(self) -> set[str]:
        found = (path for path in self.root.rglob("*") if path.is_symlink() or not path.is_dir())
        return {str(path.relative_to(self.root)) for path in found}


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path)


def test_it_installs_twice_and_goes_without_a_trace_of_the_program(target: Target) -> None:
    for _ in range(2):
        assert "Installed syncd" in target.install("--with", "syncd-acme", "--with", "/a b/c")
    assert {"etc/systemd/system/syncd.service", "usr/local/bin/syncd", "opt/syncd/bin/syncd"} <= target.files()
    assert os.readlink(target.root / "usr/local/bin/syncd") == "/opt/syncd/bin/syncd"
    assert (target.root / "opt/syncd/bin/tool").read_text().startswith("#!/opt/syncd/bin/python\n")
    calls = target.calls.read_text()
    assert "install syncd-acme\n" in calls
    assert "install /a b/c\n" in calls
    (target.root / "etc/syncd/mine.yaml").write_text("version: 1\n")
    target.install("--uninstall")
    assert target.files() == {"etc/syncd/mine.yaml"}
    target.install("--uninstall")


def test_another_prefix_reaches_the_unit(target: Target) -> None:
    target.install("--prefix", "/srv/syncd")
    unit = (target.root / "etc/systemd/system/syncd.service").read_text()
    assert "Environment=PATH=/srv/syncd/bin:" in unit


def test_it_leaves_alone_what_is_not_its_own(target: Target) -> None:
    place = target.root / "opt/syncd"
    place.mkdir(parents=True)
    (place / "precious").touch()
    assert "is not syncd's" in target.install(code=1)
    target.install("--uninstall")
    assert (place / "precious").exists()


def test_wrong_options_are_named(target: Target) -> None:
    assert "--bogus" in target.install("--bogus", code=2)
    assert "absolute" in target.install("--prefix", "here", code=2)


@pytest.mark.parametrize("path", sorted((ROOT / "config").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_example_tells_editors_its_schema(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    found = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert found, first
    assert (path.parent / found[1]).resolve().name == "syncd.schema.json"
