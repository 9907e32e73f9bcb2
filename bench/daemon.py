"""`python -m bench.daemon`: a large daemon that has nothing to do. Time until it is ready, memory when idle, first page, search.

The store is seeded with plain SQL (1,000 syncs, 20,000 partitions, `--records` contacts); everything else is the real
`syncd run` on a folder of 250 files, told through a notification socket.
"""

import argparse
import json
import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil

from syncd.sdk import SystemClock
from syncd.store import open_store

CONNECTIONS, ACCOUNTS = 250, 20
STREAMS = {"contacts": "contact", "calendar": "event", "files": "file", "mail": "message"}
NOW = 1_795_000_000_000_000  # microseconds
TOKEN = "bench-token-bench-token-bench"
SCOPE = b'{"streams": null, "accounts": null, "full": false}'
GIVEN = ["Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Radia", "Ken"]
FAMILY = ["Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth", "Perlman", "Thompson"]


class Seeder:
    """Rows by column name; a column that must have a value and was given none gets an empty one."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path)
        self._database.execute("PRAGMA synchronous = OFF")

    def rows(self, table: str, rows: Iterator[dict[str, Any]]) -> None:
        columns = self._database.execute(f"PRAGMA table_info({table})").fetchall()
        empty = {name: None if not required else self._nothing(kind) for _, name, kind, required, *_ in columns}
        names = ", ".join(f'"{name}"' for name in empty)
        sql = f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({', '.join('?' * len(empty))})"
        self._database.executemany(sql, ([*{**empty, **row}.values()] for row in rows))

    @staticmethod
    def _nothing(kind: str) -> Any:
        return b"{}" if kind == "BLOB" else "" if kind == "TEXT" else 0

    def close(self) -> None:
        self._database.commit()
        self._database.close()


def seed(state: Path, records: int) -> None:
    open_store(state, SystemClock()).close()
    seeder = Seeder(state / "syncd.db")
    connections, accounts, streams = range(CONNECTIONS), range(CONNECTIONS * ACCOUNTS), range(CONNECTIONS * 4)
    seeder.rows(
        "connection",
        ({"id": c + 1, "name": f"org-{c:03}", "connector": "google", "imported_at": NOW} for c in connections),
    )
    seeder.rows(
        "account",
        (
            {
                "id": a + 1, "connection_id": a // ACCOUNTS + 1, "source_id": str(a), "address": f"p{a}@org.example",
                "label": f"p{a}@org.example", "name": f"Person {a}", "kind": "person", "role": "user",
                "state": "active", "imported_at": NOW,
            }
            for a in accounts
        ),
    )  # fmt: skip
    kinds = list(STREAMS.items())
    seeder.rows(
        "stream",
        ({"id": s + 1, "connection_id": s // 4 + 1, "name": kinds[s % 4][0], "kind": kinds[s % 4][1]} for s in streams),
    )
    of_contacts = CONNECTIONS * ACCOUNTS
    per = max(1, records // of_contacts)
    seeder.rows(
        "partition",
        (
            {
                "id": a * 4 + s + 1, "stream_id": a // ACCOUNTS * 4 + s + 1, "account_id": a + 1, "holder": a + 1,
                "created_at": NOW, "full_at": NOW, "last_completed_at": NOW, "last_round": 1, "cursor": b'"x"',
                "live": per if s == 0 else 0,
            }
            for a in accounts
            for s in range(4)
        ),
    )  # fmt: skip
    seeder.rows("record", (record(number, per) for number in range(records)))
    seeder.rows("payload", (payload(number) for number in range(records)))
    seeder.rows("counter", iter([{"name": "seq", "value": records + 1}, {"name": "round", "value": 2}]))
    counts = json.dumps({"new": 1, "unchanged": 99, "listed": 100}).encode()
    seeder.rows(
        "run",
        (
            {
                "id": r + 1, "sync": f"sync-{r % 1000:04}", "connection": f"org-{r % 1000 // 4:03}", "trigger": "scheduled",
                "status": "completed", "started_at": NOW - 10**9, "finished_at": NOW, "counts": counts, "streams": b"[]", "scope": SCOPE,
            }
            for r in range(10_000)
        ),
    )  # fmt: skip
    seeder.close()


def record(number: int, per: int) -> dict[str, Any]:
    account = min(number // per, CONNECTIONS * ACCOUNTS - 1)
    return {
        "id": number + 1, "stream_id": account // ACCOUNTS * 4 + 1, "scope": account + 1, "source_id": f"people/c{number}",
        "partition_id": account * 4 + 1, "seq": number + 1, "version": 1, "change": "added", "digest": number.to_bytes(16),
        "summary_version": 1, "seen_round": 1, "first_seen_at": NOW, "last_changed_at": NOW,
    }  # fmt: skip


def payload(number: int) -> dict[str, Any]:
    name = f"{GIVEN[number % 8]} {FAMILY[number // 8 % 8]} {number}"
    summary = {"name": name, "emails": [f"{number}@example.org"]}
    data = {
        "resourceName": f"people/c{number}",
        "names": [{"displayName": name}],
        "biographies": [{"value": "x" * 300}],
    }
    return {"record_id": number + 1, "data": json.dumps(data).encode(), "summary": json.dumps(summary).encode()}


def configure(folder: Path) -> None:
    key = {
        "type": "service_account",
        "client_email": "x@y.example",
        "private_key": "none",
        "token_uri": "http://127.0.0.1:1/token",
    }
    (folder / "key.json").write_text(json.dumps(key))
    (folder / "daemon.yaml").write_text(
        f"version: 1\ndaemon: {{listen: '127.0.0.1:{port()}', token: '${{file:token}}'}}\n"
    )
    (folder / "token").write_text(TOKEN)
    for number in range(CONNECTIONS):
        syncs = {
            f"sync-{number * 4 + index:04}": {"connection": f"org-{number:03}", "streams": [stream]}
            for index, stream in enumerate(STREAMS)
        }
        settings = {"service_account": "${file:key.json}", "admin": "admin@org.example"}
        connection = {f"org-{number:03}": {"connector": "google", "settings": settings}}
        (folder / f"org-{number:03}.yaml").write_text(
            json.dumps({"version": 1, "connections": connection, "syncs": syncs})
        )


def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def measure(folder: Path, state: Path) -> None:
    notify = folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(str(notify))
        door.settimeout(120)
        syncd = Path(sys.executable).with_name("syncd")
        environment = {**os.environ, "NOTIFY_SOCKET": str(notify)}
        began = time.perf_counter()
        command = [syncd, "run", "--config", folder, "--state", state]
        with (folder / "log").open("w") as log, subprocess.Popen(command, env=environment, stderr=log) as process:
            while not door.recv(4096).startswith(b"READY=1"):
                pass
            print(f"start until ready          {time.perf_counter() - began:8.2f} s     (at most 2)")
            try:
                print(f"search index caught up     {calm(process.pid):8.1f} s")
                ask(folder)
                print(f"memory when idle           {resident(process.pid):8.1f} MiB   (at most 120)")
                before, at = cpu(process.pid), time.perf_counter()
                time.sleep(10)
                print(f"processor when idle        {(cpu(process.pid) - before) / (time.perf_counter() - at):8.1%}")
            finally:
                process.send_signal(signal.SIGTERM)


def calm(pid: int) -> float:
    """Wait until it has nothing to do any more; seconds."""
    began = time.perf_counter()
    while True:
        before = cpu(pid)
        time.sleep(2)
        if cpu(pid) - before < 0.2 or time.perf_counter() - began > 180:
            return time.perf_counter() - began - 2


def resident(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def ask(folder: Path) -> None:
    listen = (folder / "daemon.yaml").read_text().split("'")[1]
    with httpx.Client(base_url=f"http://{listen}", headers={"authorization": f"Bearer {TOKEN}"}, timeout=60) as http:
        for title, path, limit in (
            ("first page", "/", 100),
            ("status of the API", "/api/v1/status", 0),
            ("search, one word", "/records?connection=org-007&stream=contacts&q=Lovelace", 300),
            (
                "search, of one account",
                "/records?connection=org-007&stream=contacts&account=p141@org.example&q=Hopper",
                300,
            ),
            ("search, nothing found", "/records?connection=org-007&stream=contacts&q=nobodyhasthis", 300),
        ):
            times = []
            for _ in range(5):
                began = time.perf_counter()
                answer = http.get(path, headers={"accept": "text/html, application/json"})
                times.append(time.perf_counter() - began)
            told = f"(at most {limit})" if limit else ""
            print(
                f"{title:26} {statistics.median(times) * 1000:8.1f} ms    {told} {answer.status_code}, {len(answer.content):,} bytes"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, state = Path(scratch) / "config", Path(scratch) / "state"
        folder.mkdir()
        state.mkdir(mode=0o750)
        seed(state, arguments.records)
        configure(folder)
        measure(folder, state)


if __name__ == "__main__":
    main()
