"""From news to messages: grouped when there is much of it, silent while muted, again when nobody answers."""

from collections.abc import Sequence
from dataclasses import replace

from core.watch.incidents.model import Incident, Level, Post, Topic, What, guest_subject
from core.watch.incidents.transition import News, Work

SINGLE_MOST = 5
"""More guests than these in one read are one message."""
GROUP = "group"


def settle_news(work: Work) -> None:
    """Make incidents of this look's news, grouped where there are many."""
    heard, muted = _by_mute(work)
    for news in muted:
        _alone(work, news)
    alarms = [news for news in heard if not news.wanted]
    notes = [news for news in heard if news.wanted]
    if work.returned and len(heard) > 1:
        _together(work, heard)
        return
    for some in (alarms, notes):
        if len(some) > SINGLE_MOST:
            _together(work, some)
        else:
            for news in some:
                _alone(work, news)


def _by_mute(work: Work) -> tuple[list[News], list[News]]:
    heard: list[News] = []
    muted: list[News] = []
    for news in work.news:
        (muted if work.guest_muted(news.fact.vmid, news.fact.node) else heard).append(news)
    return heard, muted


def _alone(work: Work, news: News) -> None:
    fact, subject = news.fact, guest_subject(news.fact.vmid)
    if news.over is not None:
        work.recover(_over(work, news, news.over))
    elif news.wanted:
        work.begin(Topic.NOTE, subject, Level.INFO, guests=(fact,))
    elif fact.down:
        incident = work.begin(Topic.GUEST, subject, Level.CRITICAL, guests=(fact,))
        work.guests[fact.vmid] = replace(work.guests[fact.vmid], incident=incident.id)
    else:
        work.begin(Topic.RESTART, subject, Level.WARNING, guests=(fact,))


def _over(work: Work, news: News, number: int) -> Incident:
    """The GUEST incident that the news end."""
    incident = work.open[number]
    return work.end(incident, ago=news.ago, guests=(replace(incident.guests[0], what=news.fact.what),))


def _together(work: Work, some: Sequence[News]) -> None:
    """One message for all of them, whose members come back one by one."""
    for news in some:
        if news.over is not None:
            _over(work, news, news.over)
    facts = tuple(news.fact for news in sorted(some, key=lambda news: news.fact.vmid))
    down = {fact.vmid for fact in facts if fact.down}
    restarted = any(news.fact.what is What.RESTARTED and not news.wanted for news in some)
    level = Level.CRITICAL if down else Level.WARNING if restarted else Level.INFO
    group = work.begin(Topic.GROUP, GROUP, level, guests=facts)
    for vmid in down:
        work.guests[vmid] = replace(work.guests[vmid], incident=group.id)
    if not down:
        work.keep(replace(group, ended=work.now.unix, seconds=0.0))


def tell_all(work: Work, *, reminds: bool = True) -> None:
    """Tell what is new or no longer muted, and again what nobody has answered."""
    kept_back = [
        incident
        for incident in sorted(work.open.values(), key=lambda incident: incident.id)
        if incident.id <= work.former.pulse.last_id and not incident.told and not work.muted(incident)
    ]
    if work.good and len(kept_back) > SINGLE_MOST:
        work.tell_together(kept_back)
    for incident in sorted((*work.open.values(), *_over_at_once(work)), key=lambda incident: incident.id):
        if not work.good and incident.topic is not Topic.SOURCE:
            continue
        until = work.muted_until(incident)
        if incident.open and until != incident.muted_until:
            incident = work.keep(replace(incident, muted_until=until))
        if until is None and not incident.told:
            work.tell(incident)
        elif reminds and incident.open and incident.topic is not Topic.SOURCE:
            work.remind(incident, work.clock)


def _over_at_once(work: Work) -> list[Incident]:
    """One-offs of this look: everything else that is over was told before, or never."""
    former = work.former.pulse.last_id
    return [
        incident
        for incident in work.changed.values()
        if not incident.open and incident.id > former and not incident.told
    ]


def end_of_quiet(work: Work) -> None:
    """What waited for the end of the quiet hours, in one message."""
    if work.quieted and not work.now.quiet:
        work.add(Post.DIGEST, tuple(work.quieted), silent=True)
        work.quieted.clear()
