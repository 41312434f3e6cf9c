"""Test the rate limits of one person, and that requests nobody waits for are not sent to Proxmox."""

import asyncio

import pytest

from core.access.rate_limit import PEOPLE_MOST, RATES, RateLimiter, RequestKind
from core.audit.record import AuditStep
from core.audit.store import AuditFilter
from core.errors import AnswerTooLate, TooQuick
from playground.pve.server import Pve
from tests.support import stage
from tests.support.fakes import FakeClock
from tests.support.scenes.people import Cast
from tests.support.stage import Stage, post_of
from ui.discord import late
from ui.discord.late import Arrivals

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language


@pytest.fixture
async def scene(bare_scene: Stage) -> Stage:
    bare_scene.paced = True
    await bare_scene.start_bot()
    return bare_scene


# -- the rates


@pytest.mark.parametrize("asked", RequestKind)
def test_a_burst_is_allowed_and_then_a_steady_rate(asked: RequestKind) -> None:
    clock, rate = FakeClock(), RATES[asked]
    pace = RateLimiter(clock)
    assert [pace.take(7, asked) for _ in range(rate.burst)] == [None] * rate.burst
    refused = pace.take(7, asked)
    assert refused is not None
    assert refused.wait == 1
    assert pace.take(8, asked) is None, "others are not concerned"
    assert all(pace.take(7, other) is None for other in RequestKind if other is not asked)
    allowed = 0
    for _ in range(400):  # 20 a second for 20 seconds
        clock.advance(0.05)
        allowed += pace.take(7, asked) is None
    assert abs(allowed - 20 / rate.every) <= 1
    clock.advance(rate.burst * rate.every)
    assert [pace.take(7, asked) for _ in range(rate.burst)] == [None] * rate.burst


def test_nothing_of_a_persons_normal_use_is_refused() -> None:
    """Normal use is ten reads in ten seconds, then one every two seconds; a word is typed at six letters a second."""
    clock = FakeClock()
    pace = RateLimiter(clock)
    for _ in range(10):
        assert pace.take(7, RequestKind.READ) is None
        clock.advance(1.0)
    for _ in range(100):
        assert pace.take(7, RequestKind.READ) is None
        clock.advance(2.0)
    for _ in range(40):
        assert pace.take(7, RequestKind.COMPLETION) is None
        clock.advance(1 / 6)


def test_one_refusal_a_minute_of_a_flood_is_kept_with_the_count_of_the_others() -> None:
    clock = FakeClock()
    pace, refused = RateLimiter(clock), list[TooQuick]()
    for _ in range(20 * 121):
        if (error := pace.take(7, RequestKind.READ)) is not None:
            refused.append(error)
        clock.advance(0.05)
    kept = [each.skipped for each in refused if each.skipped is not None]
    assert len(kept) == 3
    assert kept[0] == 0
    assert len(refused) - sum(kept) - 3 < 60 * 20
    assert all(each.wait == 1 for each in refused)


def test_people_are_remembered_as_long_as_it_matters() -> None:
    clock = FakeClock()
    pace = RateLimiter(clock)
    for person in range(3 * PEOPLE_MOST):
        for _ in range(11):
            pace.take(person, RequestKind.READ)
        if person % 1000 == 0:
            clock.advance(1.0)
    assert len(pace._full_at) <= PEOPLE_MOST + 1
    assert len(pace._refused) <= PEOPLE_MOST + 1


# -- at the real bot


async def test_a_flood_of_reads_is_slowed_down_and_others_are_not(scene: Stage, pve: Pve) -> None:
    burst = RATES[RequestKind.READ].burst
    replies = await asyncio.gather(*(scene.say(scene.emma, "info", vmid=101) for _ in range(burst + 20)))
    told = [reply for reply in replies if "Too many requests" in reply.text]
    assert 10 <= len(told) <= 20
    for reply in told:
        scene.assert_private(reply)
    assert "web01" in (await scene.say(scene.akiko, "info", vmid=101)).text
    await scene.say(scene.emma, "start", vmid=104)
    assert pve.vm(104).status == "running", "heavy reading keeps nobody from acting"
    records = [each.record for each in (await scene.site.journal.audit_page(AuditFilter(), 0, 100))[0]]
    refused = [each for each in records if each.step is AuditStep.REFUSED]
    assert len(refused) == 1
    assert refused[0].outcome == str(TooQuick(1))
    scene.clock.skip(burst)
    assert "web01" in (await scene.say(scene.emma, "info", vmid=101)).text


async def test_completions_and_presses_have_their_rate_too(scene: Stage) -> None:
    panel = await scene.say(scene.akiko, "info", vmid=101)
    for _ in range(RATES[RequestKind.COMPLETION].burst):
        assert await scene.choices(scene.emma, "info", "vmid", "web") != []
    at_once = (scene.choices(scene.emma, "info", "vmid", "web") for _ in range(60))
    offered = await asyncio.gather(*at_once)
    assert sum(label.startswith("⛔ Too many requests.") for (label,) in offered) >= 10
    presses = [
        scene.server.click(scene.emma, post_of(panel), "Refresh")
        for _ in range(RATES[RequestKind.READ].burst + 10)
    ]
    pressed = await scene.whole(asyncio.gather(*presses))
    told = [post for reply in pressed for post in reply.followups if "Too many requests" in post.text]
    told += [reply.post for reply in pressed if reply.post and reply.post.ephemeral]
    assert told
    assert all(post.ephemeral for post in told)
    assert "web01" in panel.text


