"""Define the measurements of the running bot, and the id of the interaction that is being answered.

startup/operating takes the measurements if METRICS_LISTEN is set.
"""

from contextvars import ContextVar
from typing import Protocol

interaction_id: ContextVar[int] = ContextVar("interaction_id", default=0)
"""Id of the interaction that is being answered, 0 for none. Tasks that are started meanwhile keep it.

Audit records and lines of the JSON log show it.
"""


class Measures(Protocol):
    """Take measurements. Nothing here raises or waits."""

    def on_request(self, site: str, lane: str, seconds: float, outcome: str) -> None:
        """Note a call to Proxmox. `outcome`: "ok", or the class of the error."""

    def on_command(self, command: str, seconds: float) -> None:
        """Note a command that has ended, and the seconds since it arrived. One refused by the gate is not noted."""

    def on_error(self, error: str) -> None:
        """Note, by its class, an error that refused or ended what a person asked for, expected or not.

        Refused completions are not noted, nor errors of a part of an answer, such as one of several sites.
        """


class NoMeasures:
    """Measure nothing."""

    def on_request(self, site: str, lane: str, seconds: float, outcome: str) -> None: ...

    def on_command(self, command: str, seconds: float) -> None: ...

    def on_error(self, error: str) -> None: ...
