"""The examples of docs/http.md: each YAML block that has connections, loaded as syncd loads a folder."""

import re
from pathlib import Path
from typing import Any

from syncd_http import HttpConnector

from syncd.config.catalog import Catalog
from syncd.config.loader import load

PAGE = Path(__file__).parents[3] / "docs" / "http.md"


def blocks() -> dict[str, str]:
    """The complete examples by their connection's name."""
    found = re.findall(r"```yaml\n(connections:\n  ([a-z]+):\n.*?)```", PAGE.read_text(), re.DOTALL)
    return {name: text for text, name in found}


def loaded(text: str, folder: Path) -> Any:
    """The configuration that a text is. Secrets must be in the environment."""
    (folder / "syncd.yaml").write_text(text)
    found = load(folder, Catalog.of([HttpConnector()]))
    assert not found.problems, "\n".join(map(str, found.problems))
    return found.config
