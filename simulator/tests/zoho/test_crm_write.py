"""Writing to the CRM of a simulated Zoho organisation, and its push channels, from outside (zoho.md §8.3–8.8)."""

import json
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from syncd_simulator.clock import SimClock
from syncd_simulator.server import RunningServer, serve
from syncd_simulator.zoho import ZohoWorld, zoho_app
from syncd_simulator.zoho.crm_store import CrmStore
from syncd_simulator.zoho.crm_watch import deliver
from syncd_simulator.zoho.edits_crm import EDITS

DAY = 86400
MEETING = {
    "Event_Title": "Plan", "Start_DateTime": "2026-10-02T10:00:00+05:30", "End_DateTime": "2026-10-02T11:00:00+05:30",
}  # fmt: skip


class Crm:
    """A world with one person, and writes as that person."""

    def __init__(self, world: ZohoWorld, server: RunningServer) -> None:
        self.world, self.clock, self.url = world, world.clock, server.url
        self.ada = world.add_user("Ada", "Admin", admin=True)
        self.store = CrmStore.of(world)
        self.rng = random.Random(5)
        self.http = httpx.Client()

    def edit(self, edit: str, **more: Any) -> Any:
        """An edit by Ada, here and now."""
        with self.world.lock:
            return EDITS[edit](self.world, self.rng, self.ada, **more)

    def ask(self, method: str, path: str, body: Any = None, version: str = "v8", **more: Any) -> httpx.Response:
        """Any request."""
        headers = {"Authorization": f"Zoho-oauthtoken {self.world.credentials.issue(self.ada)}"} | more.pop(
            "headers", {}
        )
        url = f"{self.url}/crm/{version}{path}"
        return self.http.request(method, url, headers=headers, json=body, **more)

    def write(self, method: str, path: str, *records: Any, **more: Any) -> tuple[int, list[Any]]:
        """(status, elements) of a write of records."""
        body = {"data": list(records)} | more.pop("body", {})
        response = self.ask(method, path, body, **more)
        return response.status_code, response.json()["data"]

    def values(self, module: str, key: str) -> Any:
        """A record as the API shows it."""
        return self.ask("GET", f"/{module}/{key}").json()["data"][0]


@pytest.fixture
def crm() -> Iterator[Crm]:
    """A served world whose clock stands still."""
    world = ZohoWorld(seed=3, clock=SimClock.manual(1_790_000_000.0))
    with serve(zoho_app(world)) as server:
        crm = Crm(world, server)
        yield crm
        crm.http.close()


# -- results ----------------------------------------------------------------------------------------------------------


def test_trap_35_a_mixed_write_is_207_with_one_element_per_record_and_the_id_in_details(crm: Crm) -> None:
    status, elements = crm.write(
        "POST", "/Contacts", {"Last_Name": "Ng"}, {"Last_Name": "No", "Email": "no address"}, {}
    )
    assert (status, [element["status"] for element in elements]) == (207, ["success", "error", "error"])
    assert crm.values("Contacts", elements[0]["details"]["id"])["Last_Name"] == "Ng"
    assert elements[1]["code"] == "INVALID_DATA"
    assert elements[1]["details"] == {
        "api_name": "Email",
        "json_path": "$.data[1].Email",
        "expected_data_type": "email",
    }
    assert (elements[2]["code"], elements[2]["details"]["api_name"]) == ("MANDATORY_NOT_FOUND", "Last_Name")


@pytest.mark.parametrize(("version", "good", "mixed", "bad"), [("v8", 201, 207, 400), ("v2", 201, 201, 202)])
def test_the_status_of_an_insert_depends_on_the_version(
    crm: Crm, version: str, good: int, mixed: int, bad: int
) -> None:
    fine, wrong = {"Last_Name": "Ng"}, {"First_Name": "Zoë"}
    assert crm.write("POST", "/Contacts", fine, version=version)[0] == good
    assert crm.write("POST", "/Contacts", fine, wrong, version=version)[0] == mixed
    assert crm.write("POST", "/Contacts", wrong, version=version)[0] == bad


