"""A new connector's distribution, as text: what `syncd new-connector` writes.

Public: files_of, name_problem, install_command.
"""

import json
import re
import shlex
from collections.abc import Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.resources import files
from importlib.resources.abc import Traversable

__all__ = ["files_of", "install_command", "name_problem"]

NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
LONGEST = 40
SUFFIX = ".tmpl"  # keeps tools from taking the template's files for code of syncd


def name_problem(name: str) -> str | None:
    """What is wrong with a connector's name; None if nothing."""
    if name.startswith(("syncd-", "syncd_")):
        return f"is without the prefix: say {name[6:]!r}, and the distribution is named {name.replace('_', '-')!r}"
    if not NAME.fullmatch(name):
        return "must be small letters and digits, with single dashes between, and begin with a letter: my-crm"
    return f"is longer than {LONGEST} characters" if len(name) > LONGEST else None


def install_command() -> str:
    """How to install the new distribution, with this syncd beside it unless it came from a package index."""
    try:
        source = _source(distribution("syncd"))
    except (PackageNotFoundError, ValueError, KeyError):
        source = None
    core = "" if source is None else shlex.quote(f"syncd[web] @ {source}") + " "
    return f"pip install {core}--editable '.[dev]'"


def _source(installed: Distribution) -> str | None:
    """Where a distribution was installed from, as pip wrote it down (PEP 610); None if from an index."""
    told = installed.read_text("direct_url.json")
    if told is None:
        return None
    place = json.loads(told)
    url, repository = str(place["url"]), place.get("vcs_info")
    return url if repository is None else f"{repository['vcs']}+{url}@{repository['commit_id']}"


def files_of(name: str) -> Mapping[str, str]:
    """Every file of the distribution: path → text."""
    words = name.replace("_", "-").split("-")
    plain = "_".join(words)
    values = {
        "name": name,
        "module": f"syncd_{plain}",
        "NAME": plain.upper(),
        "Class": "".join(word.capitalize() for word in words),
        "title": " ".join(word.capitalize() for word in words),
    }
    return {_path(path, values): _filled(text, values) for path, text in _template(files(__package__) / "template")}


def _template(folder: Traversable, prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            found += _template(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            found.append((prefix + entry.name.removesuffix(SUFFIX), entry.read_text("utf-8")))
    return found


def _path(path: str, values: Mapping[str, str]) -> str:
    """`gitignore` gets its dot, the folder `module` its name."""
    if path == "gitignore":
        return ".gitignore"
    return path.replace("module/", f"{values['module']}/") if path.startswith("module/") else path


def _filled(text: str, values: Mapping[str, str]) -> str:
    for key, value in values.items():
        text = text.replace("{{" + key + "}}", value)
    return text
