"""One test for each trap of zoho.md §10 that accounts, Mail, Calendar and Contacts set."""

from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import orjson
import pytest
from syncd_simulator.zoho.calendars import calendars_of
from syncd_simulator.zoho.datacentres import CENTRES

CONTACTS = "/api/v1/accounts/self/contacts"
CALENDARS = "/api/v1/calendars"


def default(site: Any) -> str:
    """The path of the owner's default calendar."""
    return f"{CALENDARS}/{quote(site.get('calendar', CALENDARS)['calendars'][0]['uid'])}"


def data(**values: Any) -> dict[str, str]:
    """`eventdata` as a parameter."""
    return {"eventdata": orjson.dumps(values).decode()}


MOMENTS = {"dateandtime": {"start": "20261120T100000Z", "end": "20261120T110000Z", "timezone": "Europe/Madrid"}}


def test_trap_01_oauth_failures_come_with_http_200(site: Any) -> None:
    refused = site.token(refresh_token="1000.no.such")
    assert (refused.status_code, refused.json()) == (200, {"error": "invalid_code"})
    assert site.token(client_secret="wrong").json() == {"error": "invalid_client_secret"}
    assert site.token(client_id="wrong").json() == {"error": "invalid_client"}


def test_trap_02_the_refresh_answer_has_no_refresh_token(site: Any) -> None:
    assert "access_token" in site.token().json()
    assert "refresh_token" not in site.token().json()


def test_trap_03_the_word_bearer_is_refused_by_mail(site: Any) -> None:
    answer = site.token().json()
    assert answer["token_type"] == "Bearer"
    for scheme, status in (("Bearer", 401), ("Zoho-oauthtoken", 200)):
        headers = {"Authorization": f"{scheme} {answer['access_token']}"}
        assert site.http.get(f"{site.endpoints['mail']}/api/accounts", headers=headers).status_code == status
        assert site.http.get(f"{site.endpoints['calendar']}{CALENDARS}", headers=headers).status_code == 200


def test_trap_04_the_eleventh_refresh_in_ten_minutes_is_throttled(site: Any) -> None:
    assert ["access_token" in site.token().json() for _ in range(11)] == [True] * 10 + [False]
    throttled = site.token()
    assert throttled.status_code == 400
    assert throttled.json() == {
        "error_description": "You have made too many requests continuously. Please try again after some time.",
        "error": "Access Denied",
        "status": "failure",
    }
    site.clock.advance(601)
    assert "access_token" in site.token().json()


def test_trap_05_a_revoked_token_and_a_throttle_differ_by_body_only(site: Any) -> None:
    site.world.credentials.throttle_status = 200
    site.world.credentials.localised = True
    for _ in range(10):
        site.token()
    throttled = site.token()
    assert (throttled.status_code, throttled.json()["status"]) == (200, "failure")
    assert "Denied" not in throttled.text
    old = site.world.credentials.refresh_token(site.owner)
    site.world.credentials.revoke()
    assert site.token(refresh_token=old).json() == {"error": "invalid_code"}


def test_trap_06_the_code_is_good_at_its_accounts_server_only(site: Any) -> None:
    query = {
        "client_id": site.world.credentials.client_id, "response_type": "code", "redirect_uri": "http://app.example/cb",
        "scope": "ZohoMail.accounts.READ", "access_type": "offline",
    }  # fmt: skip
    consent = site.http.get(f"{site.endpoints['accounts']}/oauth/v2/auth", params=query)
    answer = {name: values[0] for name, values in parse_qs(urlsplit(consent.headers["location"]).query).items()}
    assert answer["location"] == "eu"
    form = {
        "grant_type": "authorization_code", "code": answer["code"], "redirect_uri": "http://app.example/cb",
        "client_id": site.world.credentials.client_id, "client_secret": site.world.credentials.client_secret,
    }  # fmt: skip
    elsewhere = site.world.endpoints(site.url, "us")["accounts"]
    assert site.http.post(f"{elsewhere}/oauth/v2/token", data=form).json() == {"error": "invalid_code"}
    good = site.http.post(f"{answer['accounts-server']}/oauth/v2/token", data=form).json()
    assert good["refresh_token"].startswith("1000.")


