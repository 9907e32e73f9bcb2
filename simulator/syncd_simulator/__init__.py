"""Simulated providers for tests and demonstrations.

Public: GoogleWorld, google_app, serve, RunningServer, SimClock. See README.md for the contract.
"""

from syncd_simulator.clock import SimClock
from syncd_simulator.google.app import google_app
from syncd_simulator.google.world import GoogleWorld
from syncd_simulator.serve import RunningServer, serve

__all__ = ["GoogleWorld", "RunningServer", "SimClock", "google_app", "serve"]
