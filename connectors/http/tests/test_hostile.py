"""What an API says leads nowhere else: no other origin, no other path, no code, no endless matching."""

import json
import time
from dataclasses import replace
from typing import Any

import httpx
import pytest
from syncd_http.paths import Path, path_problem
from syncd_http.templates import filled_path

from syncd.sdk import Account, ContentUnavailable, Forbidden, ProtocolError, RateLimited, Record, Reject

from .desk import ROOT, Desk, secret

THINGS = {"path": "/things", "records": "items", "id": "id"}
LINKED = {**THINGS, "pagination": {"next_link": {"path": "next"}}}
HEADER = {**THINGS, "pagination": {"link_header": {}}}
ELSEWHERE = [
    "https://evil.example/v1/things",
    "http://api.example/v1/things",
    "https://api.example:444/v1/things",
    "//evil.example/v1/things",
    "https://api.example@evil.example/",
    "https://user:pass@api.example/v1/things",
    "https://api.example\\@evil.example/",
    "https://api.example.evil.example/",
    "https://[::1/",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "https://api.ex\u0430mple/v1/things",
]

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("url", ELSEWHERE)
async def test_a_next_link_to_another_server_is_refused(url: str) -> None:
    desk = Desk(
        {"things": LINKED}, {"/v1/things": {"items": [{"id": 1}], "next": url}}, auth={"bearer": secret("tok-123456")}
    )
    with pytest.raises(ProtocolError, match="link to the next page"):
        await desk.pages()
    assert len(desk.asked) == 1


@pytest.mark.parametrize("url", ELSEWHERE[:4])
async def test_a_link_header_to_another_server_is_refused(url: str) -> None:
    answer = httpx.Response(200, json={"items": []}, headers={"Link": f'<{url}>; rel="next"'})
    desk = Desk({"things": HEADER}, {"/v1/things": answer})
    with pytest.raises(ProtocolError, match="link to the next page"):
        await desk.pages()


@pytest.mark.parametrize(
    "links",
    [
        ['</v1/things?at=2>; rel="next last"'], ['<?at=2>; rel="prev next"'], ["<?at=2>; rel=NEXT"], ["<?at=2>; REL=next"],
        ['<?at=2>; title="a=b"; rel="next"'], ['<?at=2>; title="a, <b>"; rel="next"'], ['<?at=2>; x="\\""; rel="next"'],
        ['<?at=2>;;rel = "next" ; rel="last"'], ['<?a=1>; rel="last"; rel="next", , <?at=2>;rel=next,'], ["<?at=2>; rel='next'"],
        ['<?at=1>; rel="first"', '<?at=2>; rel="next"'], ['<?b>; rel="next"; anchor="/b", <?at=2>; rel="next"; anchor="#x"'],
    ],
)  # fmt: skip
async def test_a_link_header_is_read_however_it_is_written(links: list[str]) -> None:
    headers = [("Link", link) for link in links]
    answers = {
        "/v1/things": httpx.Response(200, json={"items": [{"id": 1}]}, headers=headers),
        "/v1/things?at=2": {"items": [{"id": 2}]},
    }
    assert [item.source_id for item in await Desk({"things": HEADER}, answers).items()] == ["1", "2"]


async def test_a_semicolon_in_a_link_is_part_of_it() -> None:
    answers = {
        "/v1/things": httpx.Response(200, json={"items": []}, headers={"Link": '</v1/x;v=1,2?at=2>; rel="next"'}),
        "/v1/x;v=1,2?at=2": {"items": [{"id": 2}]},
    }
    assert [item.source_id for item in await Desk({"things": HEADER}, answers).items()] == ["2"]


@pytest.mark.parametrize(
    "link",
    [
        '<?at=2>; rel="next', "?at=2; rel=next", "<?at=2; rel=next", '<?at=2> rel="next"', '<?at=2>; ="next"',
        '<?at=2>; rel="next"; anchor="/v1/others"',
    ],
)  # fmt: skip
async def test_a_link_header_that_cannot_be_read_is_an_error_and_no_end(link: str) -> None:
    answer = httpx.Response(200, json={"items": []}, headers={"Link": link})
    with pytest.raises(ProtocolError, match="the answer's Link header"):
        await Desk({"things": HEADER}, {"/v1/things": answer}).pages()


