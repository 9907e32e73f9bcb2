"""The conformance suite and the fakes, shipped to plugin authors. See docs/connectors.md.

Public: FakeClock, FaultTransport, MALFORMED, Case, Driver, Mirror, Source, Failed, Skipped. Besides, by module:
`suite.StreamSuite` (the pytest class), `checks` (the same checks as coroutine functions), `http` (faults),
`malformed` (garbled answers), `notes` and `notes_connector` (a provider in memory and a model connector).
"""

from .bench import Bench, Case
from .clock import FakeClock
from .driver import Driver
from .failures import Failed, Skipped
from .http import FaultTransport
from .malformed import MALFORMED
from .mirror import Mirror, differences
from .source import Source

__all__ = [
    "MALFORMED",
    "Bench",
    "Case",
    "Driver",
    "Failed",
    "FakeClock",
    "FaultTransport",
    "Mirror",
    "Skipped",
    "Source",
    "differences",
]
