"""`syncd plan`: for people at a terminal, and as Markdown for a pull request.

Public: show_plan, plan_markdown, plan_between.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syncd.control.errors import CONFIG, ControlError

from .output import console, say, styled

if TYPE_CHECKING:
    from syncd.config.catalog import Catalog
    from syncd.config.model import Config

__all__ = ["plan_between", "plan_markdown", "show_plan"]

SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow"), "renamed": ("→", "cyan")}
EFFECTS = {
    "next": "takes effect by itself, runs go on",
    "end_run": "a run under way ends after its page and starts again from there",
    "restart": "takes effect when the daemon is started anew",
}
MARKUP = str.maketrans(
    {char: f"\\{char}" for char in "\\`*_[]#|~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;", "@": "&#64;"}
)
ENTITIES = str.maketrans({char: f"&#{ord(char)};" for char in "&<>|`@*_[]\\~"})


def plan_between(base: Path, folder: Path, catalog: "Catalog") -> dict[str, Any]:
    """The plan of `folder` against another folder, offline; values of secrets are not read. Raises ControlError."""
    from syncd.config.diff import diff
    from syncd.control.planning import read_again
    from syncd.control.views import difference_json

    before, after = (_loaded(one, catalog) for one in (base, folder))
    return {
        "daemon": False,
        "changes": [difference_json(one) for one in diff(before, after)],
        "accounts": [],
        "read_again": read_again(before, after),
    }


def _loaded(folder: Path, catalog: "Catalog") -> "Config":
    from syncd.config.loader import load
    from syncd.control.views import problem_json

    loaded = load(folder, catalog, check_values=False)
    if loaded.config is None:
        problems = [problem_json(one) for one in loaded.problems]
        raise ControlError(
            f"the configuration in {folder} is invalid", code="SYN-CONF-001", exit_code=CONFIG, problems=problems
        )
    return loaded.config


# -- at a terminal


def show_plan(plan: Mapping[str, Any], folder: Path, against: str) -> None:
    """`against`: what the folder is compared with, in words."""
    if not plan["changes"]:
        return say(f"{folder} changes nothing in {against}", style="green")
    say(f"{folder} against {against}:", style="bold")
    for change in plan["changes"]:
        _show_change(change)
    for line in _consequences(plan):
        say(f"  {line}")
    warnings = sum(len(change["warnings"]) for change in plan["changes"])
    if warnings:
        say(_look_twice(warnings), style="bold yellow")
    return None


def _show_change(change: Mapping[str, Any]) -> None:
    sign, style = SIGNS[change["change"]]
    line = styled(f"{sign} {_title(change)}", style).append(f"  {EFFECTS[change['effect']]}", style="dim")
    console().print(line, soft_wrap=True)
    for path, before, after in _fields(change):
        say(f"    {path}: {'' if before is None else f'{before} → '}{after or '(unset)'}")
    for warning in change["warnings"]:
        say(f"    ! {warning}", style="bold yellow")


def _title(change: Mapping[str, Any]) -> str:
    was = f" (was {change['previous_name']})" if change["previous_name"] else ""
    return f"{change['block']}{was}" if change["block"] == "daemon" else f"{change['block']} {change['name']}{was}"


def _fields(change: Mapping[str, Any]) -> Iterator[tuple[str, str | None, str | None]]:
    if change["change"] != "removed":
        for field in change["fields"]:
            yield field["path"], field["before"], field["after"]


def _consequences(plan: Mapping[str, Any]) -> Iterator[str]:
    """What the changes mean for the mirror, a sentence each."""
    for one in plan["accounts"]:
        parts = [_accounts(one, "enter", "entering"), _accounts(one, "leave", "leaving")]
        yield f"{one['sync']} covers {one['after']} accounts instead of {one['before']}: {'; '.join(filter(None, parts))}"
    if any(one["leave"] for one in plan["accounts"]):
        yield "what leaves a sync stays in the mirror as it is, and is no longer refreshed (only `syncd purge` removes it)"
    for one in plan["read_again"]:
        yield f"{one['stream']} of {one['sync']} is read whole once: its options differ"


def _accounts(one: Mapping[str, Any], count: str, names: str) -> str:
    if not one[count]:
        return ""
    more = ", …" if one[count] > len(one[names]) else ""
    return f"{one[count]} {count} ({', '.join(one[names])}{more})"


def _look_twice(warnings: int) -> str:
    word = "change touches" if warnings == 1 else "changes touch"
    return f"{warnings} {word} where data or credentials go, or what may be deleted: look twice"


# -- for a pull request


def plan_markdown(plan: Mapping[str, Any], against: str) -> str:
    """A comment for a pull request. Names and values come from YAML that somebody proposes: none of it is markup."""
    lines = ["### syncd plan", ""]
    if not plan["changes"]:
        return "\n".join([*lines, f"Nothing changes in {_text(against)}.", ""])
    lines += [f"Against {_text(against)}:", "", "| | what | change | effect |", "|---|---|---|---|"]
    for change in plan["changes"]:
        fields = [f"{_code(path)}: {_code(before)} → {_code(after)}" for path, before, after in _fields(change)]
        cells = (SIGNS[change["change"]][0], _text(_title(change)), "<br>".join(fields), EFFECTS[change["effect"]])
        lines.append(f"| {' | '.join(cells)} |")
    if consequences := [f"- {_text(line)}" for line in _consequences(plan)]:
        lines += ["", *consequences]
    if warnings := [(change, one) for change in plan["changes"] for one in change["warnings"]]:
        lines += ["", f"> **Look twice.** {_look_twice(len(warnings))[: -len(': look twice')]}.", ">"]
        lines += [f"> - {_text(_title(change))}: {_text(one)}" for change, one in warnings]
    return "\n".join([*lines, ""])


def _text(value: str) -> str:
    return " ".join(value.split()).translate(MARKUP)


def _code(value: str | None) -> str:
    """A value in code style that nothing in it can leave."""
    if value is None:
        return "(unset)"
    return f"<code>{' '.join(value.split()).translate(ENTITIES)}</code>"
