"""Turn news into incidents, and incidents into messages: grouped if there are many, none while muted."""

from collections.abc import Sequence
from dataclasses import replace

from core.watch.incidents.model import GuestEvent, Incident, MessageKind, Severity, Topic, guest_subject
from core.watch.incidents.transition import News, Transition

SINGLE_MOST = 5
"""Maximum number of events that get a message each; more share one.

Events that a person or HA caused on purpose (`wanted`) and others are counted apart.
The same maximum holds for incidents whose mutes end at the same time.
"""
GROUP = "group"
"""Subject of an incident about several guests."""


def open_incidents(transition: Transition) -> None:
    """Open and end incidents by the news of this poll, grouped if there are many, or several after an outage."""
    unmuted, muted = _split_by_mute(transition)
    for news in muted:
        _open_single(transition, news)
    alarms = [news for news in unmuted if not news.wanted]
    notes = [news for news in unmuted if news.wanted]
    if transition.source_recovered and len(unmuted) > 1:
        _open_group(transition, unmuted)
        return
    for some in (alarms, notes):
        if len(some) > SINGLE_MOST:
            _open_group(transition, some)
        else:
            for news in some:
                _open_single(transition, news)


def _split_by_mute(transition: Transition) -> tuple[list[News], list[News]]:
    unmuted: list[News] = []
    muted: list[News] = []
    for news in transition.news:
        (muted if transition.guest_muted(news.fact.vmid, news.fact.node) else unmuted).append(news)
    return unmuted, muted


def _open_single(transition: Transition, news: News) -> None:
    fact, subject = news.fact, guest_subject(news.fact.vmid)
    if news.ended_incident is not None:
        transition.announce_recovery(_close_single(transition, news, news.ended_incident))
    elif news.wanted:
        transition.open_incident(Topic.NOTE, subject, Severity.INFO, guests=(fact,))
    elif fact.down:
        incident = transition.open_incident(Topic.GUEST, subject, Severity.CRITICAL, guests=(fact,))
        transition.guests[fact.vmid] = replace(transition.guests[fact.vmid], incident=incident.id)
    else:
        transition.open_incident(Topic.RESTART, subject, Severity.WARNING, guests=(fact,))


def _close_single(transition: Transition, news: News, number: int) -> Incident:
    """End the GUEST incident that the news is about, and return it."""
    incident = transition.open[number]
    return transition.close_incident(
        incident, ago=news.ago, guests=(replace(incident.guests[0], what=news.fact.what),)
    )


def _open_group(transition: Transition, some: Sequence[News]) -> None:
    """Open one incident for all of them. Its guests recover one by one."""
    for news in some:
        if news.ended_incident is not None:
            _close_single(transition, news, news.ended_incident)
    facts = tuple(news.fact for news in sorted(some, key=lambda news: news.fact.vmid))
    down = {fact.vmid for fact in facts if fact.down}
    restarted = any(news.fact.what is GuestEvent.RESTARTED and not news.wanted for news in some)
    level = Severity.CRITICAL if down else Severity.WARNING if restarted else Severity.INFO
    group = transition.open_incident(Topic.GROUP, GROUP, level, guests=facts)
    for vmid in down:
        transition.guests[vmid] = replace(transition.guests[vmid], incident=group.id)
    if not down:
        transition.update_incident(replace(group, ended=transition.now.unix, seconds=0.0))


def announce_all(transition: Transition, *, reminds: bool = True) -> None:
    """Report the incidents that are not reported yet and not muted. Remind of those that nobody has acknowledged.

    While Proxmox cannot be read (`Transition.good`), only report incidents of Topic.SOURCE.
    `reminds`: False for a change between two polls.
    """
    no_longer_muted = [
        incident
        for incident in sorted(transition.open.values(), key=lambda incident: incident.id)
        if incident.id <= transition.previous.pulse.last_id
        and not incident.told
        and not transition.muted(incident)
    ]
    if transition.good and len(no_longer_muted) > SINGLE_MOST:
        transition.announce_together(no_longer_muted)
    for incident in sorted(
        (*transition.open.values(), *_new_one_offs(transition)), key=lambda incident: incident.id
    ):
        if not transition.good and incident.topic is not Topic.SOURCE:
            continue
        until = transition.muted_until(incident)
        if incident.open and until != incident.muted_until:
            incident = transition.update_incident(replace(incident, muted_until=until))
        if until is None and not incident.told:
            transition.announce(incident)
        elif reminds and incident.open and incident.topic is not Topic.SOURCE:
            transition.remind(incident, transition.clock)


def _new_one_offs(transition: Transition) -> list[Incident]:
    """Return the new incidents that were over at once, and are not reported yet.

    Every other closed incident was reported before, or never will be.
    """
    former = transition.previous.pulse.last_id
    return [
        incident
        for incident in transition.changed.values()
        if not incident.open and incident.id > former and not incident.told
    ]


def post_digest(transition: Transition) -> None:
    """Report the incidents of the quiet hours in one message when these end."""
    if transition.quieted and not transition.now.quiet:
        transition.add_message(MessageKind.DIGEST, tuple(transition.quieted), silent=True)
        transition.quieted.clear()
