"""Control alerts between two polls: store what people decide about them, and the bot's messages about itself."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from core.watch import changes
from core.watch.incidents.model import Incident, MessageKind, Mute
from core.watch.incidents.notifications import announce_all
from core.watch.incidents.state import WatchRules
from core.watch.incidents.transition import Transition
from core.watch.persistence import Decision, Persistence
from core.watch.run_time import RunTime

T = TypeVar("T")


class AlertControls:
    """Change the stored state between two polls, and store the alerts that follow."""

    def __init__(self, persistence: Persistence, time: RunTime, rules: WatchRules) -> None:
        self._persistence, self._time, self._rules = persistence, time, rules

    async def acknowledge(self, incident_id: int, by: str, by_id: int = 0) -> Incident:
        """Stop the reminders of an incident.

        The first acknowledgement counts. Raises: IncidentOver, JournalFailed.
        """
        known = self._persistence.state.open.get(incident_id)
        if known is not None and known.acked is not None:
            return known
        return await self.change(lambda transition: changes.acknowledge(transition, incident_id, by, by_id))

    async def mute(self, target: str, seconds: float, by: str, by_id: int = 0) -> Mute:
        """Mute a subject (core/watch/incidents/model.py) for some seconds. Raises: JournalFailed."""
        return await self.change(lambda transition: transition.mute(target, seconds, by, by_id))

    async def mute_incident(self, incident_id: int, seconds: float, by: str, by_id: int = 0) -> Incident:
        """Mute the subjects of an incident. Raises: IncidentOver, JournalFailed."""
        return await self.change(
            lambda transition: changes.mute_incident(transition, incident_id, seconds, by, by_id)
        )

    async def unmute(self, target: str) -> None:
        """End the mute of a subject. Raises: NotMuted, JournalFailed."""
        await self.change(lambda transition: changes.unmute(transition, target))

    async def unmute_incident(self, incident: Incident) -> None:
        """End all mutes of the subjects that `mute_incident` mutes. The incident may be over.

        Raises: NotMuted, JournalFailed.
        """
        await self.change(lambda transition: transition.unmute_incident(incident))

    def mutes(self) -> tuple[Mute, ...]:
        """Return the mutes in force, the first to end first."""
        now = self._time.elapsed(self._persistence.state.pulse)
        held = (mute for mute in self._persistence.state.mutes.values() if mute.elapsed > now)
        return tuple(sorted(held, key=lambda mute: mute.elapsed))

    async def send_test(self) -> int:
        """Store a test message and return its id. Raises: JournalFailed."""
        message = await self.change(
            lambda transition: transition.add_message(MessageKind.TEST), announce=False
        )
        return message.id

    async def post_notice(self, text: str, records: Mapping[str, str] | None = None) -> None:
        """Store a message of the bot about itself, together with `records`. Raises: JournalFailed."""

        def add(transition: Transition) -> None:
            transition.add_message(MessageKind.WORD, text=text)
            transition.records.update(records or {})

        await self.change(add, announce=False)

    async def change(self, make: Callable[[Transition], T], *, announce: bool = True) -> T:
        """Make and store a change between two polls. The stored clocks advance with the next poll.

        `announce`: also store the alerts that follow from it.

        Raises: JournalFailed, and what `make` raises.
        """

        def decide() -> Decision[T]:
            state = self._persistence.state
            transition = Transition(state, self._time.between_polls(state.pulse), self._rules)
            result = make(transition)
            if announce:
                transition.good = state.pulse.good
                announce_all(transition, reminds=False)  # reminders belong to a poll
            update = transition.update()
            pulse = replace(state.pulse, last_id=update.state.pulse.last_id)
            return Decision(replace(update, state=replace(update.state, pulse=pulse)), result)

        return await self._persistence.change(decide)
