"""Zoho Mail: accounts, folders, messages."""

import base64
import hashlib
from typing import Any

import pytest
from syncd_simulator.google.mime import compose
from syncd_simulator.zoho.mailbox import boxes


@pytest.fixture(autouse=True)
def unlimited(site: Any) -> None:
    """These tests call more than 30 times a minute."""
    site.world.limits.enabled = False


def in_folder(site: Any, key: str) -> str:
    """The path of a message in its folder."""
    return f"{site.mail}/folders/{boxes(site.world).of(site.owner).mails[key].folder}/messages/{key}"


def test_accounts_name_the_organisation_and_foreign_mailboxes(site: Any) -> None:
    boxes(site.world).add_external(site.owner)
    native, foreign = site.get("mail", "/api/accounts")["data"]
    assert (native["type"], native["accountId"]) == ("ZOHO_ACCOUNT", site.owner.account_id)
    assert native["policyId"]["zoid"] == site.world.zoid
    assert foreign["type"] != "ZOHO_ACCOUNT"


def test_old_samples_have_other_types(site: Any) -> None:
    site.world.mail_old_shapes = True
    body = site.get("mail", "/api/accounts")
    assert body["status"]["code"] == "200"
    assert body["data"][0]["accountId"] == int(site.owner.account_id)
    assert body["data"][0]["enabled"] == "true"


def test_one_organisation_user_comes_as_an_object(site: Any) -> None:
    path = f"/api/organization/{site.world.zoid}/accounts"
    assert [row["zuid"] for row in site.get("mail", path)["data"]] == list(site.world.users)
    assert site.get("mail", path, start=2, limit=2)["data"]["zuid"] == list(site.world.users)[2]
    assert site.get("mail", path, start=3)["data"] == []
    site.world.org_start = 1
    assert [row["zuid"] for row in site.get("mail", path, start=1, limit=2)["data"]] == list(site.world.users)[:2]


def test_organisation_users_are_for_administrators(site: Any) -> None:
    other = list(site.world.users.values())[1]
    path = f"/api/organization/{site.world.zoid}/accounts"
    assert site.get("mail", f"{path}/{other.zuid}")["data"]["primaryEmailAddress"] == other.address
    assert site.get("mail", f"{path}/{other.address}")["data"]["zuid"] == other.zuid
    status, body = site.refused("mail", path, user=other)
    assert (status, body["data"]["errorCode"]) == (403, "ACCESS_DENIED")


def test_a_suspended_user_is_listed_as_disabled(site: Any) -> None:
    other = list(site.world.users.values())[1]
    site.world.suspend_user(other)
    row = site.get("mail", f"/api/organization/{site.world.zoid}/accounts/{other.zuid}")["data"]
    assert (row["accountEnabled"], row["mailboxStatus"]) == (False, "disabled")


def test_accounts_of_others_are_refused(site: Any) -> None:
    other = list(site.world.users.values())[1]
    folders = f"/api/accounts/{other.account_id}/folders"
    assert site.refused("mail", folders)[1]["data"]["errorCode"] == "ACCESS_DENIED"
    status, body = site.refused("mail", f"/api/accounts/{site.owner.zuid}/folders")
    assert (status, body["data"]["errorCode"]) == (404, "INVALID_ACCOUNT")
    assert f"Account id {site.owner.zuid} is invalid" in body["data"]["moreInfo"]
    assert site.refused("mail", "/api/accounts/me/folders")[1]["data"]["errorCode"] == "URL_RULE_NOT_CONFIGURED"
    site.world.admin_reads_mail = True
    assert site.ask("GET", "mail", folders).status_code == 200


def test_a_folder_may_be_named_like_a_system_folder(site: Any) -> None:
    projects = boxes(site.world).of(site.owner).add_folder("Projects")
    site.editor.add_mail_folder(name="Trash", parent=projects)
    rows = site.get("mail", f"{site.mail}/folders")["data"]
    named = [(row["path"], row["folderType"]) for row in rows if row["folderName"] == "Trash"]
    assert named == [("/Trash", "Trash"), ("/Projects/Trash", "Inbox")]
    assert all(isinstance(row["folderId"], str) for row in rows)


def test_a_listing_shows_one_folder(site: Any) -> None:
    box = boxes(site.world).of(site.owner)
    inbox, sent = site.editor.add_mail(), site.editor.add_mail(folder=box.system("Sent"))
    assert [row["messageId"] for row in site.rows()] == [inbox]
    assert [row["messageId"] for row in site.rows(box.system("Sent").id)] == [sent]
    assert {row["messageId"] for row in site.rows(includesent="true")} == {inbox, sent}


def test_listings_can_be_filtered_and_turned_round(site: Any) -> None:
    read = site.editor.add_mail(received=site.world.millis() - 5, read=True)
    unread = site.editor.add_mail()
    assert [row["messageId"] for row in site.rows(status="read")] == [read]
    assert [row["messageId"] for row in site.rows(status="unread")] == [unread]
    assert [row["messageId"] for row in site.rows(sortorder="true")] == [read, unread]
    assert site.rows(fields="subject", limit=1)[0].keys() == {"messageId", "subject"}