async def test_a_resume_point_of_another_server_starts_over() -> None:
    desk = Desk({"things": LINKED}, {"/v1/things": {"items": [{"id": 1}], "next": "/v1/things?at=2"}})
    pages = desk.stream().pages(desk.context())
    resume: Any = (await anext(pages)).resume
    resume["place"]["url"] = "https://evil.example/"
    with pytest.raises(Exception, match="another server") as raised:
        await desk.pages(cursor=resume)
    assert type(raised.value).__name__ == "CursorExpired"


async def test_relative_next_links_are_followed() -> None:
    desk = Desk(
        {"things": LINKED},
        {
            "/v1/things": {"items": [{"id": 1}], "next": "?at=2"},
            "/v1/things?at=2": {"items": [{"id": 2}], "next": None},
        },
    )
    assert [item.source_id for item in await desk.items()] == ["1", "2"]


async def test_pages_that_go_in_a_circle_are_an_error() -> None:
    links = {"/v1/things": "?at=2", "/v1/things?at=2": "?at=3", "/v1/things?at=3": "?at=2"}
    desk = Desk({"things": LINKED}, {path: {"items": [], "next": link} for path, link in links.items()})
    with pytest.raises(ProtocolError, match="circle"):
        await desk.pages()


async def test_one_page_for_all_numbers_is_an_error() -> None:
    things = {**THINGS, "pagination": {"page": {"param": "seite"}}}
    desk = Desk({"things": things}, lambda _: httpx.Response(200, json={"items": [{"id": 1}]}))
    with pytest.raises(ProtocolError, match="came twice"):
        await desk.pages()


@pytest.mark.parametrize("name", ["../admin", "a/b", "..", ".", "x?y=1#z", "%2e%2e", "a\\b", "ä ö", "{projects.id}"])
async def test_an_id_is_one_segment_of_a_path_whatever_it_holds(name: str) -> None:
    streams = {
        "projects": {"path": "/projects", "id": "id"},
        "things": {"path": "/projects/{projects.id}/things", "records": "items", "id": "id", "for_each": "projects"},
    }
    desk = Desk(
        streams,
        lambda request: httpx.Response(200, json={"items": []} if "things" in str(request.url) else [{"id": name}]),
    )
    parts = await desk.stream().partitions(desk.context())
    if name in ("..", "."):
        with pytest.raises(ProtocolError, match="cannot stand in a path"):
            await desk.pages(partition=parts[0].id)
        return
    await desk.pages(partition=parts[0].id)
    raw = desk.asked[-1].url.raw_path.decode()
    assert raw.startswith("/v1/projects/")
    assert raw.endswith("/things")
    assert raw.count("/") == 4
    assert "?" not in raw
    assert httpx.URL(ROOT).host == desk.asked[-1].url.host


async def test_ids_of_accounts_are_quoted_too() -> None:
    things = {**THINGS, "path": "/people/{account.id}/things", "params": {"who": "{account.address}"}}
    desk = Desk({"things": things}, lambda _: httpx.Response(200, json={"items": []}))
    await desk.pages()
    assert desk.asked[0].url.raw_path.decode() == "/v1/people/a%2F1/things?who=ana%40acme.example"


async def test_an_address_in_a_header_may_be_of_any_language_and_is_one_line() -> None:
    things = {**THINGS, "headers": {"X-User": "{account.address}"}}
    desk = Desk({"things": things}, {"/v1/things": {"items": []}})
    reader: Any = desk.stream()
    for address, sent in (("j\u00fcrgen@x.example", "jürgen@x.example"), (" ana@x.example", "ana@x.example")):
        ctx = replace(desk.context(), account=Account("1", address))
        [_ async for _ in reader.pages(ctx)]
        assert dict(desk.asked[-1].headers.raw)[b"X-User"] == sent.encode()
    for address in ("ana@x.example\r\nX-Admin: 1", "a\ud800@x.example"):
        with pytest.raises(ProtocolError, match="cannot stand in the header X-User"):
            [_ async for _ in reader.pages(replace(desk.context(), account=Account("1", address)))]
    assert len(desk.asked) == 2


def test_braces_in_a_value_are_not_filled_again() -> None:
    assert filled_path("/a/{one}/{two}", {"one": "{two}", "two": "x"}) == "/a/%7Btwo%7D/x"


