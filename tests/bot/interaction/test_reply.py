"""Test how answers behave: in time, in one message, within Discord's rate, and despite its limits and faults."""

import asyncio
import itertools

import pytest

from core.actions.inspector import SHARED_SECONDS
from core.guest import State
from core.guest_errors import GuestBusy, WrongState
from playground.discord.faults import Request
from playground.pve.server import Pve
from tests.support import stage
from tests.support.catalogue import ACTING
from tests.support.home_guild import BUSY_ACK
from tests.support.scenes.walked_anew import walked_anew
from tests.support.stage import Stage, post_of
from ui.formatting import timestamp, title_of

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language
unhurried = stage.unhurried

BOTH = pytest.mark.parametrize("language", ["ja", "en"])

DEFERRED, DEFERRED_UPDATE = 5, 6


def edits(scene: Stage) -> list[Request]:
    """Return the requests that wrote a message of the bot after the registration, oldest first."""
    return [r for r in scene.server.journal if r.method in ("POST", "PATCH") and r.status < 300]


# -- in time


@walked_anew(
    ("command", "options", "part"),
    [
        ("list", {}, "/cluster/resources"),
        ("info", {"vmid": 101}, "/status/current"),
        ("start", {"vmid": 104}, "/status/start"),
        ("delete", {"vmid": 104}, "/config"),
    ],
)
async def test_acknowledged_within_a_second_while_proxmox_hangs(
    scene: Stage, pve: Pve, command: str, options: dict[str, object], part: str
) -> None:
    scene.clock.skip(11)
    pve.hang(part, 1.5, times=1)
    messages = len(scene.server.messages(scene.channel))
    answers = len(scene.server.requests("POST", "/callback"))
    reply = await scene.say(scene.emma, command, **options)
    assert reply.ack_seconds is not None
    assert reply.ack_seconds < 1.0
    (answer,) = scene.server.requests("POST", "/callback")[answers:]
    assert answer.body["type"] == DEFERRED
    assert str(options.get("vmid", "17 guests")) in reply.text
    assert not post_of(reply).thinking
    assert len(scene.server.messages(scene.channel)) == messages + 1, "one message, edited in place"


async def test_a_button_is_acknowledged_in_time_too(scene: Stage, pve: Pve) -> None:
    panel = await scene.say(scene.emma, "info", vmid=101)
    scene.clock.skip(SHARED_SECONDS)
    pve.hang("/status/current", 1.5, times=1)
    reply = await scene.press(scene.emma, panel, "Refresh")
    assert reply.ack_seconds is not None
    assert reply.ack_seconds < 1.0
    last = scene.server.requests("POST", "/callback")[-1]
    assert last.body["type"] == DEFERRED_UPDATE


async def test_a_late_refusal_is_still_private(scene: Stage, pve: Pve) -> None:
    """The refusal comes after a public acknowledgement. The public message is deleted."""
    pve.hang("/status/current", 1.5, times=1)
    messages = len(scene.server.messages(scene.channel))
    reply = await scene.say(scene.akiko, "start", vmid=101)
    assert "**101** `web01`" in reply.text
    assert all(post.ephemeral for post in reply.followups)
    assert len(reply.followups) == 1
    assert len(scene.server.messages(scene.channel)) == messages


@pytest.mark.parametrize("person", ["akiko", "emma"])
async def test_a_refusal_that_falls_while_the_acknowledgement_is_in_flight_arrives(
    scene: Stage, pve: Pve, person: str
) -> None:
    """The command is refused at 0.8 s. Discord takes the acknowledgement, sent at 0.6 s, only at 1.1 s."""
    asker = scene.akiko if person == "akiko" else scene.emma
    pve.hang("/status/current", 0.8, times=1)
    scene.server.delay("POST", "/callback", 0.5)
    reply = await scene.say(asker, "start", vmid=101)
    error = WrongState(101, "web01", "start", State.RUNNING)
    await scene.until(lambda: [p.text for p in reply.followups] == [scene.told(asker, error)])
    assert all(post.ephemeral for post in reply.followups)
    await scene.until(lambda: not scene.server.messages(scene.channel), "the public trace to go")


async def test_a_buttons_refusal_while_the_acknowledgement_is_in_flight_arrives(
    scene: Stage, pve: Pve
) -> None:
    panel = await scene.say(scene.emma, "info", vmid=104)
    pve.revive(104)
    pve.hang("/status/current", 0.8, times=1)
    scene.server.delay("POST", "/callback", 0.5)
    reply = await scene.press(scene.akiko, panel, "Start")
    scene.assert_pressed_in_vain(reply, scene.akiko, WrongState(104, "palworld", "start", State.RUNNING))


