"""A live configuration folder under random edits, half of them invalid, while syncs run: nobody ends, nothing is torn.

The folder is taken over by `Control.reload`, as the watcher and SIGHUP have it done; that these notice an edit is tested
elsewhere.
"""

import asyncio
import json
import os
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from syncd_simulator import serve

from syncd.control.control import Control
from syncd.control.errors import BUSY, ControlError
from syncd.daemon import assembled
from syncd.engine.chores import Chores
from syncd.web.metrics import mount
from tests.support.process import Site
from tests.support.providers import GOOGLE
from tests.support.receivers import WebHook

pytestmark = pytest.mark.anyio
Document = dict[str, Any]

SCHEDULES = [
    "daily-2am",
    "every-12h",
    {"every": "15s"},
    {"every": "1m"},
    {"cron": "*/5 * * * *", "timezone": "Europe/Madrid"},
]
HARMLESS: list[Callable[[Document, random.Random], Any]] = [
    lambda d, r: d["syncs"]["steady"].update(schedule=r.choice(SCHEDULES)),
    lambda d, r: d["syncs"]["steady"].update(pause_after=r.randrange(1, 9)),
    lambda d, r: d["syncs"]["steady"].update(enabled=r.random() < 0.5),
    lambda d, r: d["syncs"]["steady"].update(max_delete=f"{r.randrange(1, 100)}%"),
    lambda d, r: d["syncs"]["steady"].update(full_every=f"{r.randrange(1, 60)}d"),
    lambda d, r: d["daemon"].update(notify=r.sample(["${env:HOOK_A}", "${env:HOOK_B}"], r.randrange(3))),
    lambda d, r: d["daemon"].update(retention={"runs": f"{r.randrange(1, 99)}d"}),
    lambda d, r: d["syncs"].update({f"more{r.randrange(3)}": {"connection": "other", "streams": ["mail"]}})
    or [d["syncs"].pop(f"more{n}", None) for n in r.sample(range(3), 2)],
]  # fmt: skip
ENDING: list[Callable[[Document, random.Random], Any]] = [  # they end a run of `shaken` after its page
    lambda d, r: d["syncs"]["shaken"].update(deletions=r.choice(["tombstone", "keep"])),
    lambda d, r: d["syncs"]["shaken"].update(accounts={"exclude": [f"x{r.randrange(9)}@*"]}),
    lambda d, r: d["syncs"]["shaken"].update(streams=r.choice([["contacts"], ["contacts", "calendar"]])),
]
BROKEN: list[Callable[[Document, random.Random], Any]] = [
    lambda d, r: d["syncs"]["steady"].update(bogus=1),
    lambda d, r: d["syncs"]["steady"].update(schedule={"every": "1s"}),
    lambda d, r: d["syncs"]["steady"].update(schedule={"cron": "61 * * * *"}),
    lambda d, r: d["syncs"]["steady"].update(pause_after=r.choice([0, "three", None, [], 1.5])),
    lambda d, r: d["syncs"]["steady"].update(connection="nowhere"),
    lambda d, r: d["syncs"].update(thief={"connection": "acme", "streams": ["mail"]}),
    lambda d, r: d["daemon"].update(notify=["${env:NOT_SET}"]),
    lambda d, r: d["daemon"].update(notify=["json://user:in-the-clear@127.0.0.1/"]),
    lambda d, r: d["daemon"].update(concurrency=-1),
    lambda d, r: d.pop("connections"),
    lambda d, r: d.update(version=2),
]


def written(document: Document, broken: bool, rng: random.Random) -> bytes:
    """The file; a broken one sometimes as an editor, a full disk or a cat on the keyboard leaves it."""
    text = json.dumps(document, indent=1).encode()
    if not broken:
        return text
    return rng.choice([text[: rng.randrange(1, len(text) - 2)], b"\t" + text, text + b"\xff", text + text, b"- no\n"])


class Folder:
    """The configuration folder, edited at random. `document`: as it is when valid."""

    def __init__(self, site: Site, rng: random.Random) -> None:
        self.file = site.config / "acme.yaml"
        self.rng = rng
        self.document: Document = json.loads(self.file.read_text())
        self.document["connections"]["other"] = self.document["connections"]["acme"]
        self.document["syncs"] = {
            "steady": {"connection": "acme", "streams": ["mail", "files"]},
            "shaken": {"connection": "acme", "streams": ["contacts"]},
        }
        self.write(self.document)

    def write(self, document: Document, broken: bool = False) -> None:
        part = self.file.with_suffix(".part")
        part.write_bytes(written(document, broken, self.rng))
        part.replace(self.file)

    def edit(self) -> bool:
        """One edit; whether it leaves the folder valid."""
        document, choice = json.loads(json.dumps(self.document)), self.rng.random()
        if choice < 0.5:
            self.rng.choice(HARMLESS if choice < 0.35 else ENDING)(document, self.rng)
            self.document = document
            self.write(document)
            return True
        if choice < 0.9:
            self.rng.choice(BROKEN)(document, self.rng)
        self.write(document, broken=choice >= 0.9)
        return False


