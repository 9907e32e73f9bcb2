"""A version mark that moves alone is no change: the provider counted, and nobody edited anything."""

import re
from pathlib import Path

import pytest

from syncd.config.model import MaxDelete
from syncd.engine.ports import RunStatus
from tests.support.mirror import Lab
from tests.support.providers import PROVIDERS

pytestmark = pytest.mark.anyio

MARK = re.compile(rb'("(?:@odata\.etag|changeKey)":"(?:W/\\")?)')


@pytest.mark.parametrize(
    ("stream", "method"),
    [
        ("contacts", "GET /users/{u}/contactFolders/{f}/contacts/delta"),
        ("calendar", "GET /users/{u}/calendars/{c}/calendarView/delta"),
        ("mail", "GET /users/{u}/mailFolders/{f}/messages/delta"),
    ],
)
async def test_an_etag_of_outlook_that_moves_alone_is_no_update(tmp_path: Path, stream: str, method: str) -> None:
    provider = PROVIDERS["microsoft"]
    world = provider.small(5)
    async with Lab(world, tmp_path, {stream: {}}, max_delete=MaxDelete(), provider=provider) as lab:
        assert (await lab.sync()).status is RunStatus.COMPLETED
        moved = world.faults.rewrite_bytes(lambda body: MARK.sub(rb"\1AA", body), method=method, times=None)
        report = await lab.sync(full=True)
        assert moved.hits
        assert report.status is RunStatus.COMPLETED
        assert (report.counts.new, report.counts.updated, report.counts.deleted) == (0, 0, 0)
        assert report.counts.unchanged >= 8
