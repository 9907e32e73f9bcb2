"""Commands about the configuration and what is installed: validate, plan, connectors, schema, explain, completion.

Public: register. None of these loads the store.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from syncd.control.errors import CONFIG, USAGE, ControlError

from .options import Ask, command

if TYPE_CHECKING:
    from syncd.plugins import Plugins
    from syncd.sdk.errors import Explanation

__all__ = ["register"]

TOPIC = "Configuration"


def register(cli: click.Group) -> None:
    @command(cli, TOPIC, "validate", json=True)
    @click.argument("folder", required=False, type=click.Path(), metavar="[DIR]")
    def _validate(ask: Ask, folder: str | None) -> int:
        """Read the folder and list every problem with its place. Offline; exit 78 if there are any."""
        return _show_validation(ask, Path(folder) if folder else ask.config_folder())

    @command(cli, TOPIC, "plan", json=True)
    @click.argument("folder", required=False, type=click.Path(), metavar="[DIR]")
    @click.option("--against", metavar="DIR", type=click.Path(exists=True, file_okay=False),
                  help="Compare with another folder, offline, instead of with the running daemon.")  # fmt: skip
    @click.option("--markdown", is_flag=True, help="As Markdown, for a comment on a pull request.")
    def _plan(ask: Ask, folder: str | None, against: str | None, markdown: bool) -> None:
        """What this folder would change in the running daemon. Changes nothing."""
        if markdown and ask.json:
            raise ControlError("--markdown and --json exclude each other", exit_code=USAGE)
        ask.run(_show_plan(ask, Path(folder) if folder else ask.config_folder(), against, markdown))

    @command(cli, TOPIC, "connectors", json=True)
    def _connectors(ask: Ask) -> None:
        """Installed connectors, and plugins that are broken."""
        _show_connectors(ask)

    @command(cli, TOPIC, "schema")
    @click.argument("connector", required=False)
    def _schema(ask: Ask, connector: str | None) -> None:
        """JSON Schema of the YAML for editors, or of one connector's settings and stream options."""
        click.echo(json.dumps(_schema_of(connector), indent=2, ensure_ascii=False))

    @command(cli, "Help", "explain", json=True)
    @click.argument("code", required=False)
    def _explain(ask: Ask, code: str | None) -> None:
        """What an error code means, what syncd does about it, and what to do. Lists all without a code."""
        _show_explanation(ask, code)

    @command(cli, "Help", "completion")
    @click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
    def _completion(ask: Ask, shell: str) -> None:
        """Completion for a shell: eval "$(syncd completion bash)"."""
        from click.shell_completion import get_completion_class

        maker = get_completion_class(shell)
        assert maker is not None
        click.echo(maker(cli, {}, "syncd", "_SYNCD_COMPLETE").source())


def _show_validation(ask: Ask, folder: Path) -> int:
    from syncd.config.loader import load

    from .output import emit, say

    loaded = load(folder, _catalog(), check_values=False)
    problems = [problem_json(problem) for problem in loaded.problems]
    if ask.json:
        emit({"ok": not problems, "problems": problems})
        return CONFIG if problems else 0
    if loaded.config is not None:
        files = len(loaded.files)
        parts = (_number(files, "file"), _number(len(loaded.config.connections), "connection"),
                 _number(len(loaded.config.syncs), "sync"))  # fmt: skip
        say(f"{folder} is valid: {', '.join(parts)}", style="green")
        return 0
    for problem in problems:
        show_problem(problem)
    say(
        f"{_number(len(problems), 'problem')} in {folder}; a running daemon keeps its last good configuration",
        style="bold",
    )
    return CONFIG


def _number(count: int, word: str) -> str:
    return f"{count} {word}" + ("" if count == 1 else "s")


def problem_json(problem: Any) -> dict[str, Any]:
    """An element of `validate --json`."""
    return {name: getattr(problem, name) for name in ("file", "line", "column", "path", "message", "hint")}


def show_problem(problem: Mapping[str, Any]) -> None:
    from .output import console, styled

    place = f"{problem['file']}:{problem['line']}:{problem['column']}" if problem["line"] else problem["file"]
    line = styled(place, "bold").append(": ", style="").append_text(styled(problem["message"], "red"))
    console().print(line, soft_wrap=True)
    if problem["hint"]:
        console().print(styled(f"  {problem['hint']}", "dim"), soft_wrap=True)


