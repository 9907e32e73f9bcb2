"""Where the configuration and the state are.

Public: config_folder, state_folder, socket_path.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from syncd.control.errors import FAILED, ControlError

__all__ = ["SOCKET", "config_folder", "socket_path", "state_folder"]

SOCKET = "syncd.sock"
LONGEST_SOCKET_PATH = 100  # bytes; the kernel's limit is 107

SYSTEM_CONFIG, SYSTEM_STATE = Path("/etc/syncd"), Path("/var/lib/syncd")


def config_folder(given: str | None, env: Mapping[str, str] = os.environ, system: Path = SYSTEM_CONFIG) -> Path:
    """`--config`, else SYNCD_CONFIG, else /etc/syncd if it exists, else ./config. Whoever reads it says if it is missing."""
    chosen = given or env.get("SYNCD_CONFIG")
    return Path(chosen) if chosen else system if system.is_dir() else Path("config")


def state_folder(given: str | None, env: Mapping[str, str] = os.environ, system: Path = SYSTEM_STATE) -> Path:
    """`--state`, else SYNCD_STATE, else systemd's $STATE_DIRECTORY, else /var/lib/syncd if it exists, else the user's.

    Raises if /var/lib/syncd is there and may not be used: a second, empty state would look like lost data.
    """
    chosen = given or env.get("SYNCD_STATE") or env.get("STATE_DIRECTORY", "").split(":")[0]
    if chosen:
        return Path(chosen).absolute()
    try:
        exists = system.is_dir()
    except PermissionError:
        exists = True
    if not exists:
        base = env.get("XDG_STATE_HOME") or os.path.join(env.get("HOME") or os.path.expanduser("~"), ".local", "state")
        return Path(base) / "syncd"
    if not os.access(system, os.R_OK | os.X_OK):
        raise ControlError(
            f"the state directory {system} cannot be read",
            code="SYN-STATE-002",
            hint="run as root or as the daemon's user or group (sudo), or name another one with --state DIR",
            exit_code=FAILED,
        )
    return system


def socket_path(state: Path) -> Path:
    """The daemon's socket. Raises where the path is too long for a unix socket."""
    path = state / SOCKET
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        raise ControlError(
            f"the path {path} is too long for a unix socket",
            code="SYN-STATE-002",
            hint=f"a state directory's path may have {LONGEST_SOCKET_PATH - len(SOCKET) - 1} bytes",
            exit_code=FAILED,
        )
    return path
