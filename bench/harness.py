"""What every measurement needs: the source, the floor and the real command as processes of their own.

Public: SYNCD, Measured, source, run, floor, Syncd, google, zoho, daemon, row, cpu, median.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

SYNCD = Path(sys.executable).with_name("syncd")


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
    """The real command on a configuration that points at the source. `provider`: `google` or `zoho`."""

    def __init__(self, url: str, folder: Path, provider: "Provider") -> None:
        self.environment = {"SYNCD_CONFIG": str(folder / "config"), "SYNCD_STATE": str(folder / "state")}
        (folder / "config").mkdir(parents=True)
        (folder / "state").mkdir()
        connector, streams, settings = provider(url, folder)
        lines = "".join(f"      {name}: {value}\n" for name, value in settings.items())
        (folder / "config" / "bench.yaml").write_text(
            f"version: 1\nconnections:\n  bench:\n    connector: {connector}\n    settings:\n{lines}"
            "    limits: {requests_per_second: 1000000, concurrency: 64}\n"
            f"syncs:\n  bench: {{connection: bench, streams: [{', '.join(streams)}]}}\n"
        )
        run([str(SYNCD), "import", "bench", "--json"], self.environment)

    def sync(self, *streams: str) -> Measured:
        """A run of these streams, or of all."""
        chosen = [part for stream in streams for part in ("--stream", stream)]
        said, cpu, peak = run([str(SYNCD), "sync", "bench", *chosen, "--json"], self.environment)
        (report,) = said
        counts = report["counts"]
        assert report["status"] == "completed", report
        self.counts = {name: count for name, count in counts.items() if count}
        return Measured(report["duration_s"], sum(counts.values()), cpu, peak, report["requests"])


Provider = Callable[[str, Path], tuple[str, list[str], dict[str, str]]]


def google(url: str, folder: Path) -> tuple[str, list[str], dict[str, str]]:
    """Connector, streams and settings of a connection to the source."""
    (folder / "key.json").write_text(json.dumps(service_account(url)))
    roots = dict.fromkeys(("people", "calendar", "drive", "gmail", "admin"), url)
    return (
        "google",
        ["contacts", "files", "mail"],
        {
            "service_account": f"${{file:{folder / 'key.json'}}}",
            "admin": "user0@bench.example",
            "endpoints": json.dumps({**roots, "token": f"{url}/token"}),
        },
    )


def zoho(url: str, folder: Path) -> tuple[str, list[str], dict[str, str]]:
    """Connector, streams and settings of a connection to the source."""
    (folder / "secret").write_text("1000.bench.secret")
    secret = f"${{file:{folder / 'secret'}}}"
    roots = dict.fromkeys(("accounts", "mail", "calendar", "contacts", "workdrive", "download", "crm"), url)
    settings = {"data_center": "eu", "client_id": "1000.BENCH", "client_secret": secret, "refresh_token": secret}
    return "zoho", ["contacts"], {**settings, "endpoints": json.dumps(roots)}


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


def cpu(name: str, base: Measured, ours: Measured) -> None:
    """CPU seconds of whole processes, imports included: steadier than the clock where other work runs."""
    print(f"{name:<28} CPU: floor {base.cpu:.2f} s, syncd {ours.cpu:.2f} s", flush=True)


def median(measured: list[Measured]) -> Measured:
    return sorted(measured, key=lambda m: m.seconds)[len(measured) // 2]


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
