"""`python -m bench` (or `make bench`): the floor and syncd on the same pages, in one run. Prints ratios and peak memory.

Everything runs as a process of its own: the source, the floor's script, the real `syncd` command. `--million` adds the
memory comparison between 100,000 and 1,000,000 records. Figures are only comparable within one run.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

SYNCD = Path(sys.executable).with_name("syncd")
REPEATS = 3


@dataclass
class Measured:
    """One process: what it says it took, records, CPU seconds of the whole process, peak memory."""

    seconds: float
    records: int
    cpu: float
    peak_mib: float
    requests: int = 0

    @property
    def rate(self) -> float:
        return self.records / self.seconds if self.seconds else 0.0


@contextmanager
def source(**sizes: int) -> Iterator[str]:
    """A source process; gives its root URL."""
    arguments = [part for name, size in sizes.items() for part in (f"--{name}", str(size))]
    process = subprocess.Popen([sys.executable, "-m", "bench.source", *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


def run(command: list[str], environment: dict[str, str] | None = None) -> tuple[dict | list, float, float]:
    """Run to the end; (its JSON, CPU seconds, peak MiB)."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out, env={**os.environ, **(environment or {})})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} exited {process.returncode}: {text[:2000]!r}")
    return json.loads(text), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def floor(what: str, url: str, folder: Path) -> Measured:
    said, cpu, peak = run([sys.executable, "-m", "bench.floor", what, url, str(folder / "floor.db")])
    return Measured(said["seconds"], said["records"], cpu, peak)


class Syncd:
    """The real command on a configuration that points at the source."""

    def __init__(self, url: str, folder: Path) -> None:
        self.environment = {"SYNCD_CONFIG": str(folder / "config"), "SYNCD_STATE": str(folder / "state")}
        (folder / "config").mkdir(parents=True)
        (folder / "state").mkdir()
        (folder / "key.json").write_text(json.dumps(service_account(url)))
        roots = "\n".join(f"        {name}: {url}" for name in ("people", "calendar", "drive", "gmail", "admin"))
        (folder / "config" / "bench.yaml").write_text(
            f"version: 1\nconnections:\n  bench:\n    connector: google\n    settings:\n"
            f"      service_account: ${{file:{folder / 'key.json'}}}\n      admin: user0@bench.example\n"
            f"      endpoints:\n{roots}\n        token: {url}/token\n"
            "    limits: {requests_per_second: 1000000, concurrency: 64}\n"
            "syncs:\n  bench: {connection: bench, streams: [contacts, files, mail]}\n"
        )
        run([str(SYNCD), "import", "bench", "--json"], self.environment)

    def sync(self, stream: str) -> Measured:
        said, cpu, peak = run([str(SYNCD), "sync", "bench", "--stream", stream, "--json"], self.environment)
        (report,) = said
        counts = report["counts"]
        assert report["status"] == "completed", report
        return Measured(report["duration_s"], sum(counts.values()), cpu, peak, report["requests"])


