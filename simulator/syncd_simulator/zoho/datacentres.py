"""Zoho's data centres and their hosts (zoho.md §2.1).

Public: CENTRES, locate. Canada is irregular: `zohocloud.ca` for people, `zohoapis.ca` for the gateway.
"""

from typing import NamedTuple

__all__ = ["CENTRES", "PRODUCTS", "Centre", "locate"]

PRODUCTS = ("accounts", "mail", "calendar", "contacts", "workdrive", "download", "crm")


class Centre(NamedTuple):
    """One data centre: the suffix of product hosts and that of the API gateway."""

    location: str
    site: str
    gateway: str

    def host(self, product: str) -> str:
        """The host name of a product; `gateway` for CRM and WorkDrive."""
        if product in ("crm", "gateway"):
            return f"www.zohoapis.{self.gateway}"
        return f"{product}.{self.site}"


CENTRES = {
    name: Centre(name, site, gateway)
    for name, site, gateway in (
        ("us", "zoho.com", "com"),
        ("eu", "zoho.eu", "eu"),
        ("in", "zoho.in", "in"),
        ("au", "zoho.com.au", "com.au"),
        ("jp", "zoho.jp", "jp"),
        ("cn", "zoho.com.cn", "com.cn"),
        ("ca", "zohocloud.ca", "ca"),
        ("sa", "zoho.sa", "sa"),
        ("uk", "zoho.uk", "uk"),
        ("ae", "zoho.ae", "ae"),
    )
}

_HOSTS: dict[str, tuple[str, tuple[str, ...]]] = {
    centre.host(product): (centre.location, ("crm", "workdrive") if product == "crm" else (product,))
    for centre in CENTRES.values()
    for product in PRODUCTS
}
# §2.1: other environments of the CRM differ by the first label; their tokens are their own
_HOSTS |= {
    f"{environment}.zohoapis.{centre.gateway}": (f"{centre.location} {environment}", ("crm", "workdrive"))
    for centre in CENTRES.values()
    for environment in ("sandbox", "developer")
}


def locate(host: str) -> tuple[str, tuple[str, ...]] | None:
    """The data centre and the products of a real host name; None for another host."""
    return _HOSTS.get(host.partition(":")[0].lower())
