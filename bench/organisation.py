"""A whole organisation in which nothing happens: what a cycle of a daemon costs over all its partitions.

Public: organisation. `python -m bench.organisation PEOPLE` serves the simulated Microsoft organisation, in a process of its
own, and prints the settings of a connection to it.
"""

import json
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from bench.harness import Syncd, daemon, floor, source

STREAMS = ["contacts", "calendar", "files", "mail"]
LOOK = 5.0  # seconds between two looks at a run


def organisation(folder: Path, people: int, repeats: int) -> None:
    """First sync, then cycles without changes; prints requests, CPU per partition and peak memory."""
    here = folder / "organisation"
    here.mkdir()
    with source(contacts=10) as url:
        bare = floor("requests", url, here)
    with served(people) as settings:
        ours = Syncd("", here, lambda _, folder: ("microsoft", STREAMS, written(settings, folder)))
        with daemon(ours) as process:
            first = ours.sync()
            print(f"{people:,} people, first sync: {first.seconds:.0f} s, {first.records:,} items", flush=True)
            spent, cycles = [], []
            for _ in range(repeats):
                before = sum(process.cpu_times()[:2])
                cycles.append(cycle(here / "state"))
                spent.append(sum(process.cpu_times()[:2]) - before)
            report(here, people, statistics.median(spent), [one["requests"] for one in cycles], bare.cpu / bare.records)
            took = statistics.median(one["duration_s"] for one in cycles)
            print(f"a cycle took {took:.0f} s; {sum(cycles[-1]['counts'].values())} items counted")
            print(f"daemon's peak memory, first sync included: {peak_mib(process):.0f} MiB")


def cycle(state: Path) -> dict:
    """A run that nobody follows, as the schedule starts it; what `syncd show` says of it."""
    wire = httpx.HTTPTransport(uds=str(state / "syncd.sock"))
    token = {"authorization": f"Bearer {(state / 'api-token').read_text().strip()}"}
    with httpx.Client(transport=wire, base_url="http://syncd/api/v1", headers=token, timeout=60) as http:
        number = http.post("/syncs/bench/runs", json={}).raise_for_status().json()["run"]
        while (run := http.get(f"/runs/{number}").raise_for_status().json())["status"] == "running":
            time.sleep(LOOK)
    assert run["status"] == "completed", run
    return run


def report(folder: Path, people: int, cpu: float, requests: list[int], bare: float) -> None:
    """The cycle against its limits. Discovery is what is asked beside one request per partition."""
    parts = partitions(folder)
    total, mail = sum(parts.values()), parts["mail"]
    told = ", ".join(f"{count:,} {name}" for name, count in sorted(parts.items()))
    print(f"{total:,} partitions: {told}")
    print(f"requests a cycle: {max(requests):,}; limit {6 * people:,} + {mail:,} mail folders = {6 * people + mail:,}")
    each, above = cpu / total * 1000, (cpu - max(requests) * bare) / total * 1000
    print(
        f"CPU per partition: {each:.2f} ms; bare httpx request {bare * 1000:.2f} ms; above the requests made {above:.2f} ms"
    )
    print(f"                   above one request per partition {each - bare * 1000:.2f} ms")


def partitions(folder: Path) -> Counter[str]:
    """How many partitions each stream has."""
    with sqlite3.connect(f"file:{folder / 'state' / 'syncd.db'}?mode=ro", uri=True) as database:
        found = database.execute(
            "SELECT stream.name, count(*) FROM partition JOIN stream ON stream.id = partition.stream_id "
            "WHERE partition.gone_at IS NULL GROUP BY stream.name"
        ).fetchall()
    database.close()
    return Counter(dict(found))


def peak_mib(process: psutil.Process) -> float:
    """The most memory that it ever had."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def written(settings: dict, folder: Path) -> dict[str, str]:
    """The settings as YAML values, the secret in a file."""
    (folder / "secret").write_text(settings["client_secret"])
    plain = {name: json.dumps(value) for name, value in settings.items()}
    return {**plain, "client_secret": f"${{file:{folder / 'secret'}}}"}


@contextmanager
def served(people: int) -> Iterator[dict]:
    """The organisation's server; gives the settings."""
    command = [sys.executable, "-m", "bench.organisation", str(people)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    from syncd_simulator import serve
    from syncd_simulator.microsoft import Editor, MicrosoftWorld, microsoft_app

    world = MicrosoftWorld(1)
    world.quotas.mailbox_requests = None
    world.quotas.directory_units = None
    editor = Editor(world, 1)
    for number in range(int(sys.argv[1])):
        user = world.add_user("User", str(number), f"user{number}@contoso.example", admin=number == 0)
        editor.add_contact(user)
        editor.add_event(user)
        editor.add_file(user)
        editor.add_mail(user)
    server = serve(microsoft_app(world))
    print(json.dumps(world.settings(server.url)), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