def test_more_than_100_records_or_none_are_refused_as_a_whole(crm: Crm) -> None:
    many = crm.ask("POST", "/Contacts", {"data": [{"Last_Name": "Ng"}] * 101})
    assert (many.status_code, many.json()["code"]) == (400, "LIMIT_EXCEEDED")
    assert crm.ask("POST", "/Contacts", {"data": []}).json()["code"] == "MANDATORY_NOT_FOUND"
    assert crm.store.tables["Contacts"].records == {}
    assert crm.write("POST", "/Contacts", *[{"Last_Name": "Ng"}] * 100)[0] == 201


@pytest.mark.parametrize(
    ("module", "record", "name"),
    [
        ("Contacts", {"Last_Name": 5}, "Last_Name"),
        ("Contacts", {"Last_Name": "x" * 81}, "Last_Name"),
        ("Contacts", {"Last_Name": "x", "Email_Opt_Out": "true"}, "Email_Opt_Out"),
        ("Contacts", {"Last_Name": "x", "Date_of_Birth": "1.2.1990"}, "Date_of_Birth"),
        ("Contacts", {"Last_Name": "x", "Account_Name": {"id": "4000000000000000001"}}, "Account_Name"),
        ("Contacts", {"Last_Name": "x", "Owner": {"id": "4000000000000000001"}}, "Owner"),
        ("Leads", {"Last_Name": "x", "Company": "y", "No_of_Employees": "5"}, "No_of_Employees"),
        ("Events", MEETING | {"Start_DateTime": "2026-10-02 10:00"}, "Start_DateTime"),
        ("Events", MEETING | {"End_DateTime": "2026-10-01T10:00:00+05:30"}, "End_DateTime"),
        ("Events", MEETING | {"Recurring_Activity": {"RRULE": "RRULE:FREQ=DAILY"}}, "Recurring_Activity"),
        ("Events", MEETING | {"Recurring_Activity": {"RRULE": "FREQ=DAILY;UNTIL=20260814"}}, "Recurring_Activity"),
        ("Events", MEETING | {"Participants": [{"type": "email", "participant": "nobody"}]}, "participant"),
        ("Events", MEETING | {"Remind_At": 15}, "Remind_At"),
    ],
)
def test_a_value_of_the_wrong_type_is_invalid_data(crm: Crm, module: str, record: Any, name: str) -> None:
    status, elements = crm.write("POST", f"/{module}", record)
    assert (status, elements[0]["code"], elements[0]["details"]["api_name"]) == (400, "INVALID_DATA", name)


def test_what_was_written_reads_back_and_null_clears(crm: Crm) -> None:
    account = crm.write("POST", "/Accounts", {"Account_Name": "Acme"})[1][0]["details"]["id"]
    sent = {
        "Last_Name": "Łuk 🎈", "Email": "l@x.example", "Account_Name": {"id": account}, "Date_of_Birth": "1990-02-01",
        "Email_Opt_Out": True, "Tag": [{"name": "vip"}], "Nonsense": 1, "Full_Name": "read only",
    }  # fmt: skip
    key = crm.write("POST", "/Contacts", sent)[1][0]["details"]["id"]
    crm.clock.advance(5)
    status, elements = crm.write("PUT", f"/Contacts/{key}", {"Email": None, "Phone": "1"})
    assert (status, elements[0]["message"]) == (200, "record updated")
    found = crm.values("Contacts", key)
    wanted = {"Last_Name": "Łuk 🎈", "Full_Name": "Łuk 🎈", "Email": None, "Phone": "1", "Email_Opt_Out": True}
    assert {name: found[name] for name in wanted} == wanted
    assert (found["Account_Name"]["name"], found["Tag"][0]["name"]) == ("Acme", "vip")
    assert found["Modified_Time"] == elements[0]["details"]["Modified_Time"] > found["Created_Time"]


