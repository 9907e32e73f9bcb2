"""What the commands work with.

Public: Parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from syncd.config.model import Config, ConnectionConfig, SyncConfig
from syncd.config.problem import Problem
from syncd.deliver.notices import Notices
from syncd.engine.executor import Executor
from syncd.plugins import Plugins
from syncd.sdk import Clock, Connector
from syncd.store import SqlStore

from .errors import ControlError, unknown

__all__ = ["Parts"]


@dataclass(slots=True)
class Parts:
    """The living parts of this process, and the configuration as it is now.

    `config` is the last good one; `problems` is what is wrong with the folder since.
    """

    folder: Path
    store: SqlStore
    executor: Executor
    plugins: Plugins
    clock: Clock
    config: Config = field(default_factory=Config)
    problems: Sequence[Problem] = ()
    daemon: dict[str, object] | None = None
    unreachable: str = ""  # why `daemon.listen` is not answered, if it is not
    notices: Notices = field(init=False)

    def __post_init__(self) -> None:
        self.notices = Notices(self.store, self.clock)

    def sync(self, name: str) -> SyncConfig:
        if name not in self.config.syncs:
            raise unknown("sync", name, self.config.syncs)
        return self.config.syncs[name]

    def connection(self, name: str) -> ConnectionConfig:
        if name not in self.config.connections:
            raise unknown("connection", name, self.config.connections)
        return self.config.connections[name]

    def connector(self, connection: ConnectionConfig) -> Connector:
        """Raises ControlError SYN-PLUGIN-002 if it is not there any more."""
        found = self.plugins.connectors.get(connection.connector)
        if found is None:
            raise ControlError(f"the connector {connection.connector!r} is not installed", code="SYN-PLUGIN-002")
        return found.configured(connection.settings)

    def streams(self, sync: SyncConfig, given: Sequence[str]) -> tuple[str, ...]:
        """The streams of a sync, narrowed to those given. Raises ControlError for one that it does not have."""
        for name in given:
            if name not in sync.streams:
                raise unknown(f"stream of {sync.name}", name, sync.streams)
        return tuple(name for name in sync.streams if not given or name in given)