def test_trap_07_canada_has_two_suffixes(site: Any) -> None:
    assert CENTRES["ca"].host("accounts") == "accounts.zohocloud.ca"
    assert CENTRES["ca"].host("crm") == "www.zohoapis.ca"
    site.world.dc = "ca"
    form = {
        "grant_type": "refresh_token", "client_id": site.world.credentials.client_id,
        "client_secret": site.world.credentials.client_secret,
        "refresh_token": site.world.credentials.refresh_token(site.owner),
    }  # fmt: skip
    headers = {"Host": "accounts.zohocloud.ca"}
    answer = site.http.post(f"{site.url}/oauth/v2/token", data=form, headers=headers).json()
    assert answer["api_domain"] == "https://www.zohoapis.ca"
    token = {"Authorization": f"Zoho-oauthtoken {answer['access_token']}"}
    for host, status in (("mail.zohocloud.ca", 200), ("mail.zoho.eu", 401), ("calendar.zohocloud.ca", 404)):
        response = site.http.get(f"{site.url}/api/accounts", headers=token | {"Host": host})
        assert response.status_code == status


def test_trap_08_api_domain_serves_no_mail(site: Any) -> None:
    site.world.virtual_hosts = True
    site.endpoints = site.world.endpoints(site.url)
    api_domain = site.token().json()["api_domain"]
    assert api_domain == site.endpoints["crm"]
    for product, path in (("mail", "/api/accounts"), ("calendar", CALENDARS), ("contacts", CONTACTS)):
        assert site.ask("GET", product, path).status_code == 200
        assert site.http.get(api_domain + path, headers=site.bearer()).status_code == 404


def test_trap_09_a_lacking_scope_is_no_token_error(site: Any) -> None:
    scopes = ["ZohoMail.folders.READ"]
    status, body = site.refused("mail", f"{site.mail}/messages/view", scopes=scopes)
    assert (status, body["data"]["errorCode"]) == (403, "INVALID_OAUTHSCOPE")
    status, body = site.refused("mail", "/api/accounts", headers={"Authorization": "Zoho-oauthtoken 1000.a.b"})
    assert (status, body["data"]["errorCode"]) == (401, "INVALID_OAUTHTOKEN")


def test_trap_17_a_mail_listing_has_no_filter_by_time(site: Any) -> None:
    for index in range(3):
        site.editor.add_mail(received=site.world.millis() - 1000 * index)
    assert [row["receivedTime"] for row in site.rows()] == sorted(
        (r["receivedTime"] for r in site.rows()), reverse=True
    )
    status, body = site.refused("mail", f"{site.mail}/messages/view", params={"receivedTime": "1"})
    assert (status, body["data"]["errorCode"]) == (400, "EXTRA_PARAM_FOUND")


def test_trap_18_start_counts_from_one(site: Any) -> None:
    for index in range(12):
        site.editor.add_mail(received=site.world.millis() - 1000 * index)
    every = [row["messageId"] for row in site.rows(limit=200)]
    assert [row["messageId"] for row in site.rows()] == every[:10]  # default limit
    assert [row["messageId"] for row in site.rows(start=11)] == every[10:]
    naive = [row["messageId"] for start in (0, 5, 10) for row in site.rows(start=start, limit=5)]
    assert len(set(naive)) < len(naive)  # a walk from zero meets rows twice


def test_trap_18_no_page_is_longer_than_200(site: Any) -> None:
    for index in range(210):
        site.editor.add_mail(raw=b"Subject: x\r\n\r\ny", received=site.world.millis() - index)
    assert len(site.rows(limit=500)) == 200


def test_trap_19_values_of_a_row_are_strings(site: Any) -> None:
    site.editor.add_mail(raw=b"Subject: x\r\n\r\ny", received=978_307_200_000)
    site.editor.add_mail(raw=b"Subject: x\r\n\r\ny")
    newest, oldest = site.rows()
    assert newest["hasAttachment"] == "0"
    assert newest["receivedTime"] == str(site.world.millis())
    assert oldest["receivedTime"] > newest["receivedTime"]  # as text, the wrong way round
    assert (newest["calendarType"], newest["status"], newest["flagid"]) == (0, "0", "flag_not_set")


