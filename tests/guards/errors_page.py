"""docs/errors.md, made from the catalogue: `python tests/guards/errors_page.py > docs/errors.md`."""

from syncd.plugins import discover
from syncd.sdk.errors import CATALOGUE, Explanation


def render(entries: list[Explanation]) -> str:
    lines = [
        "# Errors",
        "",
        "Every error that syncd reports has a code. `syncd explain CODE` prints the same.",
        "This page is made from the catalogue (`tests/guards/errors_page.py`); a test fails when it is out of date.",
    ]
    for entry in entries:
        lines += ["", f"## {entry.code}", "", f"**{entry.title}.** {entry.meaning}", ""]
        lines += [f"- What syncd does: {entry.action}", f"- What to do: {entry.hint}"]
    return "\n".join(lines) + "\n"


def page() -> str:
    connectors = discover().connectors
    own = [entry for name in sorted(connectors) for entry in connectors[name].info.errors]
    return render([*CATALOGUE.values(), *own])


if __name__ == "__main__":
    print(page(), end="")
