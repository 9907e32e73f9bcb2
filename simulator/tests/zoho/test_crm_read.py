"""Reading the CRM of a simulated Zoho organisation, from outside (zoho.md §8.1, §8.2, §8.6, §8.7)."""

import csv
import io
import random
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from syncd_simulator.clock import SimClock
from syncd_simulator.server import RunningServer, serve
from syncd_simulator.zoho import ZohoWorld, zoho_app
from syncd_simulator.zoho.crm_store import CrmStore
from syncd_simulator.zoho.edits_crm import EDITS, add_many_crm_contacts, crm_truth

V8 = "/crm/v8"
DAY = 86400


class Crm:
    """A world with two people, and requests as the first."""

    def __init__(self, world: ZohoWorld, server: RunningServer) -> None:
        self.world, self.clock, self.url = world, world.clock, server.url
        self.ada = world.add_user("Ada", "Admin", admin=True)
        self.ben = world.add_user("Ben", "Bakker")
        self.store = CrmStore.of(world)
        self.rng = random.Random(5)
        self.http = httpx.Client()

    def edit(self, edit: str, **more: Any) -> Any:
        """An edit by Ada, here and now."""
        with self.world.lock:
            return EDITS[edit](self.world, self.rng, self.ada, **more)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Any request."""
        token = self.world.credentials.issue(more.pop("user", self.ada), more.pop("scopes", None))
        headers = {"Authorization": f"Zoho-oauthtoken {token}"} | more.pop("headers", {})
        return self.http.request(
            method, self.url + (path if path.startswith("/crm") else V8 + path), headers=headers, **more
        )

    def get(self, path: str, headers: dict[str, str] | None = None, **params: Any) -> Any:
        """The JSON of a GET that must answer 200."""
        response = self.ask("GET", path, params=params, headers=headers or {})
        assert response.status_code == 200, response.text
        return response.json()

    def bare(self, path: str, headers: dict[str, str] | None = None, **params: Any) -> int:
        """The status of an answer that has no body."""
        response = self.ask("GET", path, params=params, headers=headers or {})
        assert response.content == b""
        return response.status_code

    def refused(self, path: str, headers: dict[str, str] | None = None, **params: Any) -> tuple[int, str, Any]:
        """(status, code, details) of a GET that must fail."""
        response = self.ask("GET", path, params=params, headers=headers or {})
        assert response.status_code >= 400, response.text
        body = response.json()
        assert body["status"] == "error"
        return response.status_code, body["code"], body["details"]

    def walk(self, module: str, headers: dict[str, str] | None = None, **params: Any) -> list[Any]:
        """Every record by page token."""
        found, more = [], {}
        while True:
            page = self.get(f"/{module}", headers, **({"fields": "Last_Name"} | params | more))
            found += page["data"]
            if not page["info"]["more_records"]:
                return found
            more = {"page_token": page["info"]["next_page_token"]}

    def since(self, moment: float) -> dict[str, str]:
        """If-Modified-Since in some other zone."""
        text = datetime.fromtimestamp(moment, tz=datetime.strptime("+0530", "%z").tzinfo).isoformat(timespec="seconds")
        return {"If-Modified-Since": text}


@pytest.fixture
def crm() -> Iterator[Crm]:
    """A served world whose clock stands still."""
    world = ZohoWorld(seed=3, clock=SimClock.manual(1_790_000_000.0))
    with serve(zoho_app(world)) as server:
        crm = Crm(world, server)
        yield crm
        crm.http.close()


# -- listings ---------------------------------------------------------------------------------------------------------


def test_a_walk_with_all_fields_shows_exactly_the_truth(crm: Crm) -> None:
    for _ in range(60):
        crm.edit(crm.rng.choice(list(EDITS)))
        crm.clock.advance(5)
    for name in ("add_crm_contact", "add_crm_lead", "add_crm_event"):
        crm.edit(name)
    crm.world.page_cap["crm"] = 3
    for module in ("Contacts", "Leads", "Events"):
        names = ",".join(crm.store.tables[module].fields)
        truth = crm_truth(crm.world, crm.ada, module)[""]
        assert {record["id"]: record for record in crm.walk(module, fields=names)} == truth
        assert truth


def test_trap_32_a_listing_wants_fields_from_v3_on_and_at_most_50(crm: Crm) -> None:
    crm.edit("add_crm_contact")
    assert crm.refused("/Contacts") == (400, "REQUIRED_PARAM_MISSING", {"param_name": "fields"})
    many = ",".join(f"Custom_{number}" for number in range(51))
    assert crm.refused("/Contacts", fields=many) == (400, "LIMIT_EXCEEDED", {"limit": 50, "param_name": "fields"})
    for version in ("v2", "v2.1"):
        assert "Email" in crm.get(f"/crm/{version}/Contacts")["data"][0]
    assert set(crm.get("/Contacts", fields="Email,Nonsense")["data"][0]) == {"id", "Email"}


def test_a_version_that_never_was_and_a_module_that_is_not_there_are_refused(crm: Crm) -> None:
    assert crm.refused("/crm/v9/Contacts", fields="Email")[:2] == (404, "INVALID_URL_PATTERN")
    assert crm.refused("/Kontakte", fields="Email")[:2] == (400, "INVALID_MODULE")


def test_trap_31_empty_is_204_and_unchanged_is_304_without_a_body(crm: Crm) -> None:
    assert crm.bare("/Contacts", fields="Email") == 204
    key = crm.edit("add_crm_contact")
    assert crm.bare("/Contacts", crm.since(crm.clock.time()), fields="Email") == 304
    assert crm.bare(f"/Contacts/{key}", crm.since(crm.clock.time())) == 304
    assert crm.bare("/Contacts", fields="Email", page=2) == 204
    assert crm.bare("/Contacts/4000000000000000001") == 204
    assert crm.bare("/Contacts/deleted") == 204
    assert crm.bare("/Contacts/deleted", crm.since(0)) == 304


def test_trap_33_pages_end_at_2000_records_and_a_token_goes_on(crm: Crm) -> None:
    add_many_crm_contacts(crm.world, crm.ada, 2_050)
    tenth = crm.get("/Contacts", fields="Email", page=10)
    assert (tenth["info"]["count"], tenth["info"]["more_records"]) == (200, True)
    refused = crm.refused("/Contacts", fields="Email", page=11)
    assert refused == (400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", {"limit": 2000})
    token = tenth["info"]["next_page_token"]
    assert (
        crm.get("/Contacts", fields="Email", page_token=token)["info"] | {"count": 50, "more_records": False}
        == (crm.get("/Contacts", fields="Email", page_token=token)["info"])
    )
    both = crm.refused("/Contacts", fields="Email", page_token=token, page=11)
    assert both[:2] == (400, "AMBIGUITY_DURING_PROCESSING")
    assert crm.refused("/Contacts", fields="Email", cvid=1, sort_by="id")[:2] == (400, "AMBIGUITY_DURING_PROCESSING")
    assert len({record["id"] for record in crm.walk("Contacts")}) == 2_050


def test_a_page_token_is_bound_to_its_parameters_and_user_and_lives_a_day(crm: Crm) -> None:
    add_many_crm_contacts(crm.world, crm.ada, 5)
    params = {"fields": "Email", "per_page": 2, "sort_by": "id"}
    info = crm.get("/Contacts", **params)["info"]
    token = info["next_page_token"]
    for change in ({"fields": "Phone"}, {"per_page": 3}, {"sort_by": "Created_Time"}, {"sort_order": "asc"}):
        assert crm.refused("/Contacts", **(params | change | {"page_token": token}))[:2] == (
            400,
            "TOKEN_BOUND_DATA_MISMATCH",
        )
    assert crm.refused("/Contacts", **params, page_token="0af")[:2] == (400, "TOKEN_BOUND_DATA_MISMATCH")
    other = crm.ask("GET", "/Contacts", params=params | {"page_token": token}, user=crm.ben)
    assert other.json()["code"] == "TOKEN_BOUND_DATA_MISMATCH"
    assert datetime.fromisoformat(info["page_token_expiry"]).timestamp() == crm.clock.time() + DAY
    assert crm.get("/Contacts", **params, page_token=token)["info"]["previous_page_token"] == token
    crm.clock.advance(DAY)
    expired = crm.refused("/Contacts", **params, page_token=token)
    assert expired == (400, "EXPIRED_VALUE", {"param_name": "page_token"})


def test_page_tokens_end_before_their_time_when_the_world_says_so(crm: Crm) -> None:
    add_many_crm_contacts(crm.world, crm.ada, 3)
    token = crm.get("/Contacts", fields="Email", per_page=2)["info"]["next_page_token"]
    crm.world.expire("crm", crm.ada)
    assert crm.refused("/Contacts", fields="Email", per_page=2, page_token=token)[1] == "EXPIRED_VALUE"


def test_a_walk_by_token_ends_at_the_wall(crm: Crm) -> None:
    add_many_crm_contacts(crm.world, crm.ada, 12)
    crm.store.token_wall = 10
    info = crm.get("/Contacts", fields="Email", per_page=5)["info"]
    info = crm.get("/Contacts", fields="Email", per_page=5, page_token=info["next_page_token"])["info"]
    refused = crm.refused("/Contacts", fields="Email", per_page=5, page_token=info["next_page_token"])
    assert refused == (400, "PAGINATION_LIMIT_EXCEEDED", {"limit": 10})


def test_a_walk_by_token_misses_nothing_when_records_go_before_it(crm: Crm) -> None:
    add_many_crm_contacts(crm.world, crm.ada, 6)
    params = {"fields": "Email", "per_page": 2, "sort_order": "asc"}
    first = crm.get("/Contacts", **params)
    for record in first["data"]:
        crm.edit("delete_crm_contact", key=record["id"])
    rest = crm.get("/Contacts", **params, page_token=first["info"]["next_page_token"])
    assert [record["id"] for record in rest["data"]] == sorted(crm.store.tables["Contacts"].records)[:2]


@pytest.mark.parametrize("sort_by", ["id", "Created_Time", "Modified_Time"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_records_come_sorted_newest_id_first_by_default(crm: Crm, sort_by: str, order: str) -> None:
    for _ in range(8):
        crm.edit("add_crm_contact")
        crm.clock.advance(7)
    for _ in range(5):
        crm.edit("edit_crm_contact")
        crm.clock.advance(7)
    found = crm.walk("Contacts", fields="Created_Time,Modified_Time", sort_by=sort_by, sort_order=order, per_page=3)
    keys = [(record[sort_by], record["id"]) for record in found]
    assert keys == sorted(keys, reverse=order == "desc")
    ids = [record["id"] for record in crm.walk("Contacts")]
    assert ids == sorted(ids, reverse=True)


def test_ids_fetch_up_to_100_records_and_wide_modules_need_them(crm: Crm) -> None:
    names = crm.store.add_fields("Contacts", 60)
    key = crm.edit("add_crm_contact", Custom_60="far out")
    crm.edit("add_crm_contact")
    found = crm.get("/Contacts", fields="Custom_60", ids=key)["data"]
    assert found == [{"Custom_60": "far out", "id": key}]
    assert set(names) <= set(crm.get(f"/Contacts/{key}")["data"][0])
    too_many = ",".join(str(4 * 10**18 + number) for number in range(101))
    assert crm.refused("/Contacts", fields="Email", ids=too_many)[:2] == (400, "LIMIT_EXCEEDED")
    assert len(crm.get("/settings/fields", module="Contacts")["fields"]) > 100


def test_converted_and_unapproved_records_are_silently_left_out(crm: Crm) -> None:
    lead, other = crm.edit("add_crm_lead"), crm.edit("add_crm_lead")
    crm.edit("convert_lead", key=lead)
    assert [record["id"] for record in crm.walk("Leads")] == [other]
    assert [record["id"] for record in crm.walk("Leads", converted="true")] == [lead]
    assert len(crm.walk("Leads", converted="both")) == 2
    assert crm.bare("/Leads/deleted") == 204
    crm.store.tables["Leads"].records[other].approved = False
    assert crm.bare("/Leads", fields="Email") == 204
    assert [record["id"] for record in crm.walk("Leads", approved="both")] == [other]
    assert crm_truth(crm.world, crm.ada, "Leads")[""].keys() == {lead, other}  # they can be read all the same


# -- changes ----------------------------------------------------------------------------------------------------------


def test_only_what_was_modified_later_comes_with_if_modified_since(crm: Crm) -> None:
    old = crm.edit("add_crm_contact")
    crm.clock.advance(10)
    changed = crm.edit("add_crm_contact")
    crm.clock.advance(10)
    crm.edit("edit_crm_contact", key=changed)
    now = crm.clock.time()
    for order in ("asc", "desc"):
        for sort_by in ("id", "Modified_Time"):
            params = {"sort_by": sort_by, "sort_order": order}
            assert [entry["id"] for entry in crm.walk("Contacts", crm.since(now - 1), **params)] == [changed]
            found = {entry["id"] for entry in crm.walk("Contacts", crm.since(now - 21), **params, per_page=1)}
            assert found == {old, changed}
    assert crm.bare("/Contacts", crm.since(now), fields="Email") == 304


def test_trap_34_an_http_date_is_not_understood(crm: Crm) -> None:
    crm.edit("add_crm_contact")
    headers = {"If-Modified-Since": "Thu, 25 Jul 2019 15:26:49 GMT"}
    assert crm.refused("/Contacts", headers, fields="Email")[:2] == (400, "INVALID_DATA")
    assert crm.refused("/Contacts/deleted", headers)[:2] == (400, "INVALID_DATA")


def test_trap_40_times_are_in_the_organisations_zone_and_change_their_text_over_the_year(crm: Crm) -> None:
    crm.store.zone = "America/New_York"
    crm.edit("add_crm_contact")
    summer = crm.walk("Contacts", fields="Modified_Time")[0]["Modified_Time"]
    assert summer == "2026-09-21T10:13:20-04:00"
    crm.clock.advance(100 * DAY)
    crm.edit("edit_crm_contact")
    winter = crm.walk("Contacts", fields="Modified_Time")[0]["Modified_Time"]
    assert winter.endswith("-05:00")
    assert datetime.fromisoformat(winter) - datetime.fromisoformat(summer) == timedelta(days=100)


def test_trap_41_ids_are_texts_of_18_or_more_digits_that_no_float_holds(crm: Crm) -> None:
    for _ in range(20):
        crm.edit("add_crm_contact")
    for record in crm.walk("Contacts", fields="Owner"):
        for key in (record["id"], record["Owner"]["id"]):
            assert isinstance(key, str)
            assert len(key) >= 18
            assert int(float(key)) != int(key)


def test_trap_36_deletions_come_from_deleted_only_and_are_forgotten_after_60_and_120_days(crm: Crm) -> None:
    keys = [crm.edit("add_crm_contact") for _ in range(3)]
    crm.edit("delete_crm_contact", key=keys[0])
    crm.clock.advance(10)
    crm.edit("delete_crm_contact", key=keys[1])
    crm.store.purge("Contacts", keys[1])
    assert [record["id"] for record in crm.walk("Contacts")] == [keys[2]]
    entries = crm.get("/Contacts/deleted")["data"]
    assert [(entry["id"], entry["type"]) for entry in entries] == [(keys[1], "permanent"), (keys[0], "recycle")]
    assert entries[0]["deleted_by"]["name"] == "Ada Admin"
    assert [entry["id"] for entry in crm.get("/Contacts/deleted", type="recycle")["data"]] == [keys[0]]
    late = crm.get("/Contacts/deleted", crm.since(crm.clock.time() - 1))["data"]
    assert [entry["id"] for entry in late] == [keys[1]]
    crm.clock.advance(60 * DAY)
    assert [entry["id"] for entry in crm.get("/Contacts/deleted")["data"]] == [keys[1]]
    crm.clock.advance(60 * DAY)
    assert crm.bare("/Contacts/deleted") == 204


def test_deleted_has_pages_and_older_versions_spell_a_key_otherwise(crm: Crm) -> None:
    for _ in range(3):
        crm.edit("delete_crm_contact", key=crm.edit("add_crm_contact"))
    first = crm.get("/Contacts/deleted", per_page=2)
    assert first["info"] == {"per_page": 2, "count": 2, "page": 1, "more_records": True}
    assert len(crm.get("/Contacts/deleted", per_page=2, page=2)["data"]) == 1
    assert "created_by" in first["data"][0]
    assert "Created_By" in crm.get("/crm/v2/Contacts/deleted")["data"][0]


def test_a_restored_record_returns_with_its_id_and_old_time_of_modification(crm: Crm) -> None:
    key = crm.edit("add_crm_contact")
    before = crm.walk("Contacts", fields="Modified_Time")
    crm.clock.advance(50)
    crm.edit("delete_crm_contact", key=key)
    crm.clock.advance(50)
    restored = crm.ask("POST", "/settings/recycle_bin/actions/restore", json={"recycle_bin": [{"id": key}]})
    assert restored.status_code == 200, restored.text
    assert crm.walk("Contacts", fields="Modified_Time") == before
    assert crm.bare("/Contacts/deleted") == 204
    assert crm.bare("/Contacts", crm.since(crm.clock.time() - 60), fields="Email") == 304


# -- shapes -----------------------------------------------------------------------------------------------------------


def test_a_single_record_has_everything_and_system_keys(crm: Crm) -> None:
    account = crm.store.insert("Accounts", {"Account_Name": "Acme"}, crm.ada.id)
    key = crm.edit("add_crm_contact", Account_Name=account.id, First_Name="Zoë", Last_Name="Ng")
    record = crm.get(f"/Contacts/{key}")["data"][0]
    assert record["Account_Name"] == {"name": "Acme", "id": account.id}
    assert record["Full_Name"] == "Zoë Ng"
    assert set(record["Owner"]) == {"name", "id", "email"}
    assert (record["$approved"], record["Secondary_Email"], record["Tag"]) == (True, None, [])


def test_a_record_that_is_absent_is_told_in_one_of_three_ways(crm: Crm) -> None:
    path = "/Contacts/4000000000000000001"
    assert crm.bare(path) == 204
    crm.store.absent = "not_found"
    assert crm.refused(path)[:2] == (404, "INVALID_DATA")
    crm.store.absent = "invalid_data"
    assert crm.refused(path)[:2] == (400, "INVALID_DATA")


def test_meetings_show_participants_recurrence_and_reminders(crm: Crm) -> None:
    contact = crm.edit("add_crm_contact", First_Name="Zoë", Last_Name="Ng", Email="zoe@ng.example")
    start = 1_790_000_400.0
    people = [
        {"type": "contact", "participant": contact, "id": "7"},
        {"type": "email", "participant": "x@y.example", "id": "8"},
    ]
    rule = {"RRULE": "FREQ=DAILY;INTERVAL=10;UNTIL=2022-08-14;DTSTART=2022-07-03"}
    key = crm.edit(
        "add_crm_event", Start_DateTime=start, Participants=people, Recurring_Activity=rule, Remind_At=start - 900
    )
    event = crm.get(f"/Events/{key}")["data"][0]
    assert [(one["type"], one["participant"], one["name"], one["Email"]) for one in event["Participants"]] == [
        ("contact", contact, "Zoë Ng", "zoe@ng.example"),
        ("email", "x@y.example", "x@y.example", "x@y.example"),
    ]
    assert event["Recurring_Activity"] == rule
    assert datetime.fromisoformat(event["Start_DateTime"]).timestamp() == start
    assert datetime.fromisoformat(event["Remind_At"]).timestamp() == start - 900
    crm.store.reminder_form = "list"
    assert crm.get(f"/Events/{key}")["data"][0]["Remind_At"] == [{"unit": 15, "period": "minutes", "time": None}]


def test_users_and_org_have_their_own_keys(crm: Crm) -> None:
    crm.world.suspend_user(crm.ben)
    answer = crm.get("/users", type="AllUsers")
    assert [(user["email"], user["zuid"], user["status"]) for user in answer["users"]] == [
        (crm.ada.address, crm.ada.id, "active"),
        (crm.ben.address, crm.ben.id, "disabled"),
    ]
    assert answer["info"]["more_records"] is False
    assert [user["email"] for user in crm.get("/users", type="CurrentUser")["users"]] == [crm.ada.address]
    assert len(crm.get("/users", type="ActiveUsers")["users"]) == 1
    assert crm.bare("/users", type="DeletedUsers") == 204
    assert crm.bare("/users", crm.since(crm.clock.time())) == 304
    assert crm.get(f"/users/{answer['users'][1]['id']}")["users"][0]["zuid"] == crm.ben.id
    assert crm.get("/org")["org"][0]["type"] == "production"


def test_modules_and_fields_are_described(crm: Crm) -> None:
    modules = {entry["api_name"]: entry["api_supported"] for entry in crm.get("/settings/modules")["modules"]}
    assert (modules["Contacts"], modules["Events"], modules["Feeds"]) == (True, True, False)
    crm.store.add_field("Contacts", "External_Id", unique=True)
    fields = {entry["api_name"]: entry for entry in crm.get("/settings/fields", module="Contacts")["fields"]}
    assert fields["Last_Name"]["system_mandatory"] is True
    assert fields["External_Id"]["unique"]
    assert fields["Account_Name"]["lookup"]["module"]["api_name"] == "Accounts"
    assert crm.refused("/settings/fields")[1] == "REQUIRED_PARAM_MISSING"


# -- queries ----------------------------------------------------------------------------------------------------------


def test_search_finds_by_email_criteria_and_word(crm: Crm) -> None:
    key = crm.edit("add_crm_contact", First_Name="Zoë", Last_Name="Burns", Email="zoe@burns.example")
    crm.edit("add_crm_contact", Last_Name="Other")
    for params in (
        {"email": "ZOE@burns.example"},
        {"criteria": "((Last_Name:equals:Burns)and(Email:starts_with:zoe))"},
        {"criteria": "(Last_Name:equals:Nobody)or(First_Name:in:Zoë,Ada)"},
        {"word": "burn"},
    ):
        assert [record["id"] for record in crm.get("/Contacts/search", **params)["data"]] == [key]
    assert crm.bare("/Contacts/search", email="nobody@x.example") == 204
    lacking = crm.ask("GET", "/Contacts/search", params={"word": "x"}, scopes=frozenset({"ZohoCRM.modules.ALL"}))
    assert (lacking.status_code, lacking.json()["code"]) == (401, "OAUTH_SCOPE_MISMATCH")


def test_coql_selects_filters_orders_and_pages(crm: Crm) -> None:
    for number in range(5):
        crm.edit("add_crm_contact", Last_Name=f"N{number}", Email=f"n{number}@x.example")
        crm.clock.advance(60)
    query = "select Last_Name, Email from Contacts where Last_Name like 'N%' and {} order by Last_Name desc limit 1, 2"

    def run(condition: str) -> Any:
        return crm.ask("POST", "/coql", json={"select_query": query.format(condition)})

    answer = run("Modified_Time > '2026-09-21T14:13:25+00:00'").json()
    assert [record["Last_Name"] for record in answer["data"]] == ["N3", "N2"]
    assert answer["info"] == {"count": 2, "more_records": True}
    assert run("(Email = 'n1@x.example' or Email is null)").status_code == 204
    assert run("nonsense").status_code == 400
    assert (
        crm.ask("POST", "/coql", json={"select_query": "select Email from Contacts"}).json()["code"] == "SYNTAX_ERROR"
    )


def test_a_bulk_read_goes_through_its_states_to_a_zip(crm: Crm) -> None:
    add_many_crm_contacts(crm.world, crm.ada, 5)
    criteria = {"api_name": "Email", "comparator": "not_equal", "value": "person0@many.example"}
    query = {"module": {"api_name": "Contacts"}, "fields": ["Last_Name", "Email", "Owner"], "criteria": criteria}
    made = crm.ask("POST", "/crm/bulk/v8/read", json={"query": query})
    assert (made.status_code, made.json()["data"][0]["code"]) == (201, "ADDED_SUCCESSFULLY")
    path = f"/crm/bulk/v8/read/{made.json()['data'][0]['details']['id']}"
    states = [crm.get(path)["data"][0]["state"] for _ in range(4)]
    assert states == ["ADDED", "QUEUED", "IN PROGRESS", "COMPLETED"]
    assert crm.get(path)["data"][0]["result"]["count"] == 4
    packed = zipfile.ZipFile(io.BytesIO(crm.ask("GET", path + "/result").content))
    rows = list(csv.DictReader(io.TextIOWrapper(packed.open(packed.namelist()[0]), "utf-8")))
    assert {row["Email"] for row in rows} == {f"person{number}@many.example" for number in range(1, 5)}
    crm.clock.advance(DAY)
    assert crm.refused(path)[1] == "RESOURCE_NOT_FOUND"


# -- limits and credentials -------------------------------------------------------------------------------------------


def test_the_credit_header_appears_once_half_is_used_and_then_all_is_429(crm: Crm) -> None:
    crm.store.budget = 10
    headers = [crm.ask("GET", "/org").headers.get("x-api-credits-remaining") for _ in range(10)]
    assert headers == [None] * 4 + ["5", "4", "3", "2", "1", "0"]
    refused = crm.ask("GET", "/org")
    assert (refused.status_code, refused.json()["code"], "retry-after" in refused.headers) == (
        429,
        "TOO_MANY_REQUESTS",
        False,
    )
    crm.clock.advance(DAY)
    assert crm.ask("GET", "/org").status_code == 200


def test_trap_09_a_missing_scope_is_401_and_no_token_error(crm: Crm) -> None:
    lacking = crm.ask("GET", "/Leads", params={"fields": "Email"}, scopes=frozenset({"ZohoCRM.modules.contacts.READ"}))
    assert (lacking.status_code, lacking.json()["code"]) == (401, "OAUTH_SCOPE_MISMATCH")
    bad = crm.ask("GET", "/Leads", headers={"Authorization": "Zoho-oauthtoken 1000.x.y"})
    assert (bad.status_code, bad.json()["code"]) == (401, "INVALID_TOKEN")
    bearer = crm.ask("GET", "/org", headers={"Authorization": f"Bearer {crm.world.credentials.issue(crm.ada)}"})
    assert (bearer.status_code, bearer.json()["code"]) == (401, "AUTHENTICATION_FAILURE")


def test_a_documented_throttle_can_be_given(crm: Crm) -> None:
    crm.world.faults.answer("throttle", method="crm.records_list")
    assert crm.refused("/Contacts", fields="Email")[:2] == (429, "TOO_MANY_REQUESTS")
    assert crm.bare("/Contacts", fields="Email") == 204