def test_trap_20_addresses_are_escaped_and_absent_ones_are_words(site: Any) -> None:
    site.editor.add_mail(raw=b'From: r@z.com\r\nTo: "rebecca" <rebecca@zylker.com>\r\nSubject: a & b\r\n\r\n1 < 2')
    row = site.rows()[0]
    assert row["toAddress"] == "&quot;rebecca&quot;&lt;rebecca@zylker.com&gt;"
    assert row["ccAddress"] == "Not Provided"
    assert (row["summary"], row["subject"]) == ("1 &lt; 2", "a & b")
    assert "threadId" not in row


def test_trap_21_content_without_the_folder_is_no_route(site: Any) -> None:
    key = site.editor.add_mail()
    status, body = site.refused("mail", f"{site.mail}/messages/{key}/content")
    assert (status, body["data"]["errorCode"]) == (404, "URL_RULE_NOT_CONFIGURED")
    folder = site.rows()[0]["folderId"]
    assert "content" in site.get("mail", f"{site.mail}/folders/{folder}/messages/{key}/content")["data"]


def test_trap_22_new_mail_shifts_the_rows_of_later_pages(site: Any) -> None:
    for index in range(6):
        site.editor.add_mail(received=site.world.millis() - 1000 - index)
    first = [row["messageId"] for row in site.rows(limit=3)]
    site.editor.add_mail()
    assert first[-1] in [row["messageId"] for row in site.rows(start=4, limit=3)]
    site.editor.purge_mail(site.owner, first[0])
    site.editor.purge_mail(site.owner, first[1])
    assert first[-1] not in [row["messageId"] for row in site.rows(start=4, limit=3)]


def test_trap_23_more_than_30_mail_calls_a_minute_block_the_account(site: Any) -> None:
    statuses = [site.ask("GET", "mail", "/api/accounts").status_code for _ in range(32)]
    assert statuses == [200] * 30 + [429] * 2
    assert site.refused("mail", "/api/accounts")[1]["status"]["code"] == 429
    assert site.ask("GET", "calendar", CALENDARS).status_code == 200
    site.clock.advance(61)
    assert site.ask("GET", "mail", "/api/accounts").status_code == 200


@pytest.mark.parametrize(("last", "status"), [(30, 200), (31, 200), (32, 400), (365, 400)])
def test_trap_24_a_range_has_31_days_at_most(site: Any, last: int, status: int) -> None:
    response = site.ask("GET", "calendar", f"{default(site)}/events", params={"range": site.window(0, last)})
    assert response.status_code == status


def test_trap_25_descriptions_come_with_json_large_only(site: Any) -> None:
    site.world.lastmodified = "ignored"
    calendar = default(site)
    site.editor.add_event(start=None, description="Bring cake", rule="FREQ=DAILY", title="Party")
    # a daily series from some day in the two months around now; look at a window behind all of them
    params = {"range": site.window(60, 80)}
    plain = site.ask("GET", "calendar", f"{calendar}/events", params=params).json()["events"]
    large = site.ask(
        "GET", "calendar", f"{calendar}/events", params=params, headers={"Accept": "application/json+large"}
    ).json()["events"]
    assert [("description" in row) for row in plain] == [False]
    assert [row["description"] for row in large] == ["Bring cake"]


