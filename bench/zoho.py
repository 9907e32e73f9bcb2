"""Zoho's part of the local source: one user with an address book, pages rendered once (see `bench.source`).

Public: ZohoSource.
"""

import json
from urllib.parse import parse_qs, urlsplit

__all__ = ["ZohoSource"]

PAGE = 100  # what clients of Zoho ask for
ZUID, MAILBOX, ZOID = "60012345678", "6001234567800000001", "20012345678"
ADDRESS = "user0@bench.example"


def contact(n: int) -> dict:
    """One contact of about 1.2 kB."""
    return {
        "contact_id": f"4685191{n:012d}",
        "first_name": "Person",
        "last_name": str(n),
        "company": "Partner Ltd",
        "job_title": f"Role {n % 97}",
        "notes": "notes on this person " * 34,
        "emails": [{"email_id": f"person{n}@partner.example", "is_primary": True}],
        "phones": [{"number": f"+34600{n:06d}", "type": "mobile"}],
        "contact_type": "1",
        "zid": 11123456,
        "contact_zuid": "-1",
        "photo_url": "https://contacts.zoho.example/file?t=user&fs=thumb",
        "is_writable": True,
        "status": -10,
        "created_time": 1532600990202 + n,
        "updated_time": -1,
    }


def dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


class ZohoSource:
    """All answers, rendered."""

    def __init__(self, contacts: int) -> None:
        pages = max(1, -(-contacts // PAGE))
        self.pages = [
            dump(
                {
                    "status_code": 200,
                    "has_more": number + 1 < pages,
                    "resource_name": "contacts",
                    "contacts": [contact(n) for n in range(number * PAGE, min(contacts, (number + 1) * PAGE))],
                }
            )
            for number in range(pages)
        ]

    def answer(self, method: str, target: str, body: bytes) -> tuple[bytes, bytes]:
        """(content type, body) of a request."""
        url = urlsplit(target)
        kind, path = b"application/json", url.path
        if path.endswith("/contacts"):
            return kind, self.pages[int(parse_qs(url.query)["page"][0]) - 1]
        if path == "/oauth/v2/token":
            token = {"access_token": "1000.bench.access", "api_domain": "https://www.zohoapis.eu", "expires_in": 3600}
            return kind, dump({**token, "token_type": "Bearer"})
        if path.startswith("/crm/"):
            return kind, dump({"users": [], "info": {"more_records": False}})
        return kind, dump({"status": {"code": 200, "description": "success"}, "data": [self._account()]})

    def _account(self) -> dict:
        return {
            "accountId": MAILBOX,
            "zuid": ZUID,
            "zoid": ZOID,
            "primaryEmailAddress": ADDRESS,
            "displayName": "User 0",
            "type": "ZOHO_ACCOUNT",
            "role": "super_admin",
            "enabled": True,
            "policyId": {"zoid": ZOID},
        }
