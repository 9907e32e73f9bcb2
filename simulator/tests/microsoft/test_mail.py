"""Mail: folders, messages, moves, MIME."""

import base64
import hashlib
from typing import Any

import pytest

IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}


def box_path(site: Any) -> str:
    return f"/users/{site.ada.id}/mailFolders"


def test_hidden_folders_come_on_request(site: Any) -> None:
    names = {folder["displayName"] for folder in site.everything(box_path(site))}
    assert "Inbox" in names
    assert "Sync Issues" not in names
    more = {folder["displayName"] for folder in site.everything(box_path(site) + "?includeHiddenFolders=true")}
    assert more - names == {"Sync Issues"}


def test_folder_delta_is_flat_and_follows_renames_moves_and_deletions(site: Any) -> None:
    first = site.round(box_path(site) + "/delta")
    names = {item["displayName"]: item for item in first.items}
    assert names["Lisbon"]["parentFolderId"] == names["Projects"]["id"]
    box = site.ada.mailbox
    lisbon = box.mail_folders[names["Lisbon"]["id"]]
    site.editor.rename_mail_folder(site.ada, lisbon, "Porto")
    second = site.round(first.link)
    assert [(i["id"], i["displayName"]) for i in second.items] == [(lisbon.id, "Porto")]
    site.editor.move_mail_folder(site.ada, lisbon, "inbox")
    third = site.round(second.link)
    assert third.last[lisbon.id]["parentFolderId"] == box.well_known["inbox"]
    site.editor.delete_mail_folder(site.ada, lisbon)
    assert site.round(third.link).removed == {lisbon.id}
    site.editor.add_mail(site.ada)
    assert site.round(third.link).removed == {lisbon.id}  # never messages


def test_search_folders_say_what_they_are_and_repeat_messages(site: Any) -> None:
    site.editor.add_mail(site.ada, is_read=False)
    flat = site.round(box_path(site) + "/delta").items
    (search,) = [item for item in flat if item["@odata.type"] == "#microsoft.graph.mailSearchFolder"]
    page = site.get(f"{box_path(site)}/{search['id']}/messages")
    assert page["value"]
    assert all(not item["isRead"] and item["parentFolderId"] != search["id"] for item in page["value"])


@pytest.mark.parametrize("name", ["inbox", "SentItems", "msgfolderroot", "recoverableitemsdeletions"])
def test_well_known_names(site: Any, name: str) -> None:
    assert site.get(f"{box_path(site)}/{name}")["id"] == site.ada.mailbox.well_known[name.lower()]


def test_absent_well_known_folders_and_strange_ids(site: Any) -> None:
    assert site.refused(box_path(site) + "/clutter")[1]["code"] == "ErrorItemNotFound"
    assert site.refused(box_path(site) + "/nonsense")[1]["code"] == "ErrorInvalidIdMalformed"


def test_messages_list_newest_first_with_filters(site: Any) -> None:
    mails = site.everything(f"/users/{site.ada.id}/messages?$select=receivedDateTime,isRead")
    times = [mail["receivedDateTime"] for mail in mails]
    assert times == sorted(times, reverse=True)
    assert len(mails) == len(site.ada.mailbox.mails)
    site.editor.add_mail(site.ada, is_read=False)
    unread = site.everything(
        f"/users/{site.ada.id}/messages?$filter=isRead eq false and receivedDateTime ge 2000-01-01T00:00:00Z"
    )
    assert len(unread) == sum(not mail.is_read for mail in site.ada.mailbox.mails.values())


def test_mime_is_raw_and_counted(site: Any) -> None:
    mail = next(iter(site.ada.mailbox.mails.values()))
    answer = site.ask("GET", f"/users/{site.ada.id}/messages/{mail.key}/$value")
    assert answer.content == mail.raw
    assert site.world.mail_counter[site.ada.id, mail.key] == 1
    truth = site.world.snapshot(site.ada, "mail")[mail.folder][mail.key]
    assert truth["sha256"] == hashlib.sha256(answer.content).hexdigest()


