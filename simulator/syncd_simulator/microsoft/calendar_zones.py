"""Windows time zone names, as Outlook knows them (microsoft.md §16).

Public: CUSTOM, zone_of, is_windows, to_windows.
"""

from datetime import UTC, tzinfo
from functools import cache
from zoneinfo import ZoneInfo

CUSTOM = "tzone://Microsoft/Custom"  # §6: an unmappable legacy zone, seen on reads only
ZONES = {
    "UTC": "Etc/UTC",
    "GMT Standard Time": "Europe/London",
    "Greenwich Standard Time": "Atlantic/Reykjavik",
    "W. Europe Standard Time": "Europe/Berlin",
    "Romance Standard Time": "Europe/Paris",
    "Central Europe Standard Time": "Europe/Budapest",
    "Central European Standard Time": "Europe/Warsaw",
    "E. Europe Standard Time": "Europe/Chisinau",
    "FLE Standard Time": "Europe/Kyiv",
    "GTB Standard Time": "Europe/Bucharest",
    "Turkey Standard Time": "Europe/Istanbul",
    "Russian Standard Time": "Europe/Moscow",
    "Morocco Standard Time": "Africa/Casablanca",
    "Egypt Standard Time": "Africa/Cairo",
    "South Africa Standard Time": "Africa/Johannesburg",
    "E. Africa Standard Time": "Africa/Nairobi",
    "W. Central Africa Standard Time": "Africa/Lagos",
    "Israel Standard Time": "Asia/Jerusalem",
    "Arab Standard Time": "Asia/Riyadh",
    "Arabian Standard Time": "Asia/Dubai",
    "Iran Standard Time": "Asia/Tehran",
    "Pakistan Standard Time": "Asia/Karachi",
    "India Standard Time": "Asia/Kolkata",
    "Nepal Standard Time": "Asia/Kathmandu",
    "SE Asia Standard Time": "Asia/Bangkok",
    "China Standard Time": "Asia/Shanghai",
    "Singapore Standard Time": "Asia/Singapore",
    "Taipei Standard Time": "Asia/Taipei",
    "Tokyo Standard Time": "Asia/Tokyo",
    "Korea Standard Time": "Asia/Seoul",
    "AUS Eastern Standard Time": "Australia/Sydney",
    "E. Australia Standard Time": "Australia/Brisbane",
    "Cen. Australia Standard Time": "Australia/Adelaide",
    "AUS Central Standard Time": "Australia/Darwin",
    "W. Australia Standard Time": "Australia/Perth",
    "New Zealand Standard Time": "Pacific/Auckland",
    "Hawaiian Standard Time": "Pacific/Honolulu",
    "Alaskan Standard Time": "America/Anchorage",
    "Pacific Standard Time": "America/Los_Angeles",
    "US Mountain Standard Time": "America/Phoenix",
    "Mountain Standard Time": "America/Denver",
    "Central Standard Time": "America/Chicago",
    "Central Standard Time (Mexico)": "America/Mexico_City",
    "Eastern Standard Time": "America/New_York",
    "Atlantic Standard Time": "America/Halifax",
    "Newfoundland Standard Time": "America/St_Johns",
    "SA Pacific Standard Time": "America/Bogota",
    "Venezuela Standard Time": "America/Caracas",
    "Pacific SA Standard Time": "America/Santiago",
    "E. South America Standard Time": "America/Sao_Paulo",
    "Argentina Standard Time": "America/Argentina/Buenos_Aires",
    "Azores Standard Time": "Atlantic/Azores",
}
ACCEPTED = {  # §16: the listed subset of IANA names that writes may use
    "Africa/Cairo", "Africa/Johannesburg", "Africa/Nairobi", "America/Argentina/Buenos_Aires", "America/Bogota",
    "America/Chicago", "America/Denver", "America/Halifax", "America/Los_Angeles", "America/New_York",
    "America/Phoenix", "America/Sao_Paulo", "Asia/Bangkok", "Asia/Dubai", "Asia/Kolkata", "Asia/Seoul",
    "Asia/Shanghai", "Asia/Singapore", "Asia/Tokyo", "Australia/Sydney", "Europe/Berlin", "Europe/Budapest",
    "Europe/Istanbul", "Europe/London", "Europe/Moscow", "Europe/Paris", "Pacific/Auckland", "Etc/GMT",
}  # fmt: skip


def is_windows(name: str) -> bool:
    """Whether `name` is a Windows zone name that Outlook has."""
    return name in ZONES


def zone_of(name: str) -> tzinfo:
    """The zone behind a name that Outlook accepts or shows; KeyError for any other. A custom zone counts as UTC."""
    return _zone(name)


@cache
def _zone(name: str) -> tzinfo:
    if name in ("UTC", CUSTOM, "Etc/GMT"):
        return UTC
    if name in ACCEPTED:
        return ZoneInfo(name)
    return ZoneInfo(ZONES[name])


def to_windows(name: str) -> str:
    """The Windows name of a zone of either kind; the name itself when it has none here."""
    if name in ZONES:
        return name
    return next((windows for windows, iana in ZONES.items() if iana == name), name)
