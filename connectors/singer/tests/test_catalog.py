"""A tap's catalogue: which streams there are, and how one of them is selected."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from syncd_singer import SingerConnector
from syncd_singer.catalog import parsed

from syncd.sdk import DELTA, FULL, NEVER, REPORTED, SWEEP

from .conftest import Reading

USERS: dict[str, Any] = {
    "tap_stream_id": "public-Users",
    "stream": "users",
    "schema": {"properties": {"id": {}, "photo": {"properties": {"data": {}}}, "odd": {}}},
    "metadata": [
        {"breadcrumb": [], "metadata": {"forced-replication-method": "INCREMENTAL"}},
        {"breadcrumb": ["properties", "photo", "properties", "data"], "metadata": {"inclusion": "available"}},
        {"breadcrumb": ["properties", "odd"], "metadata": {"inclusion": "unsupported"}},
    ],
}
TEAMS: dict[str, Any] = {"stream": "Teams & Clubs", "schema": {}, "selected": True}


def text() -> bytes:
    return json.dumps({"streams": [USERS, TEAMS], "version": 7}).encode()


def place(entry: Any, *breadcrumb: str) -> Any:
    return next(one["metadata"] for one in entry["metadata"] if one["breadcrumb"] == list(breadcrumb))


def test_one_stream_is_selected_in_every_dialect_and_the_others_are_not() -> None:
    chosen = parsed(text()).narrowed("public-Users", "incremental", "changed")
    users, teams = chosen["streams"]
    assert chosen["version"] == 7
    assert [users["selected"], users["schema"]["selected"], place(users)["selected"]] == [True] * 3
    assert [teams["selected"], teams["schema"]["selected"], place(teams)["selected"]] == [False] * 3
    assert (users["replication_method"], place(users)["replication-method"]) == ("INCREMENTAL", "INCREMENTAL")
    assert (users["replication_key"], place(users)["replication-key"]) == ("changed", "changed")


def test_all_fields_are_selected_but_those_left_out_with_what_is_in_them() -> None:
    users = parsed(text()).narrowed("public-Users", "full", exclude=("photo",))["streams"][0]
    selected = {".".join(one["breadcrumb"][1::2]): one["metadata"]["selected"] for one in users["metadata"]}
    assert selected == {"": True, "id": True, "photo": False, "photo.data": False, "odd": False}


def test_selecting_leaves_the_catalogue_as_it_was() -> None:
    catalog = parsed(text())
    catalog.narrowed("public-Users", "full")
    assert catalog == parsed(text())


def test_a_stored_catalogue_gives_the_streams_with_fit_names(tmp_path: Path) -> None:
    (tmp_path / "catalog.json").write_bytes(text())
    settings = {"tap": "tap-clubs", "catalog": str(tmp_path / "catalog.json")}
    streams = SingerConnector().configured(settings).streams()
    assert [(one.info.name, one.info.scans) for one in streams] == [
        ("public-users", {FULL, DELTA}),
        ("teams-clubs", {FULL}),
    ]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"streams": {}}', b'{"streams": [{"stream": ""}]}', b"\xff"])
def test_a_stored_catalogue_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "catalog.json").write_bytes(content)
    with pytest.raises(ValueError, match="catalogue"):
        SingerConnector().configured({"tap": "tap-clubs", "catalog": str(tmp_path / "catalog.json")})


@pytest.mark.parametrize(
    ("how", "scans", "deletes"),
    [
        (None, {FULL}, SWEEP),
        ({"replication": "incremental"}, {FULL, DELTA}, NEVER),
        ({"replication": "incremental", "full_every": "7d"}, {FULL, DELTA}, SWEEP),
        ({"replication": "log_based"}, {FULL, DELTA}, REPORTED),
    ],
)
def test_a_stream_declares_what_its_replication_can_tell(how: Any, scans: Any, deletes: Any) -> None:
    stream = SingerConnector().configured({"tap": "tap-clubs", "streams": {"clubs": how}}).streams()[0]
    assert (stream.info.scans, stream.info.deletes) == (scans, deletes)


@pytest.mark.anyio
async def test_check_says_which_streams_the_tap_does_not_have(hostile: Callable[..., Reading]) -> None:
    reading = hostile("hangs", streams={"items": None, "orders": None})
    said = await SingerConnector().configured(reading.settings).check(reading.context())
    assert said["items"] == "ready"
    assert said["orders"].endswith("has no stream 'orders'; it has items")