def test_details_are_the_row_of_the_listing(site: Any) -> None:
    key = site.editor.add_mail()
    assert site.get("mail", f"{in_folder(site, key)}/details")["data"] == site.rows()[0]


def test_search_rows_have_another_shape(site: Any) -> None:
    old = site.editor.add_mail(received=site.world.millis() - 300_000)
    new = site.editor.add_mail()
    search = f"{site.mail}/messages/search"
    rows = site.get("mail", search, searchKey="newMails")["data"]
    assert [row["URI"].rpartition("/")[2] for row in rows] == [new]
    row = rows[0]
    assert row["receivedtime"] == str(site.world.millis())
    assert (row["status"], row["flagid"], row["messageId"]) == ("unread", 0, int(float(new) // 10**5) * 10**5)
    since = site.world.millis() - 300_000
    assert len(site.get("mail", search, searchKey="newMails", receivedTime=since)["data"]) == 1
    assert len(site.get("mail", search, searchKey="newMails", receivedTime=since - 1)["data"]) == 2
    assert old in site.rows(start=2)[0].values()
    assert site.refused("mail", search)[1]["data"]["errorCode"] == "LESS_THAN_MIN_OCCURANCE"


@pytest.mark.parametrize(
    ("search", "count"),
    [
        ("subject:tea", 1), ("subject:tea::has:attachment", 0), ("subject:tea:or:has:attachment", 2),
        ("sender:bob", 2), ("in:Inbox", 2), ("in:Trash", 1), ("entire:cake", 1), ("entire:gone", 0),
        ("entire:gone::inclspamtrash:true", 1), ("fileName:plan.pdf", 1), ("fromDate:01-Jan-2100", 0),
    ],
)  # fmt: skip
def test_search_understands_its_syntax(site: Any, search: str, count: int) -> None:
    bob, me = "Bob <bob@b.example>", site.owner.address
    site.editor.add_mail(raw=compose("1@x", bob, me, "Tea", 1.0, "and cake"))
    attachments = [("plan.pdf", "application/pdf", b"x")]
    site.editor.add_mail(raw=compose("2@x", bob, me, "Plan", 1.0, "see file", attachments=attachments))
    trash = boxes(site.world).of(site.owner).system("Trash")
    site.editor.add_mail(raw=compose("3@x", "Eve <e@e.example>", me, "Old", 1.0, "gone"), folder=trash)
    rows = site.get("mail", f"{site.mail}/messages/search", searchKey=search)["data"]
    assert len(rows) == count


def test_the_original_message_is_text_inside_json(site: Any) -> None:
    raw = compose("1@x", "Bob <b@b.example>", site.owner.address, "Café", 1.0, "Crème\nbrûlée")
    key = site.editor.add_mail(raw=raw)
    response = site.ask("GET", "mail", f"{site.mail}/messages/{key}/originalmessage")
    assert response.headers["content-type"].startswith("application/json")
    content = response.json()["data"]["content"]
    assert content.encode() == raw
    assert "\r\n" in content
    truth = site.world.snapshot(site.owner, "mail")[boxes(site.world).of(site.owner).mails[key].folder][key]
    assert truth["sha256"] == hashlib.sha256(content.encode()).hexdigest()


def test_attachments_are_listed_and_sent_as_octets(site: Any) -> None:
    data = bytes(range(256))
    raw = compose("1@x", "B <b@b.example>", "a@a", "x", 1.0, "y", attachments=[("a.bin", "application/zip", data)])
    path = in_folder(site, site.editor.add_mail(raw=raw))
    assert base64.encodebytes(data).split()[0] in raw
    info = site.get("mail", f"{path}/attachmentinfo", includeInline="true")["data"]
    (row,) = info["attachments"]
    assert (row["attachmentName"], row["attachmentSize"], info["inline"]) == ("a.bin", 256, [])
    assert site.ask("GET", "mail", f"{path}/attachments/{row['attachmentId']}").content == data
    assert site.rows()[0]["hasAttachment"] == "1"


def test_a_moved_message_keeps_its_id_and_its_old_pair_is_404(site: Any) -> None:
    key = site.editor.add_mail()
    before = in_folder(site, key)
    trash = boxes(site.world).of(site.owner).system("Trash")
    site.editor.move_mail(key=key, folder=trash)
    assert site.refused("mail", f"{before}/details")[0] == 404
    assert site.get("mail", f"{in_folder(site, key)}/details")["data"]["folderId"] == trash.id


def test_delete_goes_to_the_trash_or_for_good(site: Any) -> None:
    key = site.editor.add_mail()
    assert site.ask("DELETE", "mail", in_folder(site, key), params={"expunge": "false"}).status_code == 200
    trash = boxes(site.world).of(site.owner).system("Trash")
    assert [row["messageId"] for row in site.rows(trash.id)] == [key]
    assert site.ask("DELETE", "mail", in_folder(site, key), params={"expunge": "true"}).status_code == 200
    assert site.rows(trash.id) == []


@pytest.mark.parametrize("status", [400, 429, 500])
def test_the_throttle_has_the_status_of_the_knob(site: Any, status: int) -> None:
    site.world.limits.enabled = True
    site.world.mail_throttle_status = status
    for _ in range(30):
        site.ask("GET", "mail", "/api/accounts")
    assert site.refused("mail", "/api/accounts")[0] == status