def test_attachments(site: Any) -> None:
    mail = next(m for m in (site.editor.add_mail(site.ada) for _ in range(40)) if m.has_attachments)
    (file,) = site.get(f"/users/{site.ada.id}/messages/{mail.plain}/attachments")["value"]
    assert file["@odata.type"] == "#microsoft.graph.fileAttachment"
    assert base64.b64decode(file["contentBytes"])


def test_body_format_follows_the_header(site: Any) -> None:
    mail = site.editor.add_mail(site.ada)
    path = f"/users/{site.ada.id}/messages/{mail.plain}"
    assert site.get(path)["body"]["contentType"] == "html"
    answer = site.ask("GET", path, headers={"Prefer": 'outlook.body-content-type="text"'})
    assert answer.json()["body"] == {"contentType": "text", "content": mail.text}
    assert answer.headers["preference-applied"] == 'outlook.body-content-type="text"'


def test_headers_come_only_when_selected(site: Any) -> None:
    mail = site.editor.add_mail(site.ada)
    path = f"/users/{site.ada.id}/messages/{mail.plain}"
    assert "internetMessageHeaders" not in site.get(path)
    found = site.get(path + "?$select=internetMessageHeaders")["internetMessageHeaders"]
    assert {"From", "Subject"} <= {header["name"] for header in found}


def test_unselected_changes_stay_invisible(site: Any) -> None:
    mail = site.editor.add_mail(site.ada)
    blind = site.round(site.inbox() + "/delta?$select=subject")
    seeing = site.round(site.inbox() + "/delta?$select=subject,isRead")
    site.editor.read_mail(site.ada, mail)
    assert site.round(blind.link).items == []
    assert site.round(seeing.link).last[mail.key]["isRead"] is True


def test_a_filter_by_date_holds_for_later_rounds(site: Any) -> None:
    limit = site.world.stamp(site.world.now() - 3600)
    first = site.round(f"{site.inbox()}/delta?$filter=receivedDateTime ge {limit}")
    assert first.items == []
    new = site.editor.add_mail(site.ada)
    site.editor.add_mail(site.ada, received=site.world.now() - 7200)
    assert list(site.round(first.link).last) == [new.key]
    for text in ("receivedDateTime le 2020-01-01T00:00:00Z", "isRead eq true", "receivedDateTime ge yesterday"):
        assert site.refused(f"{site.inbox()}/delta", params={"$filter": text})[0] == 400


def test_change_type_restricts_the_feed(site: Any) -> None:
    first = site.round(site.inbox() + "/delta?changeType=deleted")
    assert first.items == []
    mail = site.editor.add_mail(site.ada)
    second = site.round(first.link)
    assert second.items == []
    site.editor.purge_mail(site.ada, mail)
    assert site.round(second.link).removed == {mail.key}


def test_the_plain_id_changes_on_a_move_and_the_immutable_one_does_not(site: Any) -> None:
    mail = site.editor.add_mail(site.ada)
    old = mail.plain
    answer = site.ask("POST", f"/users/{site.ada.id}/messages/{old}/move", json={"destinationId": "archive"})
    assert answer.status_code == 201
    assert answer.json()["id"] == mail.plain != old
    assert site.refused(f"/users/{site.ada.id}/messages/{old}")[1] | {"innerError": 0} == {
        "code": "ErrorItemNotFound", "message": "The specified object was not found in the store.", "innerError": 0,
    }  # fmt: skip
    now = site.get(f"/users/{site.ada.id}/messages/{mail.key}", IMMUTABLE)
    assert (now["id"], now["parentFolderId"]) == (mail.key, site.ada.mailbox.well_known["archive"])


