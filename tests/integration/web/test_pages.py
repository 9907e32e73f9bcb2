"""Pages asked in odd ways, of stores in odd states: always an answer that a person can read, never a 5xx."""

import base64
import json
import random
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.system.site import FakeSite

pytestmark = pytest.mark.anyio

PLACES = ("/", "/syncs/nightly", "/runs/1", "/records", "/records/1", "/connections", "/connections/acme", "/problems")
ODD = (
    "",
    "0",
    "-1",
    "1",
    "9" * 17,
    "9" * 40,
    "½",
    "٣",
    "a'b\"<>",
    "%00",
    "../..",
    "\u202e",
    "acme/notes",
    "acme/",
    "/",
    "x" * 5000,
)
NAMES = ("q", "page", "state", "before", "errors", "in", "account", "deleted", "said", "unknown")


def page(client: httpx.AsyncClient, path: str, params: Mapping[str, str] | None = None) -> Any:
    return client.get(path, params=params, headers={"accept": "text/html"})


async def test_no_address_breaks_a_page(web: Any) -> None:
    await web.sync()
    rng = random.Random(5)
    async with web.client() as client:
        for place in PLACES:
            assert (await page(client, place)).status_code == 200, place
            for _ in range(25):
                params = {rng.choice(NAMES): rng.choice(ODD) for _ in range(rng.randint(1, 4))}
                answer = await page(client, place, params)
                assert answer.status_code == 200, (place, params, answer.text)
        for place in ("/syncs", "/runs", "/records", "/connections", "/errors"):
            for odd in ODD:
                for more in ("", "/mail", "/attachments/1", "/content/x", "/data.json"):
                    answer = await page(client, f"{place}/{quote(odd, safe='')}{more}")
                    assert answer.status_code in (200, 307, 404, 405, 414), (place, odd, more)


async def test_a_payload_nested_without_end_has_a_page(web: Any) -> None:
    deep: Any = "bottom"
    for _ in range(700):
        deep = [deep]
    web.site.save(notes={"ann@acme.example": [{"id": "deep", "title": "Deep", "phone": deep}]})
    await web.sync()
    async with web.client() as client:
        listed = await page(client, "/records?in=acme/notes")
        assert "Deep" in listed.text
        assert (await page(client, "/records/1")).status_code == 200
        assert (await page(client, "/records/1/data.json")).status_code == 200


async def test_an_empty_installation_says_how_to_begin(web: Any) -> None:
    web.site.syncs = {}
    web.site.configure("version: 1\n")
    await web.control.reload()
    async with web.client() as client:
        assert "No syncs yet" in (await page(client, "/")).text
        assert "No connections yet" in (await page(client, "/connections")).text
        assert "Nothing is mirrored yet" in (await page(client, "/records")).text
        assert (await page(client, "/syncs/nightly")).status_code == 404


async def test_the_history_of_a_sync_that_was_taken_out_stays(web: Any) -> None:
    await web.sync()
    web.site.syncs = {}
    web.site.configure()
    await web.control.reload()
    async with web.client() as client:
        answer = await page(client, "/syncs/nightly")
    assert answer.status_code == 200
    assert "not in the configuration any more" in answer.text
    assert 'href="/runs/1"' in answer.text


async def test_actions_that_are_refused_lead_back_with_the_reason(web: Any) -> None:
    async with web.client() as client:
        answer = await client.post("/runs/77/cancel", data={"x": "1"})
        assert answer.status_code == 303
        shown = await page(client, answer.headers["location"])
        assert "there is no run 77" in shown.text
        asked = await client.post("/syncs/none/run", headers={"accept": "application/json"})
        assert asked.status_code == 404
        assert asked.json()["code"] == "SYN-CONF-002"


async def test_a_message_is_shown_once_and_cannot_be_made_up(web: Any) -> None:
    async with web.client() as client:
        place = (await client.post("/syncs/nightly/disable")).headers["location"]
        assert "nightly is disabled" in (await page(client, place)).text
        assert "nightly is disabled" not in (await page(client, place)).text
        assert 'class="said' not in (await page(client, "/?said=forged")).text


@pytest.fixture
def sealed(site: FakeSite) -> FakeSite:
    """The site with an encryption key from its first start."""
    key = base64.b64encode(bytes(range(32))).decode()
    (site.folder / "key").write_text(key)
    document = json.loads((site.config / "acme.yaml").read_text())
    document["daemon"] = {"encryption_keys": [f"${{file:{site.folder / 'key'}}}"]}
    site.configure(json.dumps(document))
    return site


async def test_with_encryption_keys_words_are_found_within_one_stream(sealed: FakeSite, web: Any) -> None:
    await web.sync()
    assert not web.control.parts.store.indexed
    async with web.client() as client:
        assert "With encryption keys there is no search index" in (await page(client, "/records?q=slashed")).text
        found = await page(client, "/records?in=acme/notes&q=slashed")
        assert "Slashed" in found.text
    assert not (sealed.state / "search.db").exists()
