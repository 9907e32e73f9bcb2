"""Each file or folder in bad/ with the whole text that a person sees for it, in the .txt beside it.

A case whose name starts with `read-` is loaded as the daemon does (values are read), the others as `syncd validate` does.
"""

import shutil
from pathlib import Path

import pytest

from syncd.config.catalog import Catalog
from syncd.config.loader import load

BAD = Path(__file__).with_name("bad")
CASES = sorted(path for path in BAD.iterdir() if path.suffix != ".txt")


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_a_bad_folder_says_what_is_wrong_and_where(case: Path, catalog: Catalog, tmp_path: Path, monkeypatch) -> None:
    assert shown_problems(case, catalog, tmp_path, monkeypatch) == case.with_suffix(".txt").read_text()


def test_there_are_enough_cases_and_no_orphans() -> None:
    assert len(CASES) >= 40
    assert {path.stem for path in BAD.glob("*.txt")} == {path.stem for path in CASES}


def shown_problems(case: Path, catalog: Catalog, tmp_path: Path, monkeypatch) -> str:
    """The problems of a case as if it were the folder `config` of the working directory."""
    if case.is_dir():
        shutil.copytree(case, tmp_path / "config", symlinks=True)
    else:
        (tmp_path / "config").mkdir()
        shutil.copy(case, tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "high")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("EVIL", "http://user:hunter2@evil.example/?x")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/nowhere")
    for name in ("MISSING", "ACME"):
        monkeypatch.delenv(name, raising=False)
    loaded = load(Path("config"), catalog, check_values=case.stem.startswith("read-"))
    assert loaded.config is None
    text = "".join(f"{problem}\n" for problem in loaded.problems)
    assert "hunter2" not in text
    return text
