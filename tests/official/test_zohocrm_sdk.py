"""Zoho's own Python SDK for CRM v8 drives the CRM part of the simulator (zoho.md §8)."""

import importlib
import io
import random
import warnings
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from syncd_simulator.server import RunningServer, serve
from syncd_simulator.zoho import ZohoWorld, zoho_app
from syncd_simulator.zoho.crm_store import CrmStore
from syncd_simulator.zoho.edits_crm import EDITS, add_many_crm_contacts, crm_truth

pytestmark = pytest.mark.filterwarnings("ignore")  # deprecations inside of the SDK
pytest.importorskip("zohocrmsdk", reason="zohocrmsdk8_0, Zoho's own client, is not installed", exc_type=ImportError)
ROOT = "zohocrmsdk.src.com.zoho"


def sdk(name: str) -> ModuleType:
    """A module of the SDK, e.g. `crm.api.record`; its imports warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(f"{ROOT}.{name}")


API = sdk("crm.api")
RECORD = sdk("crm.api.record")
CHOICE = sdk("crm.api.util.choice").Choice
FIELD = sdk("crm.api.record.field").Field


def params(owner: Any, **values: Any) -> Any:
    """A ParameterMap of the names that an operation knows."""
    found = API.ParameterMap()
    for name, value in values.items():
        found.add(getattr(owner, name), value)
    return found


def since(owner: Any, moment: datetime) -> Any:
    """A HeaderMap with If-Modified-Since."""
    headers = API.HeaderMap()
    headers.add(owner.if_modified_since, moment)
    return headers


def word(value: Any) -> Any:
    """What a Choice holds."""
    return value.get_value() if isinstance(value, CHOICE) else value


class Client:
    """The SDK on a simulated organisation."""

    def __init__(self, world: ZohoWorld, server: RunningServer, folder: Path) -> None:
        self.world, self.crm = world, CrmStore.of(world)
        self.ada = world.add_user("Ada", "Admin", admin=True)
        self.ben = world.add_user("Ben", "Bakker")
        self.rng = random.Random(5)
        known = world.credentials
        token = sdk("api.authenticator.oauth_token").OAuthToken(
            client_id=known.client_id, client_secret=known.client_secret, refresh_token=known.refresh_token(self.ada)
        )
        environment = sdk("crm.api.dc").DataCenter.Environment(server.url, f"{server.url}/oauth/v2/token", server.url)
        sdk("crm.api.initializer").Initializer.initialize(
            environment, token, store=sdk("api.authenticator.store").FileStore(str(folder / "tokens.csv")),
            sdk_config=sdk("crm.api.sdk_config").SDKConfig(pick_list_validation=False), resource_path=str(folder),
        )  # fmt: skip

    def edit(self, edit: str, **more: Any) -> Any:
        """An edit by Ada, here and now."""
        with self.world.lock:
            return EDITS[edit](self.world, self.rng, self.ada, **more)

    def records(self, module: str) -> Any:
        """The record operations of a module."""
        return RECORD.RecordOperations(module)

    def listing(self, module: str, headers: Any = None, **asked: Any) -> Any:
        """The APIResponse of a listing."""
        query = params(RECORD.GetRecordsParam, **({"fields": "Last_Name,Email"} | asked))
        return self.records(module).get_records(query, headers)

    def write(
        self, operation: Any, *records: Any, trigger: list[str] | None = None, checks: list[str] | None = None
    ) -> Any:
        """The APIResponse of a write of records."""
        body = RECORD.BodyWrapper()
        body.set_data(list(records))
        if trigger is not None:
            body.set_trigger(trigger)
        if checks is not None:
            body.set_duplicate_check_fields(checks)
        return operation(body)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A served world and the SDK on it."""
    world = ZohoWorld(seed=3)
    with serve(zoho_app(world)) as server:
        yield Client(world, server, tmp_path)