def service_account(url: str) -> dict[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {
        "type": "service_account",
        "client_email": "bench@bench.iam.example",
        "private_key_id": "1",
        "private_key": pem,
        "token_uri": f"{url}/token",
    }


def row(name: str, base: Measured | None, ours: Measured) -> None:
    ratio = f"{ours.rate / base.rate:5.2f}" if base and base.rate else "    –"
    bare = f"{base.seconds:7.2f} s {base.rate:9,.0f}/s {base.peak_mib:5.0f}" if base else " " * 27
    print(f"{name:<28} {bare} │ {ours.seconds:7.2f} s {ours.rate:9,.0f}/s {ours.peak_mib:5.0f} │ {ratio}", flush=True)


def median(measured: list[Measured]) -> Measured:
    return sorted(measured, key=lambda m: m.seconds)[len(measured) // 2]


def contacts(folder: Path, count: int, repeats: int) -> Measured:
    """First sync, no change, 1 % changed; gives the first sync."""
    firsts: list[tuple[Measured, ...]] = []
    for repeat in range(repeats):
        here = folder / f"contacts-{count}-{repeat}"
        here.mkdir()
        with source(contacts=count) as url:
            bare = [floor("contacts", url, here), floor("contacts", url, here)]
            ours = Syncd(url, here)
            syncd = [ours.sync("contacts"), ours.sync("contacts")]
            httpx.post(f"{url}/_bench/changed?percent=1").raise_for_status()
            firsts.append((*bare, floor("contacts", url, here), *syncd, ours.sync("contacts")))
        shutil.rmtree(here)
    bare_first, bare_same, bare_some, first, same, some = (median(list(column)) for column in zip(*firsts, strict=True))
    row(f"{count:,} contacts, first", bare_first, first)
    row("  no change", None, same)
    print(
        f"{'':<28} floor {bare_same.seconds * 1000:.0f} ms, syncd {same.seconds * 1000:.0f} ms, {same.requests} request(s)"
    )
    row("  1 % changed", bare_some, some)
    return first


def content(folder: Path, stream: str, repeats: int, **sizes: int) -> None:
    pairs = []
    for repeat in range(repeats):
        here = folder / f"{stream}-{repeat}"
        here.mkdir()
        with source(**sizes) as url:
            pairs.append((floor(stream, url, here), Syncd(url, here).sync(stream)))
        shutil.rmtree(here)
    bare, ours = (median(list(column)) for column in zip(*pairs, strict=True))
    row(f"{ours.records:,} {stream}, first", bare, ours)


def no_change_cost(folder: Path, accounts: int = 500) -> None:
    """CPU of a daemon per unchanged partition, above a bare httpx request. Its tokens are there already."""
    folder.mkdir()
    with source(contacts=10, users=accounts) as url:
        ours = Syncd(url, folder)
        with daemon(ours) as process:
            ours.sync("contacts")
            spent = []
            for _ in range(REPEATS):
                before = sum(process.cpu_times()[:2])
                ours.sync("contacts")
                spent.append(sum(process.cpu_times()[:2]) - before)
        bare = floor("requests", url, folder)
    ours_ms, bare_ms = statistics.median(spent) / accounts * 1000, bare.seconds / bare.records * 1000
    above = ours_ms - bare_ms
    print(
        f"no change, CPU per partition: daemon {ours_ms:.2f} ms, bare httpx request {bare_ms:.2f} ms, above {above:.2f} ms"
    )


@contextmanager
def daemon(ours: Syncd) -> Iterator[psutil.Process]:
    """`syncd run` beside which the command works; gives the process once it answers."""
    process = subprocess.Popen([str(SYNCD), "run"], env={**os.environ, **ours.environment}, stderr=subprocess.DEVNULL)
    try:
        while True:
            said, _, _ = run([str(SYNCD), "status", "--json"], ours.environment)
            assert isinstance(said, dict)
            if said["daemon"] is not None:
                break
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--million", action="store_true", help="compare peak memory at 100,000 and 1,000,000 records")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    given = parser.parse_args()
    print(f"{'':<28} {'floor':^27} │ {'syncd':^27} │ ratio\n{'':<28} {'':>20} {'MiB':>6} │ {'':>20} {'MiB':>6} │")
    with tempfile.TemporaryDirectory(prefix="syncd-bench-") as name:
        folder = Path(name)
        first = contacts(folder, 100_000, given.repeats)
        content(folder, "mail", given.repeats, mails=5000)
        content(folder, "files", given.repeats, files=2000)
        no_change_cost(folder / "accounts")
        if given.million:
            million = contacts(folder, 1_000_000, 1)
            print(f"peak memory: {first.peak_mib:.0f} MiB at 100,000, {million.peak_mib:.0f} MiB at 1,000,000 records")


if __name__ == "__main__":
    main()