async def test_refused_attempts_count_for_the_rate_limit(scene: Stage) -> None:
    """Somebody who tries one VMID after another gets no higher rate than anybody else."""
    asked = len(scene.sent())
    for vmid in range(500, 560):
        await scene.say(scene.emma, "info", vmid=vmid)
    assert len(scene.sent()) - asked <= RATES[RequestKind.READ].burst + 10


# -- one flight for each guest


async def test_fifty_at_once_share_the_requests(bare_scene: Stage, pve: Pve) -> None:
    scene = bare_scene
    people = [scene.server.person(scene.guild, f"p{n}", display=f"P{n}", locale="en-US") for n in range(50)]
    scene.paced = True
    await scene.start_bot()
    pve.hang("/qemu/101/status/current", 1.0, times=1)
    before = len(scene.sent())
    replies = await scene.whole(
        asyncio.gather(*(scene.server.slash(one, scene.channel, "info", vmid=101) for one in people))
    )
    assert all("web01" in reply.text for reply in replies)
    assert len(scene.sent()) - before <= 12, "the cluster, and twice what a panel takes, at most"


async def test_each_of_them_is_judged(bare_scene: Stage, pve: Pve) -> None:
    scene, cast = bare_scene, Cast(bare_scene)
    await scene.start_bot(**cast.settings)
    pve.hang("/qemu/101/status/current", 0.7, times=1)
    asking = {
        name: asyncio.create_task(scene.server.slash(cast[name], scene.channel, "info", vmid=101))
        for name in ("viewer", "game", "nobody", "admin")
    }
    told = {name: (await scene.whole(task)).text for name, task in asking.items()}
    assert "web01" in told["viewer"]
    assert "web01" in told["admin"]
    assert "web01" not in told["game"] + told["nobody"]


async def test_reads_from_before_an_action_are_not_shown_after_it(scene: Stage, pve: Pve) -> None:
    """A person who asks after the action does not join those who asked before it."""
    pve.hang("/qemu/104/pending", 1.5, times=1)
    early = asyncio.create_task(scene.server.slash(scene.emma, scene.channel, "info", vmid=104))
    await scene.until(lambda: scene.sent("GET", "/qemu/104/pending"))
    await scene.say(scene.akiko, "start", vmid=104)
    late_one = await scene.say(scene.akiko, "info", vmid=104)
    assert "**running**" in late_one.text
    await scene.whole(early)


# -- what nobody awaits


async def test_answers_that_come_too_late_ask_nothing_of_proxmox(scene: Stage, pve: Pve) -> None:
    """Discord said that the bot did not respond, while the request still waited for the list."""
    scene.expected_statuses.add(404)
    scene.clock.skip(11)
    scene.server.ack_limit = 0.3
    pve.hang("/cluster/resources", 1.5, times=1)
    before = len(scene.sent())
    for command, options in (("snapshot list", {"vmid": 101}), ("start", {"vmid": 104})):
        reply = await scene.say(scene.emma, command, **options)
        assert not reply.acknowledged
    assert [path for _, path, _ in scene.sent()[before:] if "/qemu/" in path] == []
    assert scene.changes() == []
    assert scene.services.open_replies == set()
    records = [each.record for each in (await scene.site.journal.audit_page(AuditFilter(), 0, 2))[0]]
    assert [(each.step, each.outcome) for each in records] == [(AuditStep.REFUSED, str(AnswerTooLate()))] * 2


async def test_a_late_arrival_is_answered_before_anything_is_asked(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.expected_statuses.add(404)
    await scene.say(scene.emma, "help")
    monkeypatch.setattr(late, "LATE_SECONDS", 0.5)
    scene.server.ack_limit = 0.5
    emit = scene.server.world.backend.emit
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(scene.server.world.backend, "emit", lambda *event: loop.call_later(1.0, emit, *event))
    before = len(scene.sent())
    for command, options in (("info", {"vmid": 101}), ("start", {"vmid": 104}), ("stop", {"vmid": 101})):
        reply = await scene.server.slash(scene.emma, scene.channel, command, **options)
        await scene.until(
            lambda: any("callback" in one.path and one.status == 404 for one in scene.server.journal)
        )
        await asyncio.sleep(1.2)
        await scene.settled()
        assert not reply.acknowledged
    scene.clock.skip(11)
    completion = scene.server.autocomplete(scene.emma, scene.channel, "info", "vmid", "web")
    assert await asyncio.wait_for(completion, 60) == [], "nor is a list read for it"
    assert scene.sent()[before:] == []
    (last, *_) = (await scene.site.journal.audit_page(AuditFilter(), 0, 3))[0]
    assert last.record.step is AuditStep.REFUSED
    assert last.record.outcome == str(AnswerTooLate())


def test_the_quickest_of_the_last_minutes_is_punctual() -> None:
    """The clocks of Discord and the bot may differ by any amount."""
    for offset in (0.0, 1e6, -1e6):
        arrivals = Arrivals()

        def arrive(sent: float, took: float, arrivals: Arrivals = arrivals, offset: float = offset) -> bool:
            return arrivals.late(int(sent * 1000) << 22, sent + took + offset)

        assert not arrive(1000.0, 0.2)
        assert not arrive(1001.0, 0.1)
        assert not arrive(1002.0, 2.0)
        assert arrive(1003.0, 3.0)
        arrivals.forget()
        assert not arrive(1004.0, 3.0)
        assert not arrive(1010.0, 0.2)
        assert arrive(1011.0, 3.2)
        assert not arrive(5000.0, 4.0), "nothing of the last minutes to go by"
