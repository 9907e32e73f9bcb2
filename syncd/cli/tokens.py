"""The tokens that a command may try at the daemon's door.

Public: tokens_for.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from syncd.sdk.secrets import conceal

__all__ = ["tokens_for"]

FILE = "api-token"
VARIABLE = "SYNCD_TOKEN"


def tokens_for(state: Path, folder: Path, env: Mapping[str, str] = os.environ) -> Iterator[str]:
    """`daemon.token` of the configuration folder, $SYNCD_TOKEN, the file that the daemon made: those that can be read.

    Several, since a folder may be ahead of the daemon that still runs with the one before.
    """
    from syncd.config.token import configured_token

    configured = configured_token(folder)
    if configured is not None:
        with suppress(OSError, ValueError):
            yield configured.reveal().strip()
    if env.get(VARIABLE):
        yield conceal(env[VARIABLE].strip())
    with suppress(OSError, ValueError):
        yield conceal((state / FILE).read_text("utf-8").strip())
