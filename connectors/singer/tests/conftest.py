"""What the tests share: taps as programs, and a way to read from them without the engine."""

import sys
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from syncd_singer import SingerConnector

from syncd.sdk import FULL, JSON, Account, Context, Page, Partition, Record, Scan, Secret, Stream, SyncdError
from syncd.testing import FakeClock
from syncd.testing.client import CapturingLog

HERE = Path(__file__).parent
PASSWORD = "hunter2-and-then-some"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def executable(folder: Path, script: str) -> str:
    """A script of this folder as a program."""
    path = folder / script.removesuffix(".py").replace("_", "-")
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / script}" "$@"\n')
    path.chmod(0o700)
    return str(path)


@dataclass
class Reading:
    """A tap's connection, and what came of it."""

    settings: Mapping[str, Any]
    log: CapturingLog = field(default_factory=CapturingLog)
    clock: FakeClock = field(default_factory=FakeClock)
    pages: list[Page] = field(default_factory=list)
    error: SyncdError | None = None

    def stream(self) -> Stream:
        return SingerConnector().configured(self.settings).streams()[0]

    def context(self, scan: Scan = FULL, cursor: JSON = None) -> Context:
        nothing: Any = None
        return Context(
            nothing, self.clock, self.log, settings=self.settings, account=Account("default", "tap@example.com"),
            partition=Partition(), scan=scan, cursor=cursor,
        )  # fmt: skip

    async def read(self, scan: Scan = FULL, cursor: JSON = None) -> "Reading":
        """A round to its end, or to its error."""
        self.pages, self.error = [], None
        stream: Any = self.stream()
        try:
            async with aclosing(stream.pages(self.context(scan, cursor))) as pages:
                async for page in pages:
                    self.pages.append(page)
        except SyncdError as error:
            self.error = error
        return self

    @property
    def items(self) -> list[Any]:
        return [item for page in self.pages for item in page.items]

    @property
    def ids(self) -> list[str]:
        return [item.source_id for item in self.items if isinstance(item, Record)]

    @property
    def logged(self) -> str:
        return "\n".join(self.log.lines)


@pytest.fixture
def hostile(tmp_path: Path) -> Callable[..., Reading]:
    """The hostile tap in one of its modes."""

    def make(mode: str, stream: Mapping[str, JSON] | None = None, version: int = 1, **settings: JSON) -> Reading:
        return Reading(
            {
                "tap": executable(tmp_path, "hostile_tap.py"),
                "config": {"mode": mode, "pids": str(tmp_path / "pids"), "version": version},
                "credentials": {"login.password": Secret(lambda: PASSWORD, "${env:PASSWORD}")},
                "streams": {"items": stream},
                **settings,
            }
        )

    return make
