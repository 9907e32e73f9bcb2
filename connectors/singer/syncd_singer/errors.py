"""What can be wrong with a tap: entries of the error catalogue.

Public: CATALOGUE and the codes.
"""

from syncd.sdk import Explanation

__all__ = ["CATALOGUE", "NOT_STARTED", "NO_STREAM", "STOPPED", "TAP_FAILED", "WRONG_OUTPUT"]

NOT_STARTED = "SYN-SINGER-001"
TAP_FAILED = "SYN-SINGER-002"
STOPPED = "SYN-SINGER-003"
WRONG_OUTPUT = "SYN-SINGER-004"
NO_STREAM = "SYN-SINGER-005"

_FAILED = (
    "The stream has failed for this run. What was committed stays; the next run goes on from the tap's last state."
)

CATALOGUE = (
    Explanation(
        NOT_STARTED,
        "tap cannot be started",
        "The tap's program is not where the settings say, or may not be run by syncd's user.",
        "The streams of the connection fail; nothing of the mirror changes.",
        "Install the tap in an environment of its own and name that in `venv` (docs/singer.md).",
    ),
    Explanation(
        TAP_FAILED,
        "tap failed",
        "The tap ended with an error. The message ends with the last line that it logged.",
        f"It was started again a few times. {_FAILED}",
        "Read what the tap logged in syncd's log: a wrong credential and a service that is away show there too.",
    ),
    Explanation(
        STOPPED,
        "tap stopped at a limit",
        "The tap ran longer than `timeout`, or was killed for its memory.",
        f"The tap and everything that it had started were killed. {_FAILED}",
        "Raise `timeout` or `memory` in the connection's settings if the tap needs them.",
    ),
    Explanation(
        WRONG_OUTPUT,
        "tap does not keep to the Singer specification",
        "The tap wrote a line that is no Singer message, a line that is too long, or messages in an order that makes no sense.",
        f"The tap was killed. {_FAILED}",
        "Report it to the tap's author with the message. A tap must write nothing but messages to its standard output.",
    ),
    Explanation(
        NO_STREAM,
        "tap without this stream",
        "The settings name a stream that the tap's catalogue does not have, or one that cannot be read as they say.",
        "The stream fails; nothing of the mirror changes.",
        "`syncd check` lists the streams that the tap has. Mend `streams` in the connection's settings.",
    ),
)
