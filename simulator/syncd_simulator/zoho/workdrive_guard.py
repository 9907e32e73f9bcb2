"""WorkDrive's throttles and its one refusal for everything that is not there (zoho.md §7.6).

Public: gate, count_listing, gone, throttled. Windows and blocks stand in `world.limits`; a throttle answers 429 F7008
with whole seconds in Retry-After, and who comes back too early waits longer.
"""

import math
from typing import TYPE_CHECKING

from syncd_simulator.zoho import errors
from syncd_simulator.zoho.wire import ApiError, Call, Reply

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import ZohoWorld

__all__ = ["count_listing", "gate", "gone", "throttled"]

SUSTAINED = 6  # requests a second, over WINDOW
WINDOW = 3.0  # seconds: short bursts pass
PENALTY = 119.0  # seconds
LISTINGS = 19  # of one folder in LISTING_WINDOW
LISTING_WINDOW = 60.0
LISTING_PENALTY = 300.0
EARLY = 10.0  # seconds that an early call adds


def gone() -> ApiError:
    """Trashed, deleted, never there, or not yours: 401, not 404, and no token problem."""
    return ApiError(401, "R008", "Unauthorized access")


def throttled(seconds: float) -> ApiError:
    """Wait that long."""
    return ApiError(429, "F7008", "Request rate limit exceeded", headers={"Retry-After": str(math.ceil(seconds))})


def gate(world: "ZohoWorld", call: Call) -> Reply | None:
    """The global limit of a person's calls to the API; the download host is not counted."""
    if call.product == "workdrive" and (wait := _counted(world, "workdrive", call.user.id, SUSTAINED * WINDOW, WINDOW)):
        return errors.render(call.product, throttled(wait))
    return None


def count_listing(world: "ZohoWorld", call: Call, folder: str, *, first_page: bool) -> None:
    """The limit of one folder: a listing counts once, whatever its pages."""
    name, key = "workdrive folder", f"{call.user.id} {folder}"
    if not first_page:
        if wait := world.limits.blocked(name, key):
            raise throttled(wait)
        return
    if wait := _counted(world, name, key, LISTINGS, LISTING_WINDOW, LISTING_PENALTY):
        raise throttled(wait)


def _counted(world: "ZohoWorld", name: str, key: str, most: float, seconds: float, penalty: float = PENALTY) -> float:
    """Count one use; how long its key is refused now."""
    if wait := world.limits.blocked(name, key):
        world.limits.block(name, key, wait + EARLY)
        return wait + EARLY
    if world.limits.take(name, key, int(most), seconds):
        world.limits.block(name, key, penalty)
        return penalty
    return 0.0