def test_trap_26_eventdata_is_a_parameter_and_etags_have_two_places(site: Any) -> None:
    calendar = default(site)
    values = {"title": "Standup", **MOMENTS}
    body = site.ask("POST", "calendar", f"{calendar}/events", json=values)
    assert body.status_code == 400
    created = site.ask("POST", "calendar", f"{calendar}/events", params=data(**values)).json()["events"][0]
    assert created["estatus"] == "added"
    path = f"{calendar}/events/{quote(created['uid'])}"
    assert site.ask("PUT", "calendar", path, params=data(**values)).status_code == 412
    stale = {"etag": created["etag"] - 1}
    assert site.ask("PUT", "calendar", path, data=data(**values, **stale)).status_code == 412
    changed = site.ask("PUT", "calendar", path, data=data(**values, etag=created["etag"])).json()["events"][0]
    assert changed["etag"] > created["etag"]
    assert site.refused("calendar", path, "DELETE") == (412, {"error": [{"message": "ETAG_MISMATCH"}]})
    assert site.ask("DELETE", "calendar", path, headers={"etag": str(changed["etag"])}).status_code == 200


def test_trap_27_top_level_times_have_no_offset(site: Any) -> None:
    calendar = default(site)
    moments = {"dateandtime": {"timezone": "Asia/Calcutta", "start": "20170722T093000Z", "end": "20170722T121500Z"}}
    row = site.ask("POST", "calendar", f"{calendar}/events", params=data(**moments)).json()["events"][0]
    assert row["dateandtime"]["start"] == "20170722T150000+0530"
    assert (row["start"], row["end"]) == ("20170722T150000", "20170722T174500")


def test_trap_28_deleted_events_are_just_not_there(site: Any) -> None:
    calendar = default(site)
    uid = site.editor.add_event(rule="FREQ=DAILY")
    since = "20200101T000000Z"
    assert [row["uid"] for row in site.get("calendar", f"{calendar}/events", lastmodified=since)["events"]] == [uid]
    site.editor.delete_event(key=uid)
    assert site.get("calendar", f"{calendar}/events", lastmodified=since) == {"events": []}
    assert site.get("calendar", f"{calendar}/events", range=site.window()) == {"events": []}
    assert site.refused("calendar", f"{calendar}/events/{quote(uid)}")[0] == 404


def test_trap_29_never_edited_contacts_have_no_update_time(site: Any) -> None:
    key = site.editor.add_contact()
    row = site.get("contacts", CONTACTS)["contacts"][0]
    assert (row["updated_time"], row["created_time"]) == (-1, site.world.millis())
    site.editor.edit_contact(key=key)
    assert site.get("contacts", CONTACTS)["contacts"][0]["updated_time"] > row["created_time"]


def test_trap_30_sub_lists_come_on_request(site: Any) -> None:
    site.editor.add_contact(
        first_name="Bo", emails=[{"email_id": "a@b", "is_primary": True}, {"email_id": "c@d", "is_primary": False}],
        phones=[{"number": "1", "type": "work"}],
    )  # fmt: skip
    assert {"emails", "phones"} & set(site.get("contacts", CONTACTS)["contacts"][0]) == set()
    row = site.get("contacts", CONTACTS, include="emails,phones")["contacts"][0]
    assert (len(row["emails"]), len(row["phones"])) == (2, 1)
    primary = site.get("contacts", CONTACTS, include="emails.primary")["contacts"][0]["emails"]
    assert [email["email_id"] for email in primary] == ["a@b"]


def test_trap_41_ids_are_too_long_for_floats(site: Any) -> None:
    key = site.editor.add_mail()
    contact = site.editor.add_contact()
    for text in (key, contact, site.owner.zuid, site.owner.account_id, site.world.zoid):
        assert len(text) >= 18
        assert int(float(text)) != int(text)
    echoed = site.get("mail", f"{site.mail}/messages/{key}/originalmessage")["data"]["messageId"]
    assert echoed != int(key)
    assert str(echoed).endswith("00000")


def test_trap_42_events_with_guests_send_mail_unless_told_not_to(site: Any) -> None:
    calendar = default(site)
    guests = {"attendees": [{"email": "guest@elsewhere.example"}], **MOMENTS}
    mails = calendars_of(site.world).mails
    site.ask("POST", "calendar", f"{calendar}/events", params=data(notify_attendee=0, **guests))
    assert mails == []
    site.ask("POST", "calendar", f"{calendar}/events", params=data(**guests))
    assert [people for _, people in mails] == [["guest@elsewhere.example"]]