async def _show_plan(ask: Ask, folder: Path, against: str | None, markdown: bool) -> None:
    from .output import emit
    from .plan import plan_between, plan_markdown, show_plan

    if against is None:
        async with ask.door(lenient=True) as control:
            plan = await control.plan(str(folder.absolute()), _files(folder))
        words = "the running daemon" if plan["daemon"] else "nothing: no daemon runs on this state directory"
    else:
        plan, words = plan_between(Path(against), folder, _catalog()), against
    if ask.json:
        return emit(plan)
    return click.echo(plan_markdown(plan, words)) if markdown else show_plan(plan, folder, words)


def _files(folder: Path) -> dict[str, str]:
    """The folder's files as text: the daemon reads them with its own secrets and its own eyes."""
    from syncd.config.files import find

    try:
        return {str(path.relative_to(folder)): path.read_text("utf-8") for path in find(folder)}
    except (OSError, UnicodeDecodeError) as error:
        raise ControlError(
            f"the configuration folder {folder} cannot be read: {error}",
            code="SYN-CONF-001",
            hint="name it with --config DIR; `syncd validate` says more",
            exit_code=CONFIG,
        ) from error


def _show_connectors(ask: Ask) -> None:
    from syncd.control.views import connectors_json

    from .output import emit, say, table

    listed = connectors_json(_plugins())
    if ask.json:
        return emit(listed)
    rows = [
        [
            one["name"],
            one["title"],
            f"{one['distribution']} {one['version']}",
            ", ".join(s["stream"] for s in one["streams"]) or "as its settings say",
        ]
        for one in listed["connectors"]
    ]
    if rows:
        table(["connector", "title", "from", "streams"], rows, fold=("streams",))
    else:
        say("no connectors are installed")
    for one in listed["broken"]:
        say(f"broken: {one['name']} ({one['distribution']} {one['version']}): {one['error']}", style="bold red")
        if ask.debug:
            for line in one["traceback"].splitlines():
                say(f"  {line}", style="dim")
    if listed["broken"] and not ask.debug:
        say("--debug or --json shows the tracebacks", style="dim")
    return None


def _schema_of(connector: str | None) -> Any:
    from syncd.config.schema import schema
    from syncd.control.errors import unknown

    catalog = _catalog()
    if connector is not None and connector not in catalog.connectors:
        raise unknown("connector", connector, catalog.connectors)
    return schema(catalog, connector)


def _show_explanation(ask: Ask, code: str | None) -> None:
    from .output import emit, table

    entries = _catalogue()
    if code is None:
        if ask.json:
            return emit([_explanation_json(entry) for entry in sorted(entries.values(), key=lambda entry: entry.code)])
        return table(
            ["code", "title"],
            [[entry.code, entry.title] for entry in sorted(entries.values(), key=lambda entry: entry.code)],
        )
    entry = entries.get(code.upper())
    if entry is None:
        near = [known for known in entries if known.startswith(code.upper())]
        hint = f"there are: {', '.join(near)}" if near else "`syncd explain` lists all codes"
        raise ControlError(f"no error has the code {code!r}", hint=hint, exit_code=USAGE)
    if ask.json:
        return emit(_explanation_json(entry))
    return _show_entry(entry)


def _show_entry(entry: "Explanation") -> None:
    from .output import facts, say

    say(f"{entry.code}  {entry.title}", style="bold")
    facts([("means", entry.meaning), ("syncd", entry.action), ("you", entry.hint)])


def _explanation_json(entry: "Explanation") -> dict[str, str]:
    return {name: getattr(entry, name) for name in ("code", "title", "meaning", "action", "hint")}


def _catalogue() -> dict[str, "Explanation"]:
    """syncd's own codes, then those that the installed connectors add."""
    from syncd.sdk.errors import CATALOGUE

    more: Sequence[Explanation] = [
        entry for connector in _plugins().connectors.values() for entry in connector.info.errors
    ]
    return {entry.code: entry for entry in (*more, *CATALOGUE.values())} if more else dict(CATALOGUE)


def _plugins() -> "Plugins":
    from syncd.plugins import discover

    return discover()


def _catalog() -> Any:
    from syncd.plugins import catalog_of

    return catalog_of(_plugins())
