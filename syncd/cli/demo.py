"""`syncd demo`: a simulated organisation, mirrored in front of you by the real engine, store and connector.

Public: run_demo.
"""

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from syncd_simulator import GoogleWorld, google_app, serve
from syncd_simulator.google.edits import Editor
from syncd_simulator.google.seed import demo_organisation

from syncd.control.errors import ControlError

from .deciding import show_held
from .output import console, facts, plain_text, say, span, styled, table
from .progress import Watch, counts_text, show_report

__all__ = ["run_demo"]

FOLDER = Path("syncd-demo")
MARKER = ".made-by-syncd-demo"
SEED = 2026
PEOPLE = 25
EDITS = 120
CONNECTION, SYNC = "acme-google", "acme"

YAML = """\
version: 1

connections:
  {connection}:
    connector: google
    settings:
      service_account: ${{file:{key}}}
      admin: {admin}
      endpoints: {endpoints}
    limits: {{requests_per_second: 2000, concurrency: 16}}

syncs:
  {sync}:
    connection: {connection}
    streams: {{contacts: {{}}, calendar: {{calendars: all}}, files: {{}}, mail: {{}}}}
    schedule: {{every: 15s}}
"""

QUERY = """\
SELECT account, subject, "from" FROM v1_messages ORDER BY date DESC LIMIT 3"""


def run_demo(*, keep: bool) -> int:
    """Mirror a simulated organisation three times; with `keep`, leave simulator and daemon running until Ctrl-C."""
    folder = _folder()
    say("A simulated organisation of", PEOPLE, "people …", style="bold")
    world = demo_organisation(SEED, PEOPLE)
    with serve(google_app(world)) as server, ExitStack() as stack:
        _configure(folder, world, server.url)
        runs = asyncio.run(_show(folder, world))
        _summary(folder, runs)
        if keep:
            _keep(folder, world, stack)
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


def _configure(folder: Path, world: GoogleWorld, url: str) -> None:
    key = folder / "service-account.json"
    key.touch(mode=0o600)
    key.write_text(json.dumps(world.key_file(f"{url}/token")))
    admin = next(user.address for user in world.users.values() if user.is_admin)
    endpoints = json.dumps(world.endpoints(url))
    text = YAML.format(connection=CONNECTION, sync=SYNC, key=key, admin=admin, endpoints=endpoints)
    (folder / "config" / "acme.yaml").write_text(text)


class _Demo:
    """The steps, on a control of this process."""

    def __init__(self, control: Any, world: GoogleWorld) -> None:
        self.control = control
        self.world = world
        self.editor = Editor(world, SEED)
        self.feed = 0

    async def step(self, title: str, remark: str = "") -> None:
        say()
        console().print(styled(f"▸ {title}", "bold cyan"))
        if remark:
            say(" ", remark, style="dim")
        with Watch(quiet=False) as watch:
            end = await watch.follow(self.control.sync(SYNC))
        show_report(end["report"])
        if end["report"]["status"] == "held":
            await self.approve()

    async def approve(self) -> None:
        """Deletions that syncd will not do unasked: in real life a person looks at them first."""
        held = await self.control.held(SYNC)
        show_held(held)
        await self.control.decide(SYNC, True, shown=held["shown"])
        say("  approved, as `syncd approve` does after asking", style="yellow")

    async def edits(self) -> str:
        with self.world.lock:
            made = Counter(self.editor.random_edit() for _ in range(EDITS))
        return ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in made.most_common())

    async def changes(self) -> None:
        """What the change feed tells since the last look, a few of each stream."""
        say("  what the change feed says:", style="dim")
        for stream in ("contacts", "calendar", "files", "mail"):
            lines = self.control.records(connection=CONNECTION, stream=stream, since=self.feed, limit=2)
            async for line in lines:
                record = json.loads(line)
                say("   ", stream.ljust(9), record["change"].ljust(8), _title(record), style="dim")

    async def seq(self) -> int:
        highest = 0
        for stream in ("contacts", "calendar", "files", "mail"):
            async for line in self.control.records(connection=CONNECTION, stream=stream):
                highest = max(highest, json.loads(line)["seq"])
        return highest

    async def expire(self) -> None:
        for user in list(self.world.users.values()):
            for api in ("people", "calendar", "drive", "gmail"):
                self.world.expire(api, user)


def _title(record: dict[str, Any]) -> str:
    summary = record["summary"]
    title = next(
        (summary[key] for key in ("name", "title", "subject", "path") if summary.get(key)), record["source_id"]
    )
    return plain_text(f"{title}  ({record['account']})")[:90]


async def _show(folder: Path, world: GoogleWorld) -> list[dict[str, Any]]:
    from syncd.daemon import assembled

    async with assembled(folder / "config", folder / "state", lenient=False) as control:
        found = await control.import_accounts(CONNECTION)
        roles = Counter(account["role"] for account in found["accounts"])
        say("imported", len(found["accounts"]), "accounts:", ", ".join(f"{n} {role}" for role, n in roles.items()))
        demo = _Demo(control, world)
        await demo.step("First run", "everything is read once")
        demo.feed = await demo.seq()
        told = await demo.edits()
        await demo.step(f"People made {EDITS} edits; second run", told)
        await demo.changes()
        await demo.expire()
        await demo.step("Every cursor has expired; third run", "read again as a whole: nothing new, nothing twice")
        await demo.step("Nothing happened; fourth run", "one request per partition, plus discovery")
        history: list[dict[str, Any]] = await control.history(SYNC, 10)
        return history


def _summary(folder: Path, runs: list[dict[str, Any]]) -> None:
    say()
    rows = [
        [run["run"], styled(run["status"]), span(run["duration_s"]), f"{run['requests']:,}", counts_text(run["counts"])]
        for run in runs
    ]
    table(
        ["run", "status", "took", "requests", "counts"],
        rows,
        title=f"history of {SYNC}",
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
    say(f"  {_command()} history {SYNC}")


def _command() -> str:
    return os.path.relpath(Path(sys.executable).with_name("syncd"))


def _keep(folder: Path, world: GoogleWorld, stack: ExitStack) -> None:
    """A daemon beside the simulator, and an edit now and then, until Ctrl-C."""
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
    say("The daemon and the simulator go on until Ctrl-C; somebody edits something every few seconds.", style="bold")
    say("  log:", str(folder / "daemon.log"), style="dim")
    editor = Editor(world, SEED + 1)
    try:
        while daemon.poll() is None:
            try:
                daemon.wait(timeout=5)
            except subprocess.TimeoutExpired:
                with world.lock:
                    editor.random_edit()
    except KeyboardInterrupt:
        say()
        say("stopping", style="dim")


def _stop(daemon: "subprocess.Popen[bytes]") -> None:
    daemon.terminate()
    daemon.wait()
