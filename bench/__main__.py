"""`python -m bench` (or `make bench`): the floor and syncd on the same pages, in one run. Prints ratios and peak memory.

Everything runs as a process of its own: the source, the floor's script, the real `syncd` command. `python -m bench WHAT`
measures one thing: contacts, mail, files, accounts, zoho; or organisation, a simulated organisation of 5,000 people at
Microsoft, which takes minutes and is not part of the rest. `--million` adds the memory comparison between 100,000 and
1,000,000 records. Figures are only comparable within one run.
"""

import argparse
import hashlib
import shutil
import sqlite3
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx

from bench.harness import Measured, Syncd, cpu, daemon, floor, google, median, row, source, zoho
from bench.organisation import organisation

REPEATS = 3
PARTS = ("contacts", "mail", "files", "accounts", "zoho")


def contacts(folder: Path, count: int, repeats: int) -> Measured:
    """First sync, no change, 1 % changed; gives the first sync."""
    firsts: list[tuple[Measured, ...]] = []
    for repeat in range(repeats):
        here = folder / f"contacts-{count}-{repeat}"
        here.mkdir()
        with source(contacts=count) as url:
            bare = [floor("contacts", url, here), floor("contacts", url, here)]
            ours = Syncd(url, here, google)
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
            pairs.append((floor(stream, url, here), Syncd(url, here, google).sync(stream)))
        shutil.rmtree(here)
    bare, ours = (median(list(column)) for column in zip(*pairs, strict=True))
    row(f"{ours.records:,} {stream}, first", bare, ours)


def no_change_cost(folder: Path, accounts: int = 500) -> None:
    """CPU of a daemon per unchanged partition, above a bare httpx request. Its tokens are there already."""
    folder.mkdir()
    with source(contacts=10, users=accounts) as url:
        ours = Syncd(url, folder, google)
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


def book(folder: Path, count: int, repeats: int) -> None:
    """Zoho's address book, which is read as a whole each time: first, and again though nothing has changed."""
    found: list[tuple[Measured, ...]] = []
    for repeat in range(repeats):
        here = folder / f"zoho-{repeat}"
        here.mkdir()
        with source(zoho=count) as url:
            bare = [floor("zoho", url, here), floor("zoho", url, here)]
            ours = Syncd(url, here, zoho)
            first = ours.sync("contacts")
            before = written(here)
            again = ours.sync("contacts")
            assert ours.counts == {"unchanged": count}, ours.counts
            assert written(here) == before, "an unchanged book was written"
            found.append((*bare, first, again))
        shutil.rmtree(here)
    bare_first, bare_again, first, again = (median(list(column)) for column in zip(*found, strict=True))
    row(f"{count:,} Zoho contacts, first", bare_first, first)
    row("  read again, unchanged", bare_again, again)
    cpu("", bare_again, again)


def written(folder: Path) -> str:
    """A digest of all rows that hold records."""
    digest = hashlib.sha256()
    with sqlite3.connect(f"file:{folder / 'state' / 'syncd.db'}?mode=ro", uri=True) as database:
        for table in ("record", "payload", "record_version"):
            for line in database.execute(f"SELECT * FROM {table}"):
                digest.update(repr(line).encode())
    database.close()
    return digest.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "what", nargs="*", choices=[*PARTS, "organisation", []], help="parts; default: all but the last"
    )
    parser.add_argument("--million", action="store_true", help="compare peak memory at 100,000 and 1,000,000 records")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--people", type=int, default=5_000, help="of the organisation")
    given = parser.parse_args()
    what = given.what or PARTS
    with tempfile.TemporaryDirectory(prefix="syncd-bench-") as name:
        pages(Path(name), what, given.repeats, million=given.million)
        if "organisation" in what:
            organisation(Path(name), given.people, given.repeats)


def pages(folder: Path, what: Sequence[str], repeats: int, *, million: bool) -> None:
    """What is compared with a floor."""
    if set(what) & set(PARTS):
        print(f"{'':<28} {'floor':^27} │ {'syncd':^27} │ ratio\n{'':<28} {'':>20} {'MiB':>6} │ {'':>20} {'MiB':>6} │")
    if "contacts" in what:
        first = contacts(folder, 100_000, repeats)
        if million:
            most = contacts(folder, 1_000_000, 1)
            print(f"peak memory: {first.peak_mib:.0f} MiB at 100,000, {most.peak_mib:.0f} MiB at 1,000,000 records")
    if "zoho" in what:
        book(folder, 100_000, repeats)
    if "mail" in what:
        content(folder, "mail", repeats, mails=5000)
    if "files" in what:
        content(folder, "files", repeats, files=2000)
    if "accounts" in what:
        no_change_cost(folder / "accounts")


if __name__ == "__main__":
    main()