@pytest.mark.parametrize("status", [503, "reset"])
async def test_a_refusal_is_sent_again_when_discord_stumbles(scene: Stage, status: int | str) -> None:
    if isinstance(status, int):
        scene.server.fail("POST", "/callback", status, 1)
    else:
        scene.server.reset("POST", "/callback", 1)
    reply = await scene.say(scene.akiko, "start", vmid=101)
    scene.assert_refused(reply, scene.akiko, WrongState(101, "web01", "start", State.RUNNING))


async def test_quick_answers_need_no_thinking(scene: Stage) -> None:
    reply = await scene.say(scene.emma, "list")
    assert reply.kind == "message"
    assert len(edits(scene)) == 1, "one request for one answer"


async def test_hung_calls_leave_the_threads_that_discord_needs(scene: Stage, pve: Pve) -> None:
    """Traps T4 and T5: name look-ups share the default executor with Proxmox calls."""
    pve.hang("/status/current", 1.5)
    guests = (*range(101, 110), 201, 202, 203)  # a single guest would cause only one request
    asking = [asyncio.create_task(scene.say(scene.emma, "info", vmid=vmid)) for vmid in guests]
    await scene.until(lambda: len(scene.sent("GET", "/status/current")) >= 4)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await loop.getaddrinfo("127.0.0.1", 443)
    assert loop.time() - began < 0.5
    assert len(scene.sent("GET", "/status/current")) == 4, "never more than four at once"
    pve.hang("/status/current", 0)
    await asyncio.gather(*asking)


# -- progress


@BOTH
async def test_a_long_clone_shows_percent_and_is_edited_every_two_seconds_at_most(
    scene: Stage, pve: Pve
) -> None:
    t = scene.t()
    plan = pve.next_task("qmclone", hold=True, lines=["create full clone of drive scsi0"])
    begun = await scene.start_command(scene.akiko, "create", template_id=9000, name="web-02")
    for done in (7, 42, 93):
        plan.say(f"transferred {done / 10:.1f} GiB of 10.0 GiB ({done}.00%)")
        await begun.until(f"{done}%")
        assert t("Cloning {guest} to {name}…", guest="", name="`web-02`").split("**")[0][:3] in begun.text
    scene.clock.skip(60)
    await begun.until(t("still running; this message will show the result"))
    assert t("{n} min", n=1) in begun.text
    plan.release()
    await scene.settled()
    assert t("{guest} was created.", guest=title_of(100, "web-02")) in begun.text
    times = [scene.clock.at(request.at) for request in edits(scene)]
    assert len(times) > 5
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert min(gaps) > 1.9, gaps
    assert len(scene.server.messages(scene.channel)) == 1


async def test_short_tasks_are_not_asked_for_their_log(scene: Stage) -> None:
    await scene.say(scene.emma, "start", vmid=104)
    assert scene.sent("GET", "/log") == []


# -- one at a time


@BOTH
async def test_the_second_person_reads_who_is_doing_what(scene: Stage, pve: Pve) -> None:
    plan = pve.next_task("qmstart", vmid=104, hold=True)
    begun = await scene.start_command(scene.akiko, "start", vmid=104)
    since = scene.site.executor._claims.busy[104].since
    for each in [each for each in ACTING if "vmid" in each.example]:
        options = {**each.example, "vmid": 104}
        asking = asyncio.create_task(scene.server.slash(scene.emma, scene.channel, each.word, **options))
        reply = await asking
        await reply.until(lambda shown: shown.text)
        scene.assert_refused(
            reply, scene.emma, GuestBusy(104, "palworld", "start", "Akiko", since, scene.akiko.id)
        )
    assert f"<@{scene.akiko.id}>" in reply.text
    assert timestamp(since) in reply.text
    other = await scene.start_command(scene.emma, "start", vmid=205)
    plan.release()
    await scene.settled()
    assert pve.vm(104).status == "running"
    assert pve.ct(205).status == "running"
    assert len(scene.changes()) == 2
    assert f"<@{scene.akiko.id}>" in begun.text
    assert f"<@{scene.emma.id}>" in other.text


async def test_the_guest_is_free_after_any_end_of_an_action(scene: Stage, pve: Pve) -> None:
    pve.next_task("qmstart", vmid=104, ends="start failed: exit code 1")
    assert "could not be started" in (await scene.say(scene.emma, "start", vmid=104)).text
    pve.fail("POST", "/status/start", 500, "got no worker upid - start worker failed", times=1)
    await scene.say(scene.emma, "start", vmid=104)
    assert "was started" in (await scene.say(scene.emma, "start", vmid=104)).text


# -- past the token