def test_unknown_fields_are_refused_when_the_organisation_says_so(crm: Crm) -> None:
    crm.store.unknown_fields = "refused"
    assert crm.write("POST", "/Contacts", {"Last_Name": "x", "Nonsense": 1})[1][0]["code"] == "INVALID_DATA"


def test_many_records_are_updated_by_their_ids(crm: Crm) -> None:
    keys = [crm.edit("add_crm_contact") for _ in range(2)]
    sent = [{"id": key, "Phone": "7"} for key in keys] + [{"id": "4000000000000000001", "Phone": "7"}, {"Phone": "7"}]
    status, elements = crm.write("PUT", "/Contacts", *sent)
    assert (status, [element["code"] for element in elements]) == (
        207, ["SUCCESS", "SUCCESS", "INVALID_DATA", "MANDATORY_NOT_FOUND"],
    )  # fmt: skip


# -- duplicates, upsert, conditions -------------------------------------------------------------------------------------


def test_trap_39_a_repeated_post_duplicates_and_an_upsert_by_a_unique_field_does_not(crm: Crm) -> None:
    crm.store.add_field("Contacts", "External_Id", unique=True)
    for _ in range(2):
        crm.write("POST", "/Contacts", {"Last_Name": "Ng"})
    assert len(crm.store.tables["Contacts"].records) == 2
    sent = {"Last_Name": "Li", "External_Id": "a-1"}
    checks = {"body": {"duplicate_check_fields": ["External_Id"]}}
    first = crm.write("POST", "/Contacts/upsert", sent, **checks)[1][0]
    again = crm.write("POST", "/Contacts/upsert", sent | {"Phone": "5"}, **checks)[1][0]
    assert (first["action"], again["action"], again["duplicate_field"]) == ("insert", "update", "External_Id")
    assert first["details"]["id"] == again["details"]["id"]
    refused = crm.ask("POST", "/Contacts/upsert", {"data": [sent], "duplicate_check_fields": ["Phone"]})
    assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_DATA")


def test_an_upsert_without_check_fields_looks_at_the_email_first(crm: Crm) -> None:
    key = crm.edit("add_crm_contact", Email="a@x.example")
    element = crm.write("POST", "/Contacts/upsert", {"Last_Name": "New", "Email": "A@x.example"})[1][0]
    assert (element["action"], element["details"]["id"]) == ("update", key)


def test_a_unique_field_gives_duplicate_data_with_the_other_record(crm: Crm) -> None:
    crm.store.make_unique("Contacts", "Email")
    key = crm.edit("add_crm_contact", Email="a@x.example")
    status, elements = crm.write("POST", "/Contacts", {"Last_Name": "Ng", "Email": "a@x.example"})
    assert (status, elements[0]["code"], elements[0]["details"]["api_name"]) == (400, "DUPLICATE_DATA", "Email")
    assert elements[0]["details"]["duplicate_record"]["id"] == key
    other = crm.edit("add_crm_contact", Email="b@x.example")
    assert crm.write("PUT", f"/Contacts/{other}", {"Email": "a@x.example"})[1][0]["code"] == "DUPLICATE_DATA"
    assert crm.write("PUT", f"/Contacts/{key}", {"Email": "a@x.example", "Phone": "1"})[0] == 200


def test_a_conditional_update_of_a_record_changed_since_is_412(crm: Crm) -> None:
    key = crm.edit("add_crm_contact")
    seen = crm.values("Contacts", key)["Modified_Time"]
    assert crm.write("PUT", f"/Contacts/{key}", {"Phone": "1"}, headers={"If-Unmodified-Since": seen})[0] == 200
    crm.clock.advance(10)
    crm.edit("edit_crm_contact", key=key, Phone="2")
    status, elements = crm.write("PUT", f"/Contacts/{key}", {"Phone": "3"}, headers={"If-Unmodified-Since": seen})
    assert (status, elements[0]["code"], elements[0]["details"]["id"]) == (412, "ALREADY_MODIFIED", key)
    now = crm.values("Contacts", key)
    assert (now["Phone"], elements[0]["details"]["Modified_Time"]) == ("2", now["Modified_Time"])
    http_date = crm.ask("PUT", f"/Contacts/{key}", {"data": [{}]}, headers={"If-Unmodified-Since": "Thu, 25 Jul 2019"})
    assert http_date.status_code == 400