def record(key: str | None = None, **values: Any) -> Any:
    """A record of the SDK."""
    made = RECORD.Record()
    if key is not None:
        made.set_id(int(key))
    for name, value in values.items():
        made.add_key_value(name, value)
    return made


def elements(response: Any) -> list[tuple[str, str]]:
    """(status, code) of each element of a write's answer."""
    return [(word(one.get_status()), word(one.get_code())) for one in response.get_object().get_data()]


def the_error(response: Any) -> tuple[int, str]:
    """(HTTP status, code) of a refusal as a whole."""
    return response.get_status_code(), word(response.get_object().get_code())


# -- reading ----------------------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """A value of the SDK as the API showed it, as far as the SDK keeps that."""
    if isinstance(value, datetime):
        return value.timestamp()
    value = word(value)
    return str(value.get_id()) if hasattr(value, "get_id") else value


def shown(value: Any) -> Any:
    """A value of the truth in the same form."""
    if isinstance(value, dict) and "id" in value:
        return value["id"]
    if isinstance(value, str) and value[10:11] == "T":
        return datetime.fromisoformat(value).timestamp()
    return value


LISTS = ("Participants", "Tag", "Recurring_Activity", "Date_of_Birth", "Remind_Participants")


@pytest.mark.parametrize("module", ["Contacts", "Leads", "Events"])
def test_every_record_is_read_with_the_values_of_the_truth(client: Client, module: str) -> None:
    for _ in range(15):
        for name in ("add_crm_contact", "add_crm_lead", "add_crm_event"):
            client.edit(name)
    names = [name for name in client.crm.tables[module].fields if name not in LISTS]
    response = client.listing(module, fields=",".join(names))
    truth = crm_truth(client.world, client.ada, module)[""]
    found = {str(one.get_id()): one.get_key_values() for one in response.get_object().get_data()}
    assert set(found) == set(truth)
    for key, values in found.items():
        for name in names:
            assert plain(values[name]) == shown(truth[key][name]), name


def test_the_sdk_walks_by_page_token(client: Client) -> None:
    add_many_crm_contacts(client.world, client.ada, 45)
    found, asked = [], {"per_page": 20}
    while True:
        page = client.listing("Contacts", **asked).get_object()
        found += [one.get_id() for one in page.get_data()]
        if not page.get_info().get_more_records():
            break
        assert page.get_info().get_page_token_expiry() > datetime.now(UTC) + timedelta(hours=23)
        asked = {"per_page": 20, "page_token": page.get_info().get_next_page_token()}
    assert len(found) == len(set(found)) == 45