def test_delete_goes_to_deleted_items_and_then_for_good(site: Any) -> None:
    mail = site.editor.add_mail(site.ada)
    path = f"/users/{site.ada.id}/messages/{mail.key}"
    assert site.ask("DELETE", path).status_code == 204
    assert site.get(path)["parentFolderId"] == site.ada.mailbox.well_known["deleteditems"]
    assert site.ask("DELETE", path).status_code == 204
    assert site.refused(path)[0] == 404


def test_back_and_forth_is_deleted_only(site: Any) -> None:
    site.world.back_and_forth = True
    mail = site.editor.add_mail(site.ada)
    first, plain = site.round(site.inbox() + "/delta"), site.round(site.inbox() + "/delta", {})
    old = mail.plain
    site.editor.move_mail(site.ada, mail, "archive")
    site.editor.move_mail(site.ada, mail, "inbox")
    second = site.round(first.link)
    assert second.removed == {mail.key}
    third = site.round(second.link)
    assert third.items == []
    assert site.get(f"/users/{site.ada.id}/messages/{mail.key}", IMMUTABLE)["parentFolderId"] == mail.folder
    site.editor.read_mail(site.ada, mail)
    assert list(site.round(third.link).last) == [mail.key]
    seen = site.round(plain.link, {})
    assert set(seen.last) == {old, mail.plain}
    assert seen.removed == {old}


def test_back_and_forth_with_a_poll_in_between_is_complete(site: Any) -> None:
    site.world.back_and_forth = True
    mail = site.editor.add_mail(site.ada)
    first = site.round(site.inbox() + "/delta")
    site.editor.move_mail(site.ada, mail, "archive")
    second = site.round(first.link)
    assert second.removed == {mail.key}
    site.editor.move_mail(site.ada, mail, "inbox")
    assert list(site.round(second.link).last) == [mail.key]


def test_ids_translate(site: Any) -> None:
    mail = site.editor.add_mail(site.ada)
    body = {
        "inputIds": [mail.plain, "AAMkAGgarbage="],
        "sourceIdType": "restId",
        "targetIdType": "restImmutableEntryId",
    }
    answer = site.ask("POST", f"/users/{site.ada.id}/translateExchangeIds", json=body).json()["value"]
    assert answer[0] == {"sourceId": mail.plain, "targetId": mail.key}
    assert "targetId" not in answer[1]


def test_flags_and_categories_by_patch(site: Any) -> None:
    mail = site.editor.add_mail(site.ada)
    body = {"isRead": True, "flag": {"flagStatus": "flagged"}, "categories": ["Red"]}
    answer = site.ask("PATCH", f"/users/{site.ada.id}/messages/{mail.key}", json=body).json()
    assert (answer["isRead"], answer["flag"], answer["categories"]) == (True, {"flagStatus": "flagged"}, ["Red"])


def test_sync_folder_not_found(site: Any) -> None:
    folder = site.editor.add_mail_folder(site.ada, "Short", "inbox")
    link = site.round(f"{box_path(site)}/{folder.id}/messages/delta").link
    site.editor.delete_mail_folder(site.ada, folder)
    assert site.refused(link)[0] == 404
    assert site.refused(f"{box_path(site)}/{folder.id}/messages")[1]["code"] == "ErrorItemNotFound"


@pytest.mark.parametrize(
    "path", ["messages", "mailFolders", "contacts", "contactFolders", "mailFolders/inbox/messages/delta"]
)
def test_unknown_properties_cannot_be_selected(site: Any, path: str) -> None:
    status, error = site.refused(f"/users/{site.ada.id}/{path}?$select=id,nonsense")
    assert (status, error["code"]) == (400, "BadRequest")
    assert "Could not find a property named 'nonsense'" in error["message"]


def test_basic_permission_gives_no_bodies(site: Any) -> None:
    site.world.permissions = {"Mail.ReadBasic.All"}
    mail = next(iter(site.ada.mailbox.mails.values()))
    path = f"/users/{site.ada.id}/messages/{mail.key}"
    assert not {"body", "bodyPreview"} & site.get(path).keys()
    assert site.refused(path + "/$value")[1]["code"] == "ErrorAccessDenied"