@pytest.mark.parametrize(("mark", "code"), [("locked", "RECORD_LOCKED"), ("in_blueprint", "RECORD_IN_BLUEPRINT")])
def test_a_record_that_is_held_cannot_be_changed(crm: Crm, mark: str, code: str) -> None:
    key = crm.edit("add_crm_contact")
    setattr(crm.store.tables["Contacts"].records[key], mark, True)
    assert crm.write("PUT", f"/Contacts/{key}", {"Phone": "1"})[1][0]["code"] == code


# -- deleting, conversion -----------------------------------------------------------------------------------------------


def test_deleted_records_go_to_the_bin_and_again_is_an_error_of_that_element(crm: Crm) -> None:
    keys = [crm.edit("add_crm_contact") for _ in range(3)]
    assert crm.ask("DELETE", f"/Contacts/{keys[0]}").status_code == 200
    answer = crm.ask("DELETE", "/Contacts", params={"ids": ",".join(keys[:2])})
    assert (answer.status_code, [element["code"] for element in answer.json()["data"]]) == (
        207,
        ["INVALID_DATA", "SUCCESS"],
    )
    gone = crm.ask("GET", "/Contacts/deleted").json()["data"]
    assert {entry["id"]: entry["type"] for entry in gone} == dict.fromkeys(keys[:2], "recycle")
    assert set(crm.store.tables["Contacts"].records) == {keys[2]}


def test_the_bin_lists_restores_and_empties(crm: Crm) -> None:
    keys = [crm.edit("add_crm_contact") for _ in range(2)]
    for key in keys:
        crm.edit("delete_crm_contact", key=key)
    listed = crm.ask("GET", "/settings/recycle_bin").json()["recycle_bin"]
    assert {entry["id"]: entry["module"]["api_name"] for entry in listed} == dict.fromkeys(keys, "Contacts")
    assert crm.ask("GET", f"/settings/recycle_bin/{keys[0]}").json()["recycle_bin"][0]["id"] == keys[0]
    restore = {"recycle_bin": [{"id": keys[0]}, {"id": "4000000000000000001"}]}
    assert crm.ask("POST", "/settings/recycle_bin/actions/restore", restore).status_code == 207
    assert crm.ask("DELETE", "/settings/recycle_bin", params={"ids": keys[1]}).status_code == 200
    assert crm.ask("GET", "/settings/recycle_bin").status_code == 204
    assert [entry["type"] for entry in crm.ask("GET", "/Contacts/deleted").json()["data"]] == ["permanent"]


def test_a_converted_lead_leaves_a_contact_and_an_account(crm: Crm) -> None:
    key = crm.edit("add_crm_lead", Last_Name="Ng", Company="Acme")
    answer = crm.ask("POST", f"/Leads/{key}/actions/convert", {"data": [{}]})
    details = answer.json()["data"][0]["details"]
    contact = crm.values("Contacts", details["Contacts"]["id"])
    assert (contact["Last_Name"], contact["Account_Name"]["name"]) == ("Ng", "Acme")
    assert crm.ask("GET", "/Leads", params={"fields": "Email"}).status_code == 204
    assert crm.ask("POST", f"/Leads/{key}/actions/convert", {"data": [{}]}).status_code == 400


# -- meetings and side effects ------------------------------------------------------------------------------------------