@BOTH
async def test_past_the_tokens_life_it_goes_on_in_the_channel(scene: Stage, pve: Pve) -> None:
    scene.expected_statuses.add(404)
    plan = pve.next_task("qmclone", hold=True)
    begun = await scene.start_command(scene.akiko, "create", template_id=9000, name="web-02")
    scene.kill_token(begun)
    scene.clock.skip(14 * 60)
    plan.say("transferred 5.0 GiB of 10.0 GiB (50.00%)")
    await begun.until("50%")
    plan.release()
    await scene.settled()
    assert scene.t()("{guest} was created.", guest=title_of(100, "web-02")) in begun.text
    assert len(scene.server.messages(scene.channel)) == 1
    late = [request for request in edits(scene) if request.path.startswith("/channels/")]
    assert late
    assert all(request.method == "PATCH" for request in late)


async def test_a_token_that_dies_early_does_not_lose_the_outcome(scene: Stage, pve: Pve) -> None:
    """Discord refuses the edit (404, code 10015). The same message is edited with the bot's own rights."""
    scene.expected_statuses.add(404)
    plan = pve.next_task("qmstart", vmid=104, hold=True)
    begun = await scene.start_command(scene.emma, "start", vmid=104)
    scene.kill_token(begun)
    plan.release()
    await scene.settled()
    assert "was started" in begun.text
    assert len(scene.server.messages(scene.channel)) == 1


async def test_a_message_deleted_meanwhile_is_followed_by_a_new_one(scene: Stage, pve: Pve) -> None:
    scene.expected_statuses.add(404)
    plan = pve.next_task("qmstart", vmid=104, hold=True)
    begun = await scene.start_command(scene.emma, "start", vmid=104)
    scene.server.world.backend.delete_message(scene.channel.id, post_of(begun).id)
    plan.release()
    await scene.settled()
    assert "was started" in scene.server.messages(scene.channel)[-1].text


@pytest.mark.parametrize("past", [True, False])
async def test_a_deleted_answer_and_a_dead_token_make_one_new_message_at_most(
    scene: Stage, pve: Pve, past: bool
) -> None:
    """Progress is not posted again at each step; only the outcome is.

    `past`: the bot knows that the token has expired.
    """
    scene.expected_statuses.add(404)
    plan = pve.next_task("qmclone", hold=True)
    begun = await scene.start_command(scene.akiko, "create", template_id=9000, name="web-02")
    scene.server.world.backend.delete_message(scene.channel.id, post_of(begun).id)
    scene.kill_token(begun)
    scene.clock.skip(14 * 60 if past else 5)
    tries = [0]

    def ticked() -> bool:
        return len(scene.server.requests("PATCH")) > tries[-1]

    for done in (7, 42, 93):
        tries.append(len(scene.server.requests("PATCH")))
        plan.say(f"transferred {done / 10:.1f} GiB of 10.0 GiB ({done}.00%)")
        scene.clock.skip(5)
        await scene.until(ticked, "a tick")
        assert scene.server.messages(scene.channel) == []
    plan.release()
    await scene.settled()
    messages = [post.text for post in scene.server.messages(scene.channel)]
    assert len(messages) == 1
    assert "was created" in messages[0]


# -- an answer that Discord does not take


AT_ONCE = [(each.word, dict(each.example)) for each in ACTING if each.action and not each.action.asks]
"""The actions that ask for no confirmation."""


@walked_anew(("command", "options"), AT_ONCE)
async def test_a_command_whose_acknowledgement_is_refused_changes_nothing(
    scene: Stage, command: str, options: dict[str, object]
) -> None:
    """The person reads that the bot did not respond, and may have repeated the command."""
    before = scene.cluster()
    scene.expected_statuses.add(404)
    scene.server.ack_limit = 0.0
    answers = len(scene.server.requests("POST", "/callback"))
    await scene.say(scene.emma, command, **options)
    await scene.until(lambda: scene.server.requests("POST", "/callback")[answers:])
    await scene.settled()
    assert {request.status for request in scene.server.requests("POST", "/callback")[answers:]} == {404}
    assert scene.changes() == []
    assert scene.cluster() == before
    scene.server.ack_limit = 3.0
    assert not (await scene.say(scene.emma, command, **options)).ephemeral
    assert len(scene.changes()) == 1, "the guest is free again"


@pytest.mark.usefixtures("unhurried")
@walked_anew("kind", ["panel", "question", "form"])
async def test_a_press_whose_acknowledgement_is_refused_changes_nothing(scene: Stage, kind: str) -> None:
    shown = await scene.say(
        scene.emma,
        {"panel": "info", "question": "stop", "form": "delete"}[kind],
        vmid=104 if kind != "question" else 101,
    )
    form = await scene.press(scene.emma, shown, "Delete palworld…") if kind == "form" else None
    before = scene.cluster()
    scene.expected_statuses.add(404)
    scene.server.ack_limit = 0.0
    answers = len(scene.server.requests("POST", "/callback"))
    if form is not None:
        await scene.submit(scene.emma, form, "palworld")
    else:
        await scene.press(scene.emma, shown, "Start" if kind == "panel" else "Force-stop web01")
    await scene.until(lambda: len(scene.server.requests("POST", "/callback")) > answers)
    await scene.settled()
    assert scene.changes() == []
    assert scene.cluster() == before
    if kind != "panel":
        assert "Nothing was done." in shown.text
    scene.server.ack_limit = BUSY_ACK


