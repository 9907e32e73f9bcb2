"""Two taps from PyPI, as they are: see tests/taps/README.md."""

import http.server
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from syncd.sdk import DELTA

from .conftest import Reading

pytestmark = pytest.mark.anyio
TAPS = Path(__file__).parents[3] / "build" / "taps"


def installed(tap: str) -> str:
    """The tap's environment; without one the test is skipped, or fails where taps are required."""
    place = TAPS / tap
    if not (place / "bin" / tap).exists():
        missing = f"{tap} is not installed: sh connectors/singer/tests/taps/install.sh"
        if os.environ.get("SYNCD_TAPS") == "required":
            pytest.fail(missing)
        pytest.skip(missing)
    return str(place)


def data(reading: Reading) -> dict[str, Any]:
    assert reading.error is None, f"{reading.error}\n{reading.logged}"
    return {item.source_id: msgspec.json.decode(item.data) for item in reading.items}


async def test_tap_jsonl_reads_files_again_when_they_have_changed(tmp_path: Path) -> None:
    def write(*rows: Any) -> None:
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    reading = Reading(
        {
            "tap": "tap-jsonl",
            "venv": installed("tap-jsonl"),
            "config": {"path": f"{tmp_path}/*.jsonl", "stream_name": "Rows", "primary_keys": ["id"]},
            "streams": {"rows": {"tap_stream": "Rows", "exclude": ["unwanted"]}},
        }
    )
    write({"id": "a", "n": 1, "unwanted": 1}, {"id": "b", "n": 2, "unwanted": 2})
    first = data(await reading.read())
    assert {name: (row["n"], row.get("unwanted")) for name, row in first.items()} == {"a": (1, None), "b": (2, None)}
    write({"id": "b", "n": 3}, {"id": "c", "n": 4})
    assert {name: row["n"] for name, row in data(await reading.read()).items()} == {"b": 3, "c": 4}
    assert reading.pages[-1].last


class Api(http.server.BaseHTTPRequestHandler):
    """Items in pages of three, by their number."""

    def do_GET(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if self.headers["Authorization"] is None:
            self.send_error(401)
            return
        server: Any = self.server
        found = [item for item in server.items if item["seq"] >= float(asked["since"])]
        begin = 3 * int(asked["page"])
        body = json.dumps({"items": found[begin : begin + 3]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@contextmanager
def api() -> Iterator[Any]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


async def test_tap_rest_api_reads_an_api_and_goes_on_from_its_state(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string"}, "seq": {"type": "integer"}}}
    (tmp_path / "items.json").write_text(json.dumps(schema))
    with api() as server:
        server.items = [{"id": f"i{number}", "seq": number} for number in range(1, 8)]
        address = f"http://127.0.0.1:{server.server_port}/items?since={{start_index}}&page={{current_page}}"
        reading = Reading(
            {
                "tap": "tap-rest-api",
                "venv": installed("tap-rest-api"),
                "config": {
                    "url": address, "streams": "items", "schema_dir": str(tmp_path), "auth_method": "basic",
                    "username": "reader", "index_key": "seq", "start_index": 0, "record_list_level": "items[*]",
                    "items_per_page": 3,
                },
                "credentials": {"password": "not-to-be-seen"},
                "streams": {"items": {"replication": "incremental", "key": ["id"]}},
            }
        )  # fmt: skip
        assert data(await reading.read()).keys() == {item["id"] for item in server.items}
        server.items += [{"id": "i8", "seq": 8}, {"id": "i9", "seq": 9}]
        changed = data(await reading.read(DELTA, reading.pages[-1].bookmark))
    assert {"i8", "i9"} <= changed.keys()
    assert not {"i1", "i2"} & changed.keys()
