"""A channel's URL that cannot work is a problem of the folder, with its place, and without its secrets."""

import subprocess
import sys
from pathlib import Path

import pytest

from syncd.config.catalog import Catalog
from syncd.config.loader import load


def problems(folder: Path, *urls: str, check_values: bool = True) -> list[str]:
    lines = ["version: 1", "daemon:", "  notify:", *(f'    - "{url}"' for url in urls)]
    (folder / "a.yaml").write_text("\n".join(lines) + "\n")
    loaded = load(folder, Catalog.of({}), check_values=check_values)
    return [f"{one.line}: {one.message}" for one in loaded.problems]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("jsn://127.0.0.1/x", "it has no service 'jsn://'"),
        ("slack://not-enough", "what follows 'slack://' is not what that service needs"),
        ("a-token-and-nothing-else", "it does not begin with a service"),
    ],
)
def test_a_url_that_apprise_cannot_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, why: str) -> None:
    monkeypatch.setenv("GOOD", "json://127.0.0.1/x")
    monkeypatch.setenv("OPS", value)
    (found,) = problems(tmp_path, "${env:GOOD}", "${env:OPS}")
    assert found.startswith("5: 'daemon.notify[1]' is no URL that Apprise can use: ")
    assert why in found
    assert "a-token" not in found


def test_a_misspelt_service_shows_without_any_secret_at_hand(tmp_path: Path) -> None:
    found = problems(tmp_path, "mailt://ops:${env:PW}@acme.example", "json://x/${env:KEY}", check_values=False)
    assert found == ["4: 'daemon.notify[0]' is no URL that Apprise can use: it has no service 'mailt://'"]


def test_a_folder_without_channels_does_not_load_apprise(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("version: 1\ndaemon: {concurrency: 4}\n")
    script = (
        "import sys; from pathlib import Path; from syncd.config.catalog import Catalog; "
        "from syncd.config.loader import load; assert load(Path(sys.argv[1]), Catalog.of({})).config; "
        "sys.exit('apprise' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False).returncode == 0