def test_refusals_arrive_as_the_sdks_exceptions(client: Client) -> None:
    add_many_crm_contacts(client.world, client.ada, 3)
    assert the_error(client.listing("Contacts", page=11)) == (400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED")
    assert the_error(client.records("Contacts").get_records(API.ParameterMap())) == (400, "REQUIRED_PARAM_MISSING")
    token = client.listing("Contacts", per_page=2).get_object().get_info().get_next_page_token()
    assert the_error(client.listing("Contacts", page_token=token)) == (400, "TOKEN_BOUND_DATA_MISMATCH")
    assert the_error(client.listing("Contacts", page=2, page_token=token)) == (400, "AMBIGUITY_DURING_PROCESSING")


def test_unchanged_is_304_empty_is_204(client: Client) -> None:
    assert client.listing("Leads").get_status_code() == 204
    client.edit("add_crm_contact")
    later, earlier = (datetime.now(UTC) + timedelta(seconds=sign * 60) for sign in (1, -1))
    assert client.listing("Contacts", since(RECORD.GetRecordsHeader, later)).get_status_code() == 304
    assert client.listing("Contacts", since(RECORD.GetRecordsHeader, earlier)).get_status_code() == 200


def test_a_single_meeting_has_its_participants_and_recurrence(client: Client) -> None:
    rule = {"RRULE": "FREQ=DAILY;INTERVAL=10;UNTIL=2022-08-14;DTSTART=2022-07-03"}
    people = [{"type": "email", "participant": "a@x.example", "id": "4000000000000000001"}]
    key = client.edit("add_crm_event", Participants=people, Recurring_Activity=rule)
    event = client.records("Events").get_record(int(key)).get_object().get_data()[0]
    guest = event.get_key_value("Participants")[0]
    assert (guest.get_type(), guest.get_participant(), guest.get_email()) == ("email", "a@x.example", "a@x.example")
    assert event.get_key_value("Recurring_Activity").get_rrule() == rule["RRULE"]


def test_deletions_and_search_are_read(client: Client) -> None:
    key = client.edit("add_crm_contact", Last_Name="Gone")
    client.edit("delete_crm_contact", key=key)
    response = client.records("Contacts").get_deleted_records(params(RECORD.GetDeletedRecordsParam, type="all"))
    gone = response.get_object().get_data()[0]
    assert (str(gone.get_id()), gone.get_display_name().split()[-1], word(gone.get_type())) == (key, "Gone", "recycle")
    assert gone.get_deleted_by().get_name() == "Ada Admin"
    kept = client.edit("add_crm_contact", Email="here@x.example")
    found = client.records("Contacts").search_records(params(RECORD.SearchRecordsParam, email="here@x.example"))
    assert [str(one.get_id()) for one in found.get_object().get_data()] == [kept]


def test_people_organisation_modules_and_fields_are_read(client: Client) -> None:
    users = sdk("crm.api.users")
    response = users.UsersOperations().get_users(params(users.GetUsersParam, type="AllUsers"))
    assert [(user.get_email(), user.get_zuid()) for user in response.get_object().get_users()] == [
        (client.ada.address, client.ada.id),
        (client.ben.address, client.ben.id),
    ]
    org = sdk("crm.api.org").OrgOperations().get_organization().get_object().get_org()[0]
    assert (word(org.get_type()), org.get_zgid()) == ("production", client.world.zoid)
    modules = sdk("crm.api.modules").ModulesOperations().get_modules().get_object().get_modules()
    assert {one.get_api_name() for one in modules if one.get_api_supported()} == set(client.crm.tables)
    fields = sdk("crm.api.fields")
    listed = fields.FieldsOperations().get_fields(params(fields.GetFieldsParam, module="Events"))
    assert {one.get_api_name() for one in listed.get_object().get_fields()} == set(client.crm.tables["Events"].fields)


# -- writing ----------------------------------------------------------------------------------------------------------


def test_inserts_are_judged_one_by_one(client: Client) -> None:
    client.crm.make_unique("Contacts", "Email")
    client.edit("add_crm_contact", Email="taken@x.example")
    contacts = client.records("Contacts")
    sent = [record(Last_Name="Ng", Email=email) for email in ("free@x.example", "taken@x.example", "nonsense")]
    response = client.write(contacts.create_records, *sent, trigger=[])
    assert response.get_status_code() == 207
    assert elements(response) == [("success", "SUCCESS"), ("error", "DUPLICATE_DATA"), ("error", "INVALID_DATA")]
    key = response.get_object().get_data()[0].get_details()["id"]
    assert str(key) in client.crm.tables["Contacts"].records
    assert client.crm.outbox == []


def test_records_are_updated_upserted_and_deleted(client: Client) -> None:
    client.crm.add_field("Contacts", "External_Id", unique=True)
    contacts = client.records("Contacts")
    for phone, action in (("1", "insert"), ("2", "update")):
        one = record(Last_Name="Ng", External_Id="a-1", Phone=phone)
        answer = client.write(contacts.upsert_records, one, checks=["External_Id"]).get_object().get_data()[0]
        assert word(answer.get_action()) == action
    key = str(answer.get_details()["id"])
    assert elements(client.write(contacts.update_records, record(key, Phone="3"))) == [("success", "SUCCESS")]
    assert client.crm.tables["Contacts"].records[key].values["Phone"] == "3"
    response = contacts.delete_records(params(RECORD.DeleteRecordsParam, ids=key))
    assert elements(response) == [("success", "SUCCESS")]
    assert client.crm.tables["Contacts"].records == {}


def test_a_meeting_is_written_with_people_and_recurrence(client: Client) -> None:
    guest = RECORD.Participants()
    guest.set_type("email")
    guest.set_participant("a@x.example")
    rule = RECORD.RecurringActivity()
    rule.set_rrule("FREQ=DAILY;INTERVAL=10;UNTIL=2022-08-14;DTSTART=2022-07-03")
    start = datetime(2026, 10, 2, 10, tzinfo=UTC)
    meeting = record(
        Event_Title="Plan", Start_DateTime=start, End_DateTime=start + timedelta(hours=1), Participants=[guest],
        Recurring_Activity=rule, Remind_At=start - timedelta(minutes=15), All_day=False,
    )  # fmt: skip
    response = client.write(client.records("Events").create_records, meeting, trigger=[])
    assert elements(response) == [("success", "SUCCESS")]
    values = client.crm.tables["Events"].records[str(response.get_object().get_data()[0].get_details()["id"])].values
    assert (values["Start_DateTime"], values["Remind_At"]) == (start.timestamp(), start.timestamp() - 900)
    assert values["Participants"][0] | {"id": ""} == {"type": "email", "participant": "a@x.example", "id": ""}
    assert values["Recurring_Activity"] == {"RRULE": rule.get_rrule()}


# -- queries and push ---------------------------------------------------------------------------------------------------


def test_coql_selects(client: Client) -> None:
    for name in ("Aa", "Bb"):
        client.edit("add_crm_contact", Last_Name=name)
    coql = sdk("crm.api.coql")
    body = coql.BodyWrapper()
    body.set_select_query("select Last_Name from Contacts where Last_Name like 'B%'")
    found = coql.CoqlOperations().get_records(body).get_object().get_data()
    assert [one.get_key_value("Last_Name") for one in found] == ["Bb"]


def test_a_bulk_read_ends_in_a_zip(client: Client) -> None:
    add_many_crm_contacts(client.world, client.ada, 5)
    bulk = sdk("crm.api.bulk_read")
    module = sdk("crm.api.modules").MinifiedModule()
    module.set_api_name("Contacts")
    query, body = bulk.Query(), bulk.BodyWrapper()
    query.set_module(module)
    query.set_fields(["Last_Name", "Email"])
    body.set_query(query)
    jobs = bulk.BulkReadOperations()
    key = int(jobs.create_bulk_read_job(body).get_object().get_data()[0].get_details()["id"])
    states = [word(jobs.get_bulk_read_job_details(key).get_object().get_data()[0].get_state()) for _ in range(4)]
    assert states[-1] == "COMPLETED"
    packed = jobs.download_result(key).get_object().get_file().get_stream()
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert len(archive.read(archive.namelist()[0]).splitlines()) == 6


def test_a_channel_is_opened_read_and_ended(client: Client) -> None:
    push = sdk("crm.api.notifications")
    channel = push.Notification()
    channel.set_channel_id("1000000068001")
    channel.set_events(["Contacts.all"])
    channel.set_channel_expiry(datetime.now(UTC) + timedelta(days=1))
    channel.set_notify_url("https://hooks.example/zoho")
    channel.set_token("sesame")
    body = push.BodyWrapper()
    body.set_watch([channel])
    operations = push.NotificationsOperations()
    opened = operations.enable_notifications(body)
    assert (opened.get_status_code(), word(opened.get_object().get_watch()[0].get_code())) == (201, "SUCCESS")
    listed = operations.get_notifications(params(push.GetNotificationsParam, channel_id=1000000068001))
    assert [one.get_token() for one in listed.get_object().get_watch()] == ["sesame"]
    ended = operations.delete_notification(params(push.DeleteNotificationParam, channel_ids="1000000068001"))
    assert word(ended.get_object().get_watch()[0].get_status()) == "success"
    assert operations.get_notifications().get_status_code() == 204
