"""A stream of a tap: one round is one process.

Public: SingerStream, streams_of, discovered.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from syncd.sdk import (
    DELTA,
    FULL,
    NEVER,
    REPORTED,
    SWEEP,
    Context,
    Page,
    ProtocolError,
    Stream,
    StreamInfo,
    SyncdError,
)

from . import errors
from .catalog import Catalog, parsed
from .folder import private_folder
from .plan import Plan, StreamPlan
from .process import Tap, running, whole_output
from .reader import Reader, place_of

__all__ = ["SingerStream", "discovered", "streams_of"]

VOLATILE = (
    "_sdc_batched_at",
    "_sdc_extracted_at",
    "_sdc_received_at",
    "_sdc_sequence",
    "_sdc_sync_started_at",
    "_sdc_table_version",
)
UNFIT = re.compile(r"[^a-z0-9_-]+")


class SingerStream(Stream):
    """Reads one stream of the tap's catalogue."""

    def __init__(self, plan: Plan, name: str, stream: StreamPlan) -> None:
        self.plan = plan
        self.stream = stream
        self.tap_stream = stream.tap_stream or name
        self.info = _info(name, stream)

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        """Run the tap from its state on. It is killed when nobody asks for more."""
        state, version = place_of(ctx.cursor)
        catalog = self.plan.stored_catalog() or await discovered(ctx, self.plan)
        self.require(catalog)
        with private_folder() as folder:
            config = folder.write("config.json", self.plan.tap_config())
            chosen = catalog.narrowed(
                self.tap_stream, self.stream.replication, self.stream.replication_key, tuple(self.stream.exclude)
            )
            arguments = ["--config", config, self.plan.catalog_flag, folder.write("catalog.json", chosen)]
            if state is not None:
                arguments += ["--state", folder.write("state.json", state)]
            reader = self._reader(catalog, ctx, state, version)
            async with running(ctx, self.plan, folder, arguments) as tap, aclosing(_pages(tap, reader)) as pages:
                async for page in pages:
                    yield page
                last = reader.last()
            if reader.ignored:
                ctx.log.warning("the tap wrote messages of unknown types", types=sorted(reader.ignored))
            yield last

    def require(self, catalog: Catalog) -> None:
        """Raises if the catalogue does not have the stream."""
        if self.tap_stream not in catalog.entries:
            names = catalog.names()
            has = ", ".join(names[:50]) + (" and more" if len(names) > 50 else "") if names else "none"
            raise SyncdError(f"{self.plan.tap} has no stream {self.tap_stream!r}; it has {has}", code=errors.NO_STREAM)

    def _reader(self, catalog: Catalog, ctx: Context, state: object, version: int | None) -> Reader:
        return Reader(
            self.plan.tap,
            frozenset({self.tap_stream, catalog.message_name(self.tap_stream)}),
            ctx.scan,
            ctx.clock.monotonic,
            state,
            version,
            key=self.stream.key,
            deletes=self.info.deletes is REPORTED,
            keyless=DELTA not in self.info.scans,
        )


async def _pages(tap: Tap, reader: Reader) -> AsyncGenerator[Page, None]:
    """All pages but the last. Where the tap fails, what came before its last state is handed over first."""
    async with aclosing(tap.batches()) as batches:
        while True:
            try:
                lines = await anext(batches, None)
            except SyncdError:
                if (page := reader.kept()) is not None:
                    yield page
                raise
            if lines is None:
                return
            for page in reader.pages(lines):
                yield page


def streams_of(plan: Plan) -> list[SingerStream]:
    """The streams of the settings, or all of the catalogue's. Raises ValueError if neither is there or of use."""
    if plan.streams:
        return [SingerStream(plan, name, stream or StreamPlan()) for name, stream in plan.streams.items()]
    catalog = plan.stored_catalog()
    if catalog is None:
        raise ValueError("neither streams nor a catalog is named")
    found: dict[str, SingerStream] = {}
    for tap_stream in catalog.entries:
        name = _name(tap_stream)
        if name in found:
            raise ValueError(f"two streams of the catalogue would be named {name!r}: name them in `streams`")
        how = StreamPlan(tap_stream=tap_stream, replication=catalog.method(tap_stream))
        found[name] = SingerStream(plan, name, how)
    return list(found.values())


async def discovered(ctx: Context, plan: Plan) -> Catalog:
    """The tap's catalogue, from the tap."""
    with private_folder() as folder:
        config = folder.write("config.json", plan.tap_config())
        async with running(ctx, plan, folder, ["--config", config, "--discover"]) as tap:
            text = await whole_output(tap)
    try:
        return parsed(text)
    except ValueError as error:
        raise ProtocolError(f"{plan.tap} --discover: {error}", code=errors.WRONG_OUTPUT) from error


def _name(tap_stream: str) -> str:
    """`public-Users.v2` is called `public-users-v2`."""
    name = UNFIT.sub("-", tap_stream.lower()).strip("-_")
    return (name if name[:1].isalpha() else f"s-{name}")[:63]


def _info(name: str, stream: StreamPlan) -> StreamInfo:
    """Without a complete look now and then, an incremental stream never learns of deletions."""
    incremental = stream.replication != "full"
    sweeps = SWEEP if stream.every is not None or not incremental else NEVER
    return StreamInfo(
        name,
        scans={FULL, DELTA} if incremental else {FULL},
        deletes=REPORTED if stream.replication == "log_based" else sweeps,
        volatile=_volatile(stream.volatile),
        full_every=stream.every if incremental else None,
        kind=stream.kind,
    )


def _volatile(named: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*VOLATILE, *named)))