async def test_a_command_replayed_after_a_gap_comes_too_late_and_changes_nothing(scene: Stage) -> None:
    """The gateway keeps events for a resumed session. Discord's 3 s to answer are over by then."""
    scene.expected_statuses.add(404)
    scene.server.ack_limit = 0.0
    await scene.server.drop_gateway(None)
    await scene.server.slash(scene.emma, scene.channel, "start", vmid=104)
    await scene.until(lambda: scene.server.requests("POST", "/callback"))
    await scene.settled()
    assert scene.server.gateway.resumes == 1
    assert {request.status for request in scene.server.requests("POST", "/callback")} == {404}
    assert scene.changes() == []


# -- Discord in trouble


@walked_anew("kind", ["429", "503", "reset", "late reset"])
async def test_trouble_at_discord_while_the_outcome_is_shown(scene: Stage, pve: Pve, kind: str) -> None:
    plan, messages = pve.next_task("qmstart", vmid=104, hold=True), len(scene.server.messages(scene.channel))
    begun = await scene.start_command(scene.emma, "start", vmid=104)
    if kind == "429":
        scene.server.fail("PATCH", "/messages/@original", 429, 2, retry_after=0.2)
    elif kind == "503":
        scene.server.fail("PATCH", "/messages/@original", 503, 1)  # discord.py waits a second on its own
    else:
        scene.server.reset("PATCH", "/messages/@original", 3, after=kind == "late reset")
    plan.release()
    await scene.settled()
    assert "was started" in begun.text
    assert len(scene.changes()) == 1
    assert len(scene.server.messages(scene.channel)) == messages + 1


async def test_an_answer_is_given_even_if_its_first_request_breaks(scene: Stage) -> None:
    scene.server.reset("POST", "/callback", 1)
    reply = await scene.say(scene.emma, "info", vmid=101)
    await reply.until("web01")


async def test_an_answer_taken_although_the_connection_broke_is_not_given_twice(scene: Stage) -> None:
    """The first request took effect, but its answer was lost. The second one is refused (40060)."""
    scene.expected_statuses.add(400)
    scene.expected_errors.append("Interaction has already been acknowledged")
    scene.server.reset("POST", "/callback", 1, after=True)
    await scene.say(scene.emma, "info", vmid=101)
    assert [("web01" in post.text) for post in scene.server.messages(scene.channel)] == [True]


async def test_a_dropped_gateway_loses_no_command(scene: Stage, pve: Pve) -> None:
    await scene.server.drop_gateway(None)
    reply = await scene.say(scene.emma, "start", vmid=104)
    await reply.until("was started")
    assert pve.vm(104).status == "running"


@BOTH
async def test_a_bot_that_is_ended_says_that_the_work_goes_on(scene: Stage, pve: Pve) -> None:
    pve.next_task("qmstart", vmid=104, hold=True)
    begun = await scene.start_command(scene.akiko, "start", vmid=104)
    told = scene.t()(
        "The bot is shutting down. Tasks already started continue in Proxmox; check the result with `/info`."
    )
    await scene.stop_bot()
    assert told in begun.text


@BOTH
async def test_a_bot_that_is_ended_before_anything_was_sent_does_not_send_it_afterwards(
    scene: Stage, pve: Pve
) -> None:
    """The answer says that the command must be repeated, so it must not have been carried out."""
    told = scene.t()("The bot is shutting down. Run the command again in a moment.")
    pve.hang("/qemu/104/status/current", 1.2, times=1)
    giving = asyncio.create_task(scene.server.slash(scene.akiko, scene.channel, "start", vmid=104))
    await scene.until(lambda: scene.server.requests("POST", "/callback"), "the acknowledgement")
    await scene.stop_bot()
    reply = await giving
    assert reply.text == told
    await scene.settled()
    assert scene.changes() == []


async def test_a_bot_that_is_ended_says_nothing_where_nothing_was_shown(scene: Stage, pve: Pve) -> None:
    panel = await scene.say(scene.emma, "info", vmid=104)
    text = panel.text
    pve.hang("/qemu/104/status/current", 0.5, times=1)
    asked = len(scene.sent("GET", "/qemu/104/status/current"))
    scene.server.answer_wait = scene.server.ack_limit = 0.2
    pressing = asyncio.create_task(scene.server.click(scene.akiko, post_of(panel), "Start"))
    await scene.until(lambda: len(scene.sent("GET", "/qemu/104/status/current")) > asked)
    await scene.stop_bot()
    await pressing
    await scene.settled()
    assert panel.text == text
    assert scene.changes() == []
