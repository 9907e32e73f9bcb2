"""`syncd demo`: simulated organisations, mirrored in front of you by the real engine, store and connectors.

Public: run_demo.
"""

import asyncio
import itertools
import json
import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from syncd.control.errors import ControlError

from .deciding import show_held
from .demo_worlds import Organisation, organisations
from .output import console, facts, plain_text, say, span, styled, table
from .progress import Watch, counts_text, show_report

__all__ = ["run_demo"]

FOLDER = Path("syncd-demo")
MARKER = ".made-by-syncd-demo"
PEOPLE = 25
EDITS = 120
USUAL_PORT = 8642
QUERY = """\
SELECT account, subject, "from" FROM v1_messages ORDER BY date DESC LIMIT 3"""


def run_demo(*, keep: bool) -> int:
    """Mirror simulated organisations four times; with `keep`, leave simulators and daemon running until Ctrl-C."""
    folder = _folder()
    found = organisations(PEOPLE)
    say("Simulated organisations of", PEOPLE, "people each:", ", ".join(one.title for one in found), style="bold")
    with ExitStack() as stack:
        for one in found:
            one.serve(stack)
            one.configure(folder)
        runs = asyncio.run(_show(folder, found))
        _summary(folder, found, runs)
        if keep:
            _keep(folder, found, stack)
    return 0


def _folder() -> Path:
    """An empty folder of our own; one that somebody else made is left alone."""
    folder = FOLDER.absolute()
    if folder.exists() and not (folder / MARKER).exists():
        raise ControlError(
            f"{folder} exists and was not made by the demo", hint="move it away, or run the demo elsewhere"
        )
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("config", "state"):
        (folder / name).mkdir(parents=True, mode=0o750)
    (folder / MARKER).touch()
    return folder


class _Demo:
    """The steps for all organisations, on a control of this process."""

    def __init__(self, control: Any, found: list[Organisation]) -> None:
        self.control = control
        self.found = found
        self.feed: dict[str, int] = {}

    async def step(self, title: str, remark: str = "") -> None:
        say()
        console().print(styled(f"▸ {title}", "bold cyan"))
        if remark:
            say(" ", remark, style="dim")
        for one in self.found:
            await self.run(one)

    async def run(self, one: Organisation) -> None:
        with Watch(quiet=False) as watch:
            end = await watch.follow(self.control.sync(one.sync))
        show_report(end["report"])
        if end["report"]["status"] == "held":
            await self.approve(one)

    async def approve(self, one: Organisation) -> None:
        """Deletions that syncd will not do unasked: in real life a person looks at them first."""
        held = await self.control.held(one.sync)
        show_held(held)
        await self.control.decide(one.sync, True, shown=held["shown"])
        say("  approved, as `syncd approve` does after asking", style="yellow")

    async def changes(self) -> None:
        """What the change feed tells since the last look, a few of each stream."""
        say("  what the change feed says:", style="dim")
        for one in self.found:
            for stream in one.streams:
                lines = self.control.records(
                    connection=one.connection, stream=stream, since=self.feed[one.connection], limit=1
                )
                async for line in lines:
                    record = json.loads(line)
                    say(
                        "   ",
                        one.provider.ljust(9),
                        stream.ljust(12),
                        record["change"].ljust(8),
                        _title(record),
                        style="dim",
                    )

    async def look(self) -> None:
        """Remember how far the change feed has come."""
        for one in self.found:
            highest = 0
            for stream in one.streams:
                async for line in self.control.records(connection=one.connection, stream=stream):
                    highest = max(highest, json.loads(line)["seq"])
            self.feed[one.connection] = highest


def _title(record: dict[str, Any]) -> str:
    summary = record["summary"]
    title = next(
        (summary[key] for key in ("name", "title", "subject", "path") if summary.get(key)), record["source_id"]
    )
    return plain_text(f"{title}  ({record['account']})")[:90]