async def test_graphql_braces_are_left_alone() -> None:
    query = "query { issues { nodes { id } } }"
    things = {
        **THINGS, "method": "POST", "body": {"query": query, "variables": {"who": "{account.id}"}},
        "pagination": {"cursor": {"path": "end", "param": "variables.after"}},
    }  # fmt: skip
    seen: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content))
        return httpx.Response(200, json={"items": [], "end": "e1" if len(seen) == 1 else None})

    await Desk({"things": things}, answer).pages()
    assert seen[0] == {"query": query, "variables": {"who": "a/1"}}
    assert seen[1] == {"query": query, "variables": {"who": "a/1", "after": "e1"}}


async def test_a_redirect_is_not_followed() -> None:
    desk = Desk({"things": THINGS}, {"/v1/things": httpx.Response(302, headers={"Location": "https://evil.example/"})})
    with pytest.raises(ProtocolError, match="leads elsewhere"):
        await desk.pages()
    assert len(desk.asked) == 1


async def test_content_of_another_server_is_asked_for_without_the_credential() -> None:
    things = {**THINGS, "content": {"url": "link", "tag": "id", "hosts": ["*.example"]}}
    desk = Desk(
        {"things": things},
        lambda request: httpx.Response(200, json={"items": [{"id": 1, "link": "https://cdn.example/x"}]})
        if request.url.host == "api.example" else httpx.Response(200, content=b"text"),
        auth={"bearer": secret("tok-123456")},
    )  # fmt: skip
    [record] = await desk.items()
    chunks = [chunk async for chunk in desk.stream().fetch(desk.context(), record.blob)]
    assert b"".join(chunks) == b"text"
    assert "authorization" in desk.asked[0].headers
    assert "authorization" not in desk.asked[1].headers


async def test_a_redirect_of_content_takes_no_header_of_the_api_along() -> None:
    things = {**THINGS, "content": {"path": "/things/{id}", "tag": "id", "hosts": ["cdn.example"]}}
    answers = {
        "/v1/things": {"items": [{"id": 1}]},
        "/v1/things/1": httpx.Response(302, headers={"Location": "https://cdn.example/x"}),
        "/x": httpx.Response(200, content=b"text"),
    }
    auth = {"header": {"name": "X-Odd", "value": secret("tok-123456")}}
    desk = Desk({"things": things}, answers, auth=auth, headers={"X-Version": "3"})
    [record] = await desk.items()
    assert [chunk async for chunk in desk.stream().fetch(desk.context(), record.blob)] == [b"text"]
    assert [(one.headers.get("x-odd"), one.headers.get("x-version")) for one in desk.asked[1:]] == [
        ("tok-123456", "3"),
        (None, None),
    ]


async def test_content_of_a_host_that_is_not_named_is_refused() -> None:
    things = {**THINGS, "content": {"url": "link", "tag": "id"}}
    desk = Desk({"things": things}, {"/v1/things": {"items": [{"id": 1, "link": "https://cdn.example/x"}]}})
    [record] = await desk.items()
    with pytest.raises(ProtocolError, match="not declared"):
        async for _ in desk.stream().fetch(desk.context(), record.blob):
            pass
    assert len(desk.asked) == 1


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://x", "data:text/plain,x", "https://u:p@cdn.example/"])
async def test_content_with_an_odd_address_can_never_be_had(url: str) -> None:
    things = {**THINGS, "content": {"url": "link", "tag": "id"}}
    desk = Desk({"things": things}, {"/v1/things": {"items": [{"id": 1, "link": url}]}})
    [record] = await desk.items()
    with pytest.raises(ContentUnavailable):
        async for _ in desk.stream().fetch(desk.context(), record.blob):
            pass


