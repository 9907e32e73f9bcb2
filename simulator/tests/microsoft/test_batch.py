"""Batches."""

import base64
from typing import Any


def get(key: str, url: str, **more: Any) -> dict[str, Any]:
    return {"id": key, "method": "GET", "url": url, **more}


def header(answer: Any, name: str) -> str:
    return str({key.lower(): value for key, value in answer["headers"].items()}[name.lower()])


def users(site: Any, count: int = 3) -> list[Any]:
    return [site.world.add_user("B", f"User{n}") for n in range(count)]


def test_items_are_answered_singly_with_absolute_links(site: Any) -> None:
    site.world.page_cap["directory"] = 1
    answers = site.batch(get("a", "/users"), get("b", "users/nobody"))
    assert answers["a"]["status"] == 200
    assert answers["a"]["body"]["@odata.nextLink"].startswith(site.url + "/v1.0/users?")
    assert (answers["b"]["status"], answers["b"]["body"]["error"]["code"]) == (404, "Request_ResourceNotFound")


def test_outer_preferences_are_not_inherited(site: Any) -> None:
    url = f"/users/{site.ada.id}/contacts?$top=1"
    requests = [get("1", url), get("2", url, headers={"Prefer": 'IdType="ImmutableId"'})]
    answer = site.ask("POST", "/$batch", json={"requests": requests}, headers={"Prefer": 'IdType="ImmutableId"'})
    bodies = {r["id"]: r["body"]["value"][0]["id"] for r in answer.json()["responses"]}
    assert bodies["1"] in site.ada.mailbox.by_plain
    assert bodies["2"] in site.ada.mailbox.contacts


def test_delta_links_go_on_inside_a_batch(site: Any) -> None:
    first = site.batch(get("1", f"{site.contacts()}/delta"))["1"]["body"]
    link = first["@odata.deltaLink"].removeprefix(site.url + "/v1.0")
    assert site.batch(get("1", link))["1"]["body"]["value"] == []


def test_twenty_one_are_too_many(site: Any) -> None:
    requests = [get(str(n), "/users") for n in range(21)]
    status, error = site.refused("/$batch", "POST", json={"requests": requests})
    assert (status, error["code"]) == (400, "MaximumValueExceeded")
    assert error["message"] == "Number of batch request steps exceeds the maximum value of 20."
    assert len(site.batch(*requests[:20])) == 20


def test_malformed_batches(site: Any) -> None:
    for requests in (
        [get("A", "/users"), get("a", "/users")],
        [{"id": 1, "method": "GET", "url": "/users"}],
        [get("1", site.url + "/v1.0/users")],
        [get("1", "/users", dependsOn=["2"])],
        [get("1", "/users", dependsOn=["2"]), get("2", "/users", dependsOn=["1"])],
        [{"id": "1", "method": "POST", "url": f"/users/{site.ada.id}/contacts", "body": {}}],
        [get("1", "/$batch")],
        [],
    ):
        assert site.refused("/$batch", "POST", json={"requests": requests})[0] == 400


def test_dependants_of_a_failure_are_424(site: Any) -> None:
    answers = site.batch(get("1", "/users/nobody"), get("2", "/users", dependsOn=["1"]), get("3", "/users", dependsOn=["2"]),
                         get("4", "/users"))  # fmt: skip
    assert {key: answer["status"] for key, answer in answers.items()} == {"1": 404, "2": 424, "3": 424, "4": 200}


def test_order_is_shuffled(site: Any) -> None:
    requests = [get(str(n), "/organization") for n in range(20)]
    answer = site.ask("POST", "/$batch", json={"requests": requests}).json()["responses"]
    assert [response["id"] for response in answer] != [request["id"] for request in requests]


def test_bytes_come_as_base64(site: Any) -> None:
    mail = next(iter(site.ada.mailbox.mails.values()))
    answer = site.batch(get("1", f"/users/{site.ada.id}/messages/{mail.key}/$value"))["1"]
    assert base64.b64decode(answer["body"]) == mail.raw


def test_a_redirect_is_not_followed(site: Any) -> None:
    item = site.editor.add_file(site.ada)
    answer = site.batch(get("1", f"/drives/{site.ada.drive.id}/items/{item.id}/content"))["1"]
    assert answer["status"] == 302
    assert header(answer, "Location").startswith("http://127.0.0.2:")


def test_more_than_four_side_by_side_at_one_mailbox_are_throttled(site: Any) -> None:
    url = f"/users/{site.ada.id}/contacts"
    answers = site.batch(*(get(str(n), url) for n in range(6)))
    assert sorted(answer["status"] for answer in answers.values()) == [200] * 4 + [429] * 2
    throttled = next(answer for answer in answers.values() if answer["status"] == 429)
    assert header(throttled, "Retry-After") == "1"
    assert throttled["body"] == {
        "error": {"code": "ApplicationThrottled", "message": "Application is over its MailboxConcurrency limit."}
    }
    assert site.world.most_at_once[site.ada.id] == 6


def test_a_chain_and_several_mailboxes_are_not_throttled(site: Any) -> None:
    url = f"/users/{site.ada.id}/contacts"
    chain = [get(str(n), url, dependsOn=[str(n - 1)] if n else []) for n in range(20)]
    assert {answer["status"] for answer in site.batch(*chain).values()} == {200}
    assert site.world.most_at_once[site.ada.id] == 1
    spread = [get(f"{user.id}{n}", f"/users/{user.id}/contacts") for user in users(site) for n in range(4)]
    assert {answer["status"] for answer in site.batch(*spread).values()} == {200}


def test_faults_reach_single_items(site: Any) -> None:
    site.world.faults.answer("unavailable", in_batch=True, user=site.ada.address)
    answers = site.batch(get("1", f"/users/{site.ada.id}/contacts"), get("2", f"/users/{site.grace.id}/contacts"))
    assert (answers["1"]["status"], answers["2"]["status"]) == (503, 200)


def test_writes_carry_bodies_and_headers(site: Any) -> None:
    made = {"id": "1", "method": "POST", "url": f"/users/{site.ada.id}/contacts", "body": {"givenName": "B"},
            "headers": {"content-type": "application/json"}}  # fmt: skip
    assert site.batch(made)["1"]["status"] == 201


def test_header_names_come_in_varying_case(site: Any) -> None:
    answers = site.batch(*(get(str(n), "/organization") for n in range(20)))
    assert {name for answer in answers.values() for name in answer["headers"]} >= {"Content-Type", "content-type"}


def test_responses_may_come_in_pages(site: Any) -> None:
    site.world.batch_page = 2
    answer = site.ask("POST", "/$batch", json={"requests": [get(str(n), "/users") for n in range(5)]}).json()
    found = list(answer["responses"])
    while "@odata.nextLink" in answer:
        assert len(answer["responses"]) == 2
        answer = site.get(answer["@odata.nextLink"])
        found += answer["responses"]
    assert {response["id"] for response in found} == set("01234")
