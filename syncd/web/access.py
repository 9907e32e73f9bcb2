"""The token that opens the API: the configured one, or one that syncd makes itself.

Public: Access, Attempts, TOKEN_FILE.

`daemon.token` is read anew at each use, so that a rotated one counts at once. Where none is configured, a random one lies
in the state directory, in a file that only its owner can read; whoever may read that file may ask.
"""

import hmac
import os
import secrets
import stat
from collections import OrderedDict, deque
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from syncd.config.model import DaemonConfig
from syncd.engine.log import logger
from syncd.sdk import Clock, Secret, conceal

__all__ = ["TOKEN_FILE", "Access", "Attempts"]

TOKEN_FILE = "api-token"  # noqa: S105 - a name, not a token
BYTES = 32  # of a token that is made here
CLIENTS = 1000  # whose wrong attempts are remembered

log = logger()


class Access:
    """Who may ask. `daemon` gives the daemon's configuration as it is now."""

    def __init__(self, state: Path, daemon: Callable[[], DaemonConfig], clock: Clock) -> None:
        self.clock = clock
        self._daemon = daemon
        self._file = state / TOKEN_FILE
        self._made: str | None = None
        self._last: tuple[Secret, str] | None = None

    @property
    def listen(self) -> str:
        """The address that the daemon listens on, as configured."""
        return self._daemon().listen

    def token(self) -> str:
        """The token as it is now. A configured one that cannot be read just now stays what it was."""
        configured = self._daemon().token
        return self._own() if configured is None else self._configured(configured)

    def knows(self, given: bytes) -> bool:
        """Whether this is the token. Takes the same time however much of it is right."""
        return hmac.compare_digest(sha256(given).digest(), sha256(self.token().encode()).digest())

    def _configured(self, secret: Secret) -> str:
        try:
            value = secret.reveal().strip()
        except (OSError, ValueError) as error:
            if self._last is None or self._last[0] != secret:
                raise
            log.warning("daemon.token cannot be read: the last one stays good", error=str(error))
            return self._last[1]
        self._last = (secret, value)
        return value

    def _own(self) -> str:
        if self._made is None:
            self._made = conceal(_read(self._file) or _make(self._file))
        return self._made


def _read(file: Path) -> str | None:
    """The token in the file, which is closed to others again if somebody opened it."""
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            file.chmod(0o600)
        return file.read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None


def _make(file: Path) -> str:
    """Write a new token; the file appears whole, and readable by its owner only."""
    token = secrets.token_urlsafe(BYTES)
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    number = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as out:
        out.write(token + "\n")
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)
    return token


class Attempts:
    """Wrong tokens, counted by client: after `most` in `window` seconds the client has to wait."""

    def __init__(self, clock: Clock, most: int, window: float) -> None:
        self._clock = clock
        self._most = most
        self._window = window
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, client: str) -> float:
        """Seconds until the client may try again; 0.0 if it may now."""
        times = self._wrong.get(client)
        if times is None or len(times) < self._most:
            return 0.0
        return max(0.0, times[0] + self._window - self._clock.monotonic())

    def wrong(self, client: str) -> None:
        """Note a wrong attempt."""
        times = self._wrong.setdefault(client, deque(maxlen=self._most))
        times.append(self._clock.monotonic())
        self._wrong.move_to_end(client)
        if len(self._wrong) > CLIENTS:
            self._wrong.popitem(last=False)

    def right(self, client: str) -> None:
        """Forget the client's wrong attempts."""
        self._wrong.pop(client, None)
