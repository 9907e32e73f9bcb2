"""A whole organisation mirrored with encryption keys: the same mirror, and none of its words on the disk."""

from pathlib import Path
from typing import Any

import pytest

from syncd.engine.ports import RunStatus
from tests.support.mirror import Lab
from tests.support.providers import PROVIDERS
from tests.support.truth import differences

KEY = bytes(range(32))
LONG = 8  # characters from which a text is nobody's by chance


def texts(value: Any) -> set[str]:
    """All texts in a JSON value."""
    if isinstance(value, dict):
        return set().union(*map(texts, value.values()))
    if isinstance(value, list):
        return set().union(*map(texts, value))
    return {value} if isinstance(value, str) and len(value) >= LONG else set()


def on_disk(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def mirrored(name: str, folder: Path, keys: tuple[bytes, ...]) -> tuple[set[str], bytes]:
    """What a mirror's summaries say, and all bytes of its state directory."""
    provider = PROVIDERS[name]
    world = provider.small(3)
    async with Lab(world, folder, provider.streams, provider=provider, keys=keys) as lab:
        assert (await lab.sync()).status is RunStatus.COMPLETED
        editor = provider.editor(world, 3)
        for _ in range(20):
            editor.random_edit()
        await lab.sync()
        assert [text for stream in provider.streams for text in differences(lab, stream)] == []
        said = {text for stream in provider.streams for one in lab.records(stream) for text in texts(one["summary"])}
        known = await lab.store.accounts("acme")
        ids = {one["source_id"] for stream in provider.streams for one in lab.records(stream)}
        said -= ids | {one.account.name for one in known} | {one.account.address for one in known}
        living = on_disk(folder)  # with the write-ahead log
    return said, living + on_disk(folder)


@pytest.mark.anyio
@pytest.mark.parametrize("name", PROVIDERS)
async def test_no_text_of_the_organisation_is_on_the_disk(name: str, tmp_path: Path) -> None:
    said, disk = await mirrored(name, tmp_path / "sealed", (KEY,))
    assert {text for text in said if text.encode() in disk} == set()
    said, disk = await mirrored(name, tmp_path / "clear", ())
    assert len({text for text in said if text.encode() in disk}) > 50
