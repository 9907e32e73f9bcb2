"""The root group, and how every command ends: its exit code, its last words.

Public: cli (the click group), run (what `main` calls).
"""

import errno
import os
import sys
import traceback
from collections.abc import Sequence

import click

from syncd.control.errors import FAILED, ControlError

from . import commands
from .options import TOPICS, Ask, ReaderLeft, shared, topic_of
from .streams import Unwritable, give_up, prepare

__all__ = ["cli", "run"]

INTERRUPTED = 130
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class Topics(click.Group):
    """A group whose help lists the commands by what they are for."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        shown = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        for topic in TOPICS:
            rows = [
                (name, command.get_short_help_str(limit=200))
                for name, command in shown
                if command is not None and not command.hidden and topic_of(name) == topic
            ]
            if rows:
                with formatter.section(topic):
                    formatter.write_dl(rows)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=Topics, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@shared
@click.version_option(package_name="syncd", prog_name="syncd")
def cli() -> None:
    """A faithful, always fresh copy of your organisation's contacts, calendars, files and mail.

    A folder of YAML files says what to mirror; `syncd run` keeps it so. Commands work through the daemon if one runs
    on the state directory, else in this process. `syncd COMMAND --help` says more about each.
    """


commands.register(cli)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and give its exit code. Nothing of an error gets out but words."""
    ask = Ask()
    try:
        prepare()
        given = cli.main(args=arguments, prog_name="syncd", standalone_mode=False, obj=ask)
        sys.stdout.flush()
        return given if isinstance(given, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        return _misused(ask, error, sys.argv[1:] if arguments is None else arguments)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except (ReaderLeft, BrokenPipeError):
        give_up()
        return 0
    except ControlError as error:
        return _refused(ask, error)
    except Exception as error:
        return _refused(ask, _as_control_error(ask, error))


def _misused(ask: Ask, error: click.ClickException, arguments: Sequence[str]) -> int:
    """click's own words. It may have refused something before it came to `--json`."""
    command = getattr(getattr(error, "ctx", None), "command_path", "syncd")
    refusal = ControlError(error.format_message(), hint=f"see `{command} --help`", exit_code=error.exit_code)
    _finish_output(refusal, json=ask.json or "--json" in arguments)
    error.show()
    return error.exit_code


def _finish_output(error: ControlError, *, json: bool) -> None:
    """What stdout gets of a refusal: under `--json` it is the one document."""
    from .output import emit

    try:
        if json:
            emit({"error": error.to_json()})
        sys.stdout.flush()
    except (Unwritable, BrokenPipeError):  # that may be the refusal itself; stderr has it
        give_up()


def _refused(ask: Ask, error: ControlError) -> int:
    """Say what happened, what to do and the code; under `--json` on stdout too, as the one document."""
    from .output import say

    _finish_output(error, json=ask.json)
    code = f" [{error.code}]" if error.code else ""
    say(f"error: {error.message}{code}", style="bold red" if sys.stderr.isatty() else "", stderr=True)
    for problem in error.problems:
        place = f"{problem['file']}:{problem['line']}:{problem['column']}" if problem["line"] else problem["file"]
        say(f"  {place}: {problem['message']}", stderr=True)
        if problem["hint"]:
            say(f"    {problem['hint']}", style="dim", stderr=True)
    if error.hint:
        say(f"  {error.hint}", stderr=True)
    if error.code:
        say(f"  more: syncd explain {error.code}", style="dim", stderr=True)
    return error.exit_code


def _as_control_error(ask: Ask, error: Exception) -> ControlError:
    """An error that nobody expected, or one of the SDK's that reached the end."""
    if ask.debug or os.environ.get("SYNCD_DEBUG", "") not in ("", "0"):
        _traceback("".join(traceback.format_exception(error)))
    code = getattr(error, "code", None)
    if isinstance(code, str) and code.startswith("SYN-"):
        exit_code = 77 if code == "SYN-AUTH-001" else 75 if code in ("SYN-RATE-001", "SYN-STATE-001") else FAILED
        return ControlError(
            str(error), code=code, hint=getattr(error, "hint", None) or _hint(code), exit_code=exit_code
        )
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        what = f"cannot write {error.filename or 'to the disk'}: {os.strerror(error.errno).lower()}"
        return ControlError(what, code="SYN-STATE-002", hint=_hint("SYN-STATE-002"))
    text = " ".join(str(error).split()) or "no message"
    return ControlError(
        f"unexpected {type(error).__name__}: {text}",
        hint="this is a defect of syncd: run the command again with --debug and report what it shows",
    )


def _hint(code: str) -> str:
    """The catalogue's, for an error that brings none of its own."""
    from syncd.sdk.errors import explanation_of

    entry = explanation_of(code)
    return entry.hint if entry else ""


def _traceback(text: str) -> None:
    """A traceback on stderr, line ends kept."""
    from .output import safe

    click.echo(safe(text), err=True, nl=False)
