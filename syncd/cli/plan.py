"""`syncd plan` for people.

Public: show_plan.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .output import console, say, styled

__all__ = ["show_plan"]

SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow"), "renamed": ("→", "cyan")}
EFFECTS = {
    "next": "takes effect by itself, runs go on",
    "end_run": "a run under way ends after its page and starts again from there",
    "restart": "takes effect when the daemon is started anew",
}


def show_plan(plan: Mapping[str, Any], folder: Path) -> None:
    against = "the running daemon" if plan["daemon"] else "nothing: no daemon runs on this state directory"
    if not plan["changes"]:
        return say(f"{folder} changes nothing in {against}", style="green")
    say(f"{folder} against {against}:", style="bold")
    for change in plan["changes"]:
        _show_change(change)
    warnings = sum(len(change["warnings"]) for change in plan["changes"])
    if warnings:
        word = "change touches" if warnings == 1 else "changes touch"
        say(f"{warnings} {word} where data or credentials go, or what may be deleted: look twice", style="bold yellow")
    return None


def _show_change(change: Mapping[str, Any]) -> None:
    sign, style = SIGNS[change["change"]]
    was = f" (was {change['previous_name']})" if change["previous_name"] else ""
    name = change["block"] if change["block"] == "daemon" else f"{change['block']} {change['name']}"
    line = styled(f"{sign} {name}{was}", style).append(f"  {EFFECTS[change['effect']]}", style="dim")
    console().print(line, soft_wrap=True)
    if change["change"] != "removed":
        for field in change["fields"]:
            before = "" if field["before"] is None else f"{field['before']} → "
            say(f"    {field['path']}: {before}{'(unset)' if field['after'] is None else field['after']}")
    for warning in change["warnings"]:
        say(f"    ! {warning}", style="bold yellow")