def test_a_meeting_keeps_its_instants_participants_and_recurrence(crm: Crm) -> None:
    rule = {"RRULE": "FREQ=DAILY;INTERVAL=10;UNTIL=2022-08-14;DTSTART=2022-07-03"}
    people = [{"type": "email", "participant": "a@x.example"}, {"type": "email", "participant": "b@x.example"}]
    sent = MEETING | {"Participants": people, "Recurring_Activity": rule, "Remind_At": "2026-10-02T09:45:00+05:30"}
    key = crm.write("POST", "/Events", sent)[1][0]["details"]["id"]
    found = crm.values("Events", key)
    for name in ("Start_DateTime", "End_DateTime", "Remind_At"):
        assert datetime.fromisoformat(found[name]) == datetime.fromisoformat(str(sent[name]))
    assert found["Recurring_Activity"] == rule
    crm.write("PUT", f"/Events/{key}", {"Participants": people[1:]})
    assert [one["participant"] for one in crm.values("Events", key)["Participants"]] == ["b@x.example"]
    for reminder in ({"ALARM": "FREQ=NONE;ACTION=POPUP"}, [{"unit": 1, "period": "hours", "time": "10:00"}], None):
        crm.write("PUT", f"/Events/{key}", {"Remind_At": reminder})
        assert crm.values("Events", key)["Remind_At"] == reminder


def test_what_id_needs_se_module(crm: Crm) -> None:
    account = crm.store.insert("Accounts", {"Account_Name": "Acme"}, crm.ada.id).id
    sent = MEETING | {"What_Id": {"id": account}}
    assert crm.write("POST", "/Events", sent)[1][0]["code"] == "DEPENDENT_FIELD_MISSING"
    key = crm.write("POST", "/Events", sent | {"$se_module": "Accounts"})[1][0]["details"]["id"]
    found = crm.values("Events", key)
    assert (found["What_Id"]["name"], found["$se_module"]) == ("Acme", "Accounts")


def test_trap_42_workflows_and_mail_are_set_off_unless_suppressed(crm: Crm) -> None:
    sent = MEETING | {"Participants": [{"type": "email", "participant": "a@x.example"}]}
    quiet = {"body": {"trigger": []}}
    key = crm.write("POST", "/Events", sent | {"$send_notification": False}, **quiet)[1][0]["details"]["id"]
    crm.write("PUT", f"/Events/{key}", {"Venue": "here", "$send_notification": False}, **quiet)
    crm.ask("DELETE", "/Contacts/" + crm.edit("add_crm_contact"), params={"wf_trigger": "false"})
    assert crm.store.outbox == []
    crm.write("POST", "/Events", sent)
    assert [entry["kind"] for entry in crm.store.outbox] == ["workflow", "mail"]
    assert crm.store.outbox[1]["to"] == ["a@x.example"]
    crm.store.outbox.clear()
    crm.ask("POST", f"/Events/{key}/actions/cancel", {"data": [{"send_cancelling_mail": True}]})
    assert [entry["subject"] for entry in crm.store.outbox] == ["cancellation"]
    assert key not in crm.store.tables["Events"].records


def test_an_unknown_trigger_is_refused(crm: Crm) -> None:
    answer = crm.ask("POST", "/Contacts", {"data": [{"Last_Name": "x"}], "trigger": ["none"]})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_DATA")


def test_writes_of_many_records_cost_a_credit_for_every_ten(crm: Crm) -> None:
    crm.write("POST", "/Contacts", *[{"Last_Name": "Ng"}] * 25)
    assert crm.store.spent() == 3


# -- push ---------------------------------------------------------------------------------------------------------------


def stamp(moment: float) -> str:
    """ISO 8601 in UTC."""
    return datetime.fromtimestamp(moment, UTC).isoformat()


def watch(crm: Crm, days: float = 1, version: str = "v8", **more: Any) -> httpx.Response:
    """Subscribe to contacts."""
    channel = {
        "channel_id": "1000000068001", "events": ["Contacts.all", "Events.edit"], "token": "sésame",
        "channel_expiry": stamp(crm.clock.time() + days * DAY), "notify_url": "http://127.0.0.1:1/hook",
    } | more  # fmt: skip
    return crm.ask("POST", "/actions/watch", {"watch": [channel]}, version)


