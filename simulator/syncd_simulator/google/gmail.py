"""Stub."""
from syncd_simulator.google.wire import Route
ROUTES: list[Route] = []
