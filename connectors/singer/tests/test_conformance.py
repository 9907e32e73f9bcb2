"""The bridge passes the conformance suite, with a small tap as the source."""

import json
import random
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

from syncd_singer import SingerConnector, reader

from syncd.sdk import JSON, Account, Secret
from syncd.testing.suite import StreamSuite

from . import small_tap
from .conftest import executable


class TapSource:
    """A file of items, and the tap that reads it."""

    def __init__(self, folder: Path, seed: int, stream: Mapping[str, JSON]) -> None:
        self.file = folder / "items.json"
        self.rng = random.Random(seed)
        self.moved = 0
        self.incremental = "replication" in stream  # such a tap tells of no deletion
        self.items: dict[str, dict[str, JSON]] = {}
        for _ in range(13):
            self._put(f"i{len(self.items)}")
        catalog = folder / "catalog.json"  # spares half of the processes
        catalog.write_text(json.dumps({"streams": [small_tap.stream("items", small_tap.SCHEMA)]}))
        self.settings = {
            "tap": executable(folder, "small_tap.py"),
            "config": {"file": str(self.file)},
            "credentials": {"login.password": Secret(lambda: "hunter2-and-more", "${env:PASSWORD}")},
            "streams": {"items": stream},
            "catalog": str(catalog),
            "account": {"address": "tap@example.com"},
        }

    def accounts(self) -> Mapping[str, str]:
        return {"default": "tap@example.com"}

    def truth(self, account: Account) -> Mapping[str, Mapping[str, JSON]]:
        return {"": dict(self.items)}

    def change(self, rng: random.Random) -> None:
        if not self.incremental and rng.random() < 0.3 and len(self.items) > 5:
            self.delete(rng)
        else:
            self._put(rng.choice([*self.items, f"n{self.moved}"]))

    def delete(self, rng: random.Random) -> None:
        del self.items[rng.choice(sorted(self.items))]
        self._write()

    def grow(self, count: int) -> None:
        reader.PAGE_ITEMS = 500  # type: ignore[misc]
        for number in range(count):
            self.moved += 1
            self.items[f"g{number}"] = {"id": f"g{number}", "updated": self.moved, "text": "x" * 100}
        self._write()

    def _put(self, name: str) -> None:
        self.moved += 1
        self.items[name] = {"id": name, "updated": self.moved, "text": f"text {self.rng.random()}"}
        self._write()

    def _write(self) -> None:
        self.file.write_text(json.dumps(list(self.items.values())))


class _Tap(StreamSuite):
    connector, stream, seeds = SingerConnector(), "items", 1
    how: Mapping[str, JSON]
    known: ClassVar = {"a_dead_source_is_an_error": "requests are the tap's, not the connector's"}

    @contextmanager
    def source(self, seed: int) -> Iterator[Any]:  # type: ignore[override]
        with tempfile.TemporaryDirectory() as folder, patch.object(reader, "PAGE_ITEMS", 4):
            yield TapSource(Path(folder), seed, self.how)


class TestFull(_Tap):
    how: Mapping[str, JSON] = {}


class TestIncremental(_Tap):
    how: Mapping[str, JSON] = {"replication": "incremental", "replication_key": "updated", "full_every": "7d"}