def expiry(response: httpx.Response) -> float:
    """The expiry that the answer grants."""
    return datetime.fromisoformat(response.json()["watch"][0]["details"]["events"][0]["channel_expiry"]).timestamp()


@pytest.mark.parametrize(
    ("version", "days", "granted"),
    [("v8", 7, 7 * DAY), ("v8", 7.1, 3600), ("v3", 1, DAY), ("v3", 2, 3600), ("v8", -1, 3600)],
)
def test_trap_37_an_expiry_beyond_the_maximum_silently_becomes_an_hour(
    crm: Crm, version: str, days: float, granted: int
) -> None:
    response = watch(crm, days, version)
    assert response.status_code == 201
    assert expiry(response) - crm.clock.time() == granted


def test_trap_38_a_callback_has_ids_and_the_token_and_no_data(crm: Crm) -> None:
    watch(crm)
    key = crm.write("POST", "/Contacts", {"Last_Name": "Ng"})[1][0]["details"]["id"]
    crm.write("PUT", f"/Contacts/{key}", {"Phone": "1"})
    crm.ask("DELETE", f"/Contacts/{key}")
    crm.edit("add_crm_event")
    bodies: list[Any] = []
    assert deliver(crm.world, lambda url, body: bodies.append((url, body))) == 3
    assert [body["operation"] for _, body in bodies] == ["insert", "update", "delete"]
    assert {url for url, _ in bodies} == {"http://127.0.0.1:1/hook"}
    first = bodies[0][1]
    assert (first["ids"], first["token"], first["module"], first["channel_id"]) == (
        [key], "sésame", "Contacts", "1000000068001",
    )  # fmt: skip
    assert first["resource_uri"].endswith("/crm/v2/Contacts")
    assert "Ng" not in json.dumps(first)
    assert deliver(crm.world, lambda url, body: bodies.append((url, body))) == 0


def test_callbacks_are_posted_as_json_and_may_come_twice(crm: Crm) -> None:
    got: list[Any] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, daemon=True)
        thread.start()
        watch(crm, notify_url=f"http://127.0.0.1:{receiver.server_port}/hook", return_affected_field_values=True)
        key = crm.edit("add_crm_contact", Phone="1")
        deliver(crm.world, repeat=True)
        receiver.shutdown()
        thread.join()
    assert [body["ids"] for body in got] == [[key], [key]]
    assert "Phone" in got[0]["affected_fields"][0][key]


def test_a_channel_is_renewed_narrowed_and_ended(crm: Crm) -> None:
    watch(crm)
    channel = {"channel_id": "1000000068001"}
    longer = channel | {"channel_expiry": stamp(crm.clock.time() + 3 * DAY)}
    renewed = crm.ask("PATCH", "/actions/watch", {"watch": [longer]})
    assert expiry(renewed) == crm.clock.time() + 3 * DAY
    crm.ask("PATCH", "/actions/watch", {"watch": [channel | {"events": ["Contacts.all"], "_delete_events": True}]})
    shown = crm.ask("GET", "/actions/watch", params=channel).json()["watch"]
    assert [entry["events"] for entry in shown] == [["Events.edit"]]
    crm.edit("add_crm_contact")
    assert crm.store.pending == []
    assert crm.ask("DELETE", "/actions/watch", params={"channel_ids": "1000000068001"}).status_code == 200
    assert crm.ask("GET", "/actions/watch", params=channel).status_code == 204
    gone = crm.ask("PATCH", "/actions/watch", {"watch": [longer]})
    assert (gone.status_code, gone.json()["watch"][0]["code"]) == (400, "NOT_SUBSCRIBED")


def test_an_expired_channel_is_silent(crm: Crm) -> None:
    watch(crm)
    crm.clock.advance(DAY)
    crm.edit("add_crm_contact")
    assert deliver(crm.world, lambda *_: None) == 0
    assert crm.ask("GET", "/actions/watch").status_code == 204
