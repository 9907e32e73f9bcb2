"""Commands of the daemon: run, and the demo.

Public: register.
"""

import gc

import click

from syncd.control.errors import ControlError

from .options import Ask, command

__all__ = ["register"]

TOPIC = "Daemon"


def register(cli: click.Group) -> None:
    @command(cli, TOPIC, "run")
    @click.option("--grace", default=30.0, show_default=True, metavar="SECONDS", type=click.FloatRange(0),
                  help="How long runs may finish the page they have in hand when the daemon is stopped.")  # fmt: skip
    @click.option("--log-format", default="auto", show_default=True, type=click.Choice(["auto", "json", "console"]),
                  help="How lines on stderr look; auto: readable on a terminal, JSON elsewhere.")  # fmt: skip
    @click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]),
                  help="The least that is logged; debug has a line for each request to a provider.  [info, with -v debug]")  # fmt: skip
    def _run(ask: Ask, grace: float, log_format: str, log_level: str | None) -> int:
        """The daemon: mirror by schedule, serve the API, follow changes of the configuration folder."""
        gc.disable()  # until it is ready: starting makes much that stays, and little garbage
        from syncd.daemon import run_daemon
        from syncd.logs import configure

        configure(log_level or ("debug" if ask.verbose else "info"), form=log_format)
        return run_daemon(ask.config_folder(), ask.state_folder(), grace=grace)

    @command(cli, TOPIC, "demo")
    @click.option("--keep", is_flag=True, help="Leave the daemon and the simulator running until Ctrl-C.")
    def _demo(ask: Ask, keep: bool) -> int:
        """A whole organisation on simulated providers, mirrored in front of you."""
        try:
            from importlib import import_module

            demo = import_module("syncd.cli.demo")
        except ModuleNotFoundError as error:
            raise ControlError(
                f"the demo needs the module {error.name}, which is not installed",
                hint="install the simulator: uv pip install syncd-simulator",
            ) from error
        return int(demo.run_demo(keep=keep) or 0)