async def _show(folder: Path, found: list[Organisation]) -> list[dict[str, Any]]:
    from syncd.daemon import assembled

    async with assembled(folder / "config", folder / "state", lenient=False) as control:
        for one in found:
            accounts = (await control.import_accounts(one.connection))["accounts"]
            roles = Counter(account["role"] for account in accounts)
            say(
                one.title, "imported", len(accounts), "accounts:", ", ".join(f"{n} {role}" for role, n in roles.items())
            )
            if one.note:
                say(" ", one.note, style="dim")
        demo = _Demo(control, found)
        await demo.step("First run", "everything is read once")
        await demo.look()
        made = Counter(name for one in found for name in one.random_edits(EDITS // len(found)))
        told = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in made.most_common(12))
        await demo.step(f"People made {EDITS} edits; second run", f"{told}, …")
        await demo.changes()
        for one in found:
            one.expire()
        await demo.step(
            "Every cursor has expired; third run",
            "read again as a whole where the provider has cursors: nothing new, nothing twice",
        )
        await demo.step(
            "Nothing happened; fourth run", "where there are deltas: one request per partition, plus discovery"
        )
        runs = [run for one in found for run in await control.history(one.sync, 10)]
        return sorted(runs, key=lambda run: -run["run"])


def _summary(folder: Path, found: list[Organisation], runs: list[dict[str, Any]]) -> None:
    say()
    rows = [
        [
            run["run"],
            run["sync"],
            styled(run["status"]),
            span(run["duration_s"]),
            f"{run['requests']:,}",
            counts_text(run["counts"]),
        ]
        for run in runs
    ]
    table(
        ["run", "sync", "status", "took", "requests", "counts"],
        rows,
        title="history",
        right=("run", "requests"),
        fold=("counts",),
    )
    database = folder / "state" / "syncd.db"
    facts([("configuration", folder / "config"), ("database", database), ("sample query", QUERY)])
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        for row in connection.execute(QUERY):
            say("   ", *row, style="dim")
    connection.close()
    say()
    say("Try: sqlite3", str(database), "or:", style="dim")
    say(f"  export SYNCD_CONFIG={folder / 'config'} SYNCD_STATE={folder / 'state'}")
    say(f"  {_command()} history {found[0].sync}")


def _command() -> str:
    return os.path.relpath(Path(sys.executable).with_name("syncd"))


def _keep(folder: Path, found: list[Organisation], stack: ExitStack) -> None:
    """A daemon beside the simulators, and an edit now and then, until Ctrl-C."""
    address, token = _open_door(folder)
    command = [
        sys.executable,
        "-m",
        "syncd",
        "--config",
        str(folder / "config"),
        "--state",
        str(folder / "state"),
        "run",
    ]
    log = stack.enter_context((folder / "daemon.log").open("wb"))
    daemon = subprocess.Popen(command, stdout=log, stderr=log)
    stack.callback(_stop, daemon)
    say()
    say("The daemon and the simulators go on until Ctrl-C; somebody edits something every few seconds.", style="bold")
    say("  dashboard:", f"http://{address}/")
    say("  token:    ", token)
    say("  log:      ", str(folder / "daemon.log"), style="dim")
    turn = itertools.cycle(found)
    try:
        while daemon.poll() is None:
            try:
                daemon.wait(timeout=5)
            except subprocess.TimeoutExpired:
                next(turn).random_edits(1)
    except KeyboardInterrupt:
        say()
        say("stopping", style="dim")


def _open_door(folder: Path) -> tuple[str, str]:
    """Let the daemon listen where the port is free, with a token of the demo's own; both."""
    token = secrets.token_urlsafe(16)
    file = folder / "token"
    file.touch(mode=0o600)
    file.write_text(token)
    address = f"127.0.0.1:{_free_port()}"
    text = f"version: 1\ndaemon: {{listen: '{address}', token: '${{file:{file}}}'}}\n"
    (folder / "config" / "daemon.yaml").write_text(text)
    return address, token


def _free_port() -> int:
    """The usual one, or any other where something listens there already."""
    for wanted in (USUAL_PORT, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", wanted))
            return int(probe.getsockname()[1])
    raise ControlError("no port of 127.0.0.1 is free")


def _stop(daemon: "subprocess.Popen[bytes]") -> None:
    daemon.terminate()
    daemon.wait()