async def test_one_bad_entry_does_not_harm_the_others() -> None:
    body = b'{"items": [{"id": 1}, {"id": 2, "text": "\\ud800"}, null, {"name": "x"}, {"id": true}, {"id": 3}]}'
    desk = Desk({"things": THINGS}, {"/v1/things": httpx.Response(200, content=body)})
    items = await desk.items()
    assert [type(item) for item in items] == [Record, Reject, Reject, Reject, Reject, Record]
    assert items[1].source_id == "2"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b'"\xff"', "broken text"), (b'{"\xc3": 1}', "broken text"), (b'"\\ud800"', "broken text"),
        (b"1e999", "out of range"), (b"[-1e999]", "out of range"), (b"9" * 6000, "out of range"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("beside", [b"1.5", b'"\\ud800"'])
async def test_what_cannot_be_read_of_one_entry_is_its_own_trouble(value: bytes, reason: str, beside: bytes) -> None:
    body = b'{"items": [{"id": 1, "a": %s}, {"id": 2}], "total": %s}' % (value, beside)
    items = await Desk({"things": THINGS}, {"/v1/things": httpx.Response(200, content=body)}).items()
    assert [(type(item), item.source_id) for item in items] == [(Reject, "1"), (Record, "2")]
    assert reason in items[0].reason


@pytest.mark.parametrize("body", [b'{"items": [NaN]}', b'{"items": [', b"\xff\xfe{", b'{"items": [\xff]}', b"[" * 5000])
async def test_what_is_not_json_at_all_fails(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="not JSON"):
        await Desk({"things": THINGS}, {"/v1/things": httpx.Response(200, content=body)}).items()


@pytest.mark.parametrize("way", [{"cursor": {"path": "next", "param": "at"}}, {"next_link": {"path": "next"}}])
async def test_a_next_page_in_broken_text_is_an_error(way: Any) -> None:
    answers = {"/v1/things": httpx.Response(200, content=b'{"items": [{"id": 1}], "next": "a\xff"}')}
    with pytest.raises(ProtocolError):
        await Desk({"things": {**THINGS, "pagination": way}}, answers).items()


@pytest.mark.parametrize("answer", [{}, {"items": None}, {"items": {}}, {"items": "x"}, [], None, 7])
async def test_an_answer_without_the_list_is_an_error_and_not_an_empty_list(answer: Any) -> None:
    desk = Desk({"things": THINGS}, {"/v1/things": httpx.Response(200, content=json.dumps(answer))})
    with pytest.raises(ProtocolError, match="no list at 'items'"):
        await desk.pages()


async def test_a_list_that_may_be_absent_is_empty_then() -> None:
    desk = Desk({"things": {**THINGS, "optional_records": True}}, {"/v1/things": {}})
    assert await desk.items() == []


def test_paths_are_read_in_no_time() -> None:
    tree: Any = {"a": [{"a": [{"a": [{}] * 30}] * 30}] * 30}
    began = time.process_time()
    assert Path("a[*].a[*].a[*].a[*].a").find(tree) == []
    assert path_problem("a." * 50_000) is not None
    assert path_problem("[*]" * 10_000) is None
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", [{"a": [{"b": 1}, {"b": None}, {}], "x.y": {"z": 2}}]), ("a[*].b", [1]), ("a[0].b", [1]), ("a[9].b", []),
        ("x\\.y.z", [2]), ("x.y", []), ("a.b", []), ("__class__", []), ("a[*]", [{"b": 1}, {"b": None}, {}]),
    ],
)  # fmt: skip
def test_a_path_finds_what_is_there_and_nothing_else(path: str, found: list[Any]) -> None:
    assert Path(path).find({"a": [{"b": 1}, {"b": None}, {}], "x.y": {"z": 2}}) == found


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", "a[", "a[x]", "a[-1]", "a]b", "a[0]b", "\\"])
def test_what_is_no_path_is_said(path: str) -> None:
    assert "is not a path" in (path_problem(path) or "")


async def test_rules_for_errors_come_before_what_http_says() -> None:
    rules = [
        {"status": 403, "when": {"path": "code", "equals": "quota"}, "means": "rate_limited"},
        {"status": [404, 451], "means": "ignore"},
        {"status": 200, "when": {"path": "ok", "equals": False}, "means": "forbidden"},
    ]
    answers = {"/v1/things": httpx.Response(403, json={"code": "quota"})}
    with pytest.raises(RateLimited):
        await Desk({"things": THINGS}, answers, errors=rules).pages()
    with pytest.raises(Forbidden):
        await Desk({"things": THINGS}, {"/v1/things": httpx.Response(403, json={"code": "no"})}, errors=rules).pages()
    with pytest.raises(Forbidden):
        await Desk({"things": THINGS}, {"/v1/things": {"ok": False, "items": []}}, errors=rules).pages()
    assert await Desk({"things": THINGS}, {}, errors=rules).items() == []
