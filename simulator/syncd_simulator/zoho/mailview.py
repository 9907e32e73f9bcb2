"""Mail as the API shows it: rows of listings and of searches, numbers that lost their last digits (zoho.md §4.4 to §4.6).

Public: FLAGS, body_text, folder_row, listing_row, rounded, search_row, summary_of.
"""

import html
from decimal import Decimal

from syncd_simulator.zoho.mailbox import Folder, Mail
from syncd_simulator.zoho.wire import JSON

__all__ = ["FLAGS", "body_text", "folder_row", "listing_row", "rounded", "search_row", "summary_of"]

FLAGS = ("flag_not_set", "info", "important", "followup")
NOBODY = "Not Provided"


def rounded(number: str) -> int:
    """An id as JSON number after a trip through a float: `1711540357880100000` (§4.6)."""
    return int(Decimal(repr(float(number))))


def addresses(people: list[tuple[str, str]]) -> str:
    """`&quot;rebecca&quot;&lt;rebecca@zylker.com&gt;`, or the words for none."""
    if not people:
        return NOBODY
    shown = (f'"{name}"<{address}>' if name else f"<{address}>" for name, address in people)
    return html.escape(",".join(shown), quote=True)


def body_text(mail: Mail) -> str:
    """The text of the message, without tags."""
    for part in mail.parts():
        if part.get_content_type() == "text/plain" and part.get_content_disposition() != "attachment":
            data = part.get_payload(decode=True)
            if isinstance(data, bytes):
                return data.decode("utf-8", "replace")
    return ""


def summary_of(mail: Mail) -> str:
    """The first words, HTML-escaped."""
    if mail.summary is None:
        mail.summary = html.escape(" ".join(body_text(mail).split())[:80], quote=True)
    return mail.summary


def listing_row(mail: Mail) -> JSON:
    """§4.4: almost everything is a string; `threadId` only in threads."""
    row: JSON = {
        "summary": summary_of(mail),
        "sentDateInGMT": str(mail.sent),
        "calendarType": 0,
        "subject": mail.subject,
        "messageId": mail.id,
        "threadCount": "0",
        "flagid": FLAGS[mail.flag],
        "status2": "0",
        "priority": "3",
        "hasInline": "true" if mail.inline else "false",
        "toAddress": addresses(mail.to),
        "folderId": mail.folder,
        "ccAddress": addresses(mail.cc),
    }
    if mail.thread:
        row["threadId"] = mail.thread
    return row | {
        "hasAttachment": "1" if mail.attached else "0",
        "size": str(len(mail.raw)),
        "sender": mail.sender[0] or mail.sender[1],
        "receivedTime": str(mail.received),
        "fromAddress": mail.sender[1],
        "status": "1" if mail.read else "0",
    }


def search_row(mail: Mail, root: str) -> JSON:
    """§4.5: other keys, other types; exact ids stand in `URI` only. `root` is the account's URL."""
    row: JSON = {
        "summary": summary_of(mail),
        "sentDateInGMT": mail.sent,
        "subject": mail.subject,
        "messageId": rounded(mail.id),
        "flagid": mail.flag,
        "status2": "reply" if mail.subject.startswith("Re:") else "",
        "priority": 3,
        "hasInline": "true" if mail.inline else "false",
        "toAddress": addresses(mail.to),
        "folderId": rounded(mail.folder),
        "ccAddress": addresses(mail.cc),
        "hasAttachment": "1" if mail.attached else "0",
        "size": len(mail.raw),
        "sender": mail.sender[0] or mail.sender[1],
        "receivedtime": str(mail.received),
        "fromAddress": mail.sender[1],
        "status": "read" if mail.read else "unread",
        "URI": f"{root}/folders/{mail.folder}/messages/{mail.id}",
    }
    if mail.thread:
        row["threadId"] = rounded(mail.thread)
    return row


def folder_row(folder: Folder, root: str) -> JSON:
    """§4.3."""
    return {
        "path": folder.path,
        "previousFolderId": folder.previous,
        "folderName": folder.name,
        "imapAccess": True,
        "folderType": folder.kind,
        "URI": f"{root}/folders/{folder.id}",
        "folderId": folder.id,
        "isArchived": 0,
    }