class Load:
    """Runs of a sync one after the other, for as long as it lasts."""

    def __init__(self, control: Control, sync: str) -> None:
        self._control = control
        self._sync = sync
        self.reports: list[dict[str, Any]] = []

    async def run(self) -> None:
        while True:
            try:
                async for event in self._control.sync(self._sync):
                    if event["event"] == "report":
                        self.reports.append(event["report"])
            except ControlError as error:
                if error.exit_code != BUSY:  # one that a reload is just ending is not joined
                    raise
                await asyncio.sleep(0.05)


@asynccontextmanager
async def living(site: Site) -> AsyncIterator[tuple[Control, dict[str, "asyncio.Task[None]"], dict[str, Load]]]:
    """A daemon in this process, with its chores, and both syncs at work."""
    async with assembled(
        site.config, site.state, daemon={"running": True, "pid": os.getpid(), "version": "0"}
    ) as control:
        for connection in ("acme", "other"):
            await control.import_accounts(connection)
        chores = Chores(control.parts.clock)
        chores.every(timedelta(seconds=1), "due check", control.scheduler.check)
        chores.every(timedelta(seconds=1), "notices", control.alarms.tick)
        loads = {name: Load(control, name) for name in ("steady", "shaken")}
        tasks = {"chores": asyncio.create_task(chores.run())}
        tasks |= {name: asyncio.create_task(load.run()) for name, load in loads.items()}
        try:
            yield control, tasks, loads
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)


async def edited(folder: Path, seed: int, count: int) -> None:
    rng = random.Random(seed)
    world = GOOGLE.small(seed)
    with serve(GOOGLE.app(world)) as server, WebHook() as hook, pytest.MonkeyPatch.context() as patched:
        for name in ("HOOK_A", "HOOK_B"):
            patched.setenv(name, f"json://127.0.0.1:{hook.port}/{name}")
        site = Site(folder, world, server.url, GOOGLE.streams)
        edits = Folder(site, rng)
        async with living(site) as (control, tasks, loads):
            for number in range(count):
                where = f"seed {seed}, edit {number}"
                problems = await one_edit(control, edits, where)
                assert await told_by_the_metric(control) == problems, where
                for name, task in tasks.items():
                    assert not task.done(), f"{name} ended: {task}"
            edits.write(edits.document)
            assert (await control.reload())["ok"]
        judge(loads)


async def one_edit(control: Control, edits: Folder, where: str) -> int:
    """After it, the folder's problems are shown if there are any, and what is in force is the last valid one. How many."""
    before = control.parts.config
    valid = edits.edit()
    answer = await control.reload()
    assert answer["ok"] is valid, f"{where}: {answer['problems']}\n{edits.file.read_bytes()!r}"
    shown = [one for one in (await control.status())["problems"] if one["file"]]
    assert bool(shown) is not valid, where
    if valid:
        assert control.parts.config.syncs.keys() == edits.document["syncs"].keys(), where
    else:
        assert control.parts.config is before, where
        assert shown == answer["problems"], where
    await asyncio.sleep(0)
    return len(shown)


async def told_by_the_metric(control: Control) -> int:
    """`syncd_config_problems` of a page of metrics that is asked for now."""
    app = FastAPI()
    mount(app, control)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://syncd") as client:
        page = (await client.get("/metrics")).text
    (value,) = re.findall(r"^syncd_config_problems (\S+)$", page, re.MULTILINE)
    return int(float(value))


def judge(loads: dict[str, Load]) -> None:
    """Harmless edits touched no run; the others ended theirs between two pages, with every item accounted for."""
    steady, shaken = loads["steady"].reports, loads["shaken"].reports
    assert len(steady) > 1
    assert {report["status"] for report in steady} == {"completed"}
    assert {report["status"] for report in shaken} <= {"completed", "cancelled"}
    assert not [error for report in (*steady, *shaken) for error in report["errors"] if error["code"] != "SYN-RUN-002"]


async def test_a_folder_edited_at_random_under_load_ends_nobody(tmp_path: Path) -> None:
    await edited(tmp_path, seed=5, count=150)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
async def test_ten_thousand_edits(tmp_path: Path) -> None:
    await edited(tmp_path, seed=6, count=10_000)
