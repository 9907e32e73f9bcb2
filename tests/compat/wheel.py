"""Build the wheel of the documents' example connector: `python -m tests.compat.wheel VERSION`.

Public: build, WHEELS. The same text gives the same bytes. A wheel is built once per published SDK and then kept as it is.
"""

import base64
import hashlib
import re
import sys
import zipfile
from pathlib import Path

WHEELS = Path(__file__).parent / "wheels"
PAGE = Path(__file__).parents[2] / "docs/connectors.md"
WHEEL = "Wheel-Version: 1.0\nGenerator: syncd\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
BEGINNING = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can say


def example() -> str:
    """The complete connector of docs/connectors.md."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def build(folder: Path, version: str, code: str) -> Path:
    """The wheel of a distribution `syncd-notes` with this code."""
    info = f"syncd_notes-{version}.dist-info"
    files = {
        "syncd_notes/__init__.py": code,
        "syncd_notes/py.typed": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: syncd-notes\nVersion: {version}\nRequires-Dist: syncd\n",
        f"{info}/WHEEL": WHEEL,
        f"{info}/entry_points.txt": "[syncd.connectors]\nnotes = syncd_notes:NotesConnector\n",
    }
    record = "".join(f"{name},{digest(text.encode())},{len(text.encode())}\n" for name, text in files.items())
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    path = folder / f"syncd_notes-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as made:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name, BEGINNING)
            entry.external_attr = 0o644 << 16
            made.writestr(entry, text)
    return path


def digest(raw: bytes) -> str:
    """As RECORD writes it."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()


if __name__ == "__main__":
    WHEELS.mkdir(exist_ok=True)
    if (WHEELS / f"syncd_notes-{sys.argv[1]}-py3-none-any.whl").exists():
        sys.exit("there is one already: a published wheel stays as it is")
    print(build(WHEELS, sys.argv[1], example()).name)
