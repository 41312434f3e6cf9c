"""Test the demo Discord against a real discord.py in a separate process."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import discord
import pytest
import pytest_asyncio
import simcord

from playground.discord import limits as discord_limits
from playground.discord.contract import Contract
from playground.discord.faults import Window
from playground.discord.nonces import Nonces
from playground.discord.people import Person
from playground.discord.rest import Call, CallRefused
from playground.discord.server import Channel, DiscordServer, Guild
from tests.support.process_stage import CONTRACTS
from tests.support.walked import walked
from tests.support.warm_start import POSSIBLE, WarmProcess, starter

BOT = Path(__file__).parents[1] / "support" / "tiny_discord_bot.py"


class Bot:
    """Run the bot process. `stop` ends it as a service manager would."""

    def __init__(self, server: DiscordServer, guild: Guild, log: Path) -> None:
        self.server, self.guild, self.log = server, guild, log
        self.process: asyncio.subprocess.Process | WarmProcess | None = None

    async def start(self, **environment: str) -> None:
        told = {**os.environ, "GUILD_ID": str(self.guild.id), **self.server.environment(), **environment}
        if POSSIBLE:
            self.process = starter().start(BOT, (), told, self.log)
            return
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, str(BOT), env=told, stdout=log, stderr=log
            )

    async def stop(self) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()


class Scene:
    """Hold a server, a guild with two channels inside and outside a category, two people and the bot."""

    def __init__(self, server: DiscordServer, bot: Bot, guild: Guild) -> None:
        self.server, self.bot, self.guild = server, bot, guild
        self.category: Channel = guild.create_category("servers")
        self.channel: Channel = guild.create_text_channel("proxmox", category=self.category)
        self.akiko: Person = server.person(guild, "akiko", display="管理者 akiko", locale="ja")
        self.emma: Person = server.person(guild, "emma", locale="en-US")


@pytest.fixture
def contract() -> Path | None:
    """Return the Discord description to check requests against. Tests that need one parametrize it."""
    return None


@pytest_asyncio.fixture
async def scene(tmp_path: Path, contract: Path | None) -> AsyncIterator[Scene]:
    async with DiscordServer(contract=contract) as server:
        guild = server.guild("Demo")
        bot = Bot(server, guild, tmp_path / "bot.log")
        scene = Scene(server, bot, guild)
        await bot.start()
        try:
            await server.wait_ready()
            yield scene
        finally:
            await bot.stop()
    print(bot.log.read_text())  # noqa: T201  # pytest shows it when the test fails
    assert "never retrieved" not in bot.log.read_text()


# ---------------------------------------------------------------------- commands and answers


async def test_a_command_is_answered_and_shows_the_language_it_got(scene: Scene) -> None:
    server = scene.server
    reply = await server.slash(scene.akiko, scene.channel, "snapshot create", vmid=101, name="a")
    assert reply.post is not None
    assert reply.post.text == "101 a ja"
    assert reply.kind == "message"
    assert not reply.ephemeral
    await reply.until("guild ja")
    assert [post.ephemeral for post in reply.followups] == [True]
    assert reply.ack_seconds is not None
    assert 0 < reply.ack_seconds < 3

    english = await server.slash(scene.emma, scene.channel, "snapshot create", vmid=102, name="b")
    assert english.text.startswith("102 b en-US")
    assert [r.status for r in server.requests("PUT", "/commands")] == [200]
    assert server.violations == []


async def test_ephemeral_messages_are_seen_by_one_person_only(scene: Scene) -> None:
    server = scene.server
    reply = await server.slash(scene.akiko, scene.channel, "snapshot create", vmid=101, name="a")
    await reply.until("guild ja")
    hers = [post.text for post in server.messages(scene.channel, scene.akiko)]
    others = [post.text for post in server.messages(scene.channel, scene.emma)]
    assert hers == ["101 a ja", "guild ja"]
    assert others == ["101 a ja"] == [post.text for post in server.messages(scene.channel)]


async def test_a_command_that_a_person_cannot_type_is_not_sent(scene: Scene) -> None:
    before = len(scene.server.journal)
    with pytest.raises(simcord.SetupError, match="nonsense"):
        await scene.server.slash(scene.akiko, scene.channel, "nonsense")
    with pytest.raises(simcord.OptionError, match="vmid"):
        await scene.server.slash(scene.akiko, scene.channel, "snapshot create", vmid="x", name="a")
    assert len(scene.server.journal) == before


async def test_commands_in_threads_and_forum_posts(scene: Scene) -> None:
    server = scene.server
    thread = server.thread(scene.channel, "talk", scene.akiko)
    forum = server.forum(scene.guild, "cases", category=scene.category)
    case = server.thread(forum, "case 1", scene.akiko)
    for place in (thread, case):
        await server.slash(scene.akiko, place, "snapshot create", vmid=7, name="t")
        assert (await server.wait_message(place, "7 t ja")).channel_id == place.id
    assert not server.messages(scene.channel)


async def test_roles_and_categories_are_those_at_the_time_of_the_press(scene: Scene) -> None:
    server = scene.server
    admin = scene.guild.create_role("Admin")
    thread = server.thread(scene.channel, "talk", scene.akiko)
    assert (await server.slash(scene.akiko, thread, "where")).text == "管理者 akiko [] in servers"
    server.give_role(scene.akiko, admin)
    assert (await server.slash(scene.akiko, thread, "where")).text == "管理者 akiko [Admin] in servers"
    server.take_role(scene.akiko, admin)
    server.move(scene.channel, None)
    assert (await server.slash(scene.akiko, scene.channel, "where")).text == "管理者 akiko [] in none"


async def test_autocomplete_and_its_limits(scene: Scene) -> None:
    server = scene.server
    choices = await server.autocomplete(scene.akiko, scene.channel, "snapshot create", "name", "s", vmid=1)
    assert choices == [{"name": "s-0", "value": "s0"}, {"name": "s-1", "value": "s1"}]
    assert server.violations == []
    for typed, complaint in (
        ("many", "at most 25, got 26"),
        ("long", "must be 1 to 100 characters, got 102"),
    ):
        server.ack_limit = 0.5
        assert not await server.autocomplete(scene.akiko, scene.channel, "snapshot create", "name", typed)
        await server.wait_until(
            lambda complaint=complaint: any(complaint in violation for violation in server.violations)  # type: ignore[misc]  # mypy does not infer the type of a lambda's default
        )
        assert server.requests("POST", "/callback")[-1].status == 400


async def test_panel_buttons_work_after_a_restart_of_the_bot(scene: Scene) -> None:
    server = scene.server
    shown = await server.slash(scene.akiko, scene.channel, "show")
    assert shown.post is not None
    assert shown.post.text == "## web01\ncount 0"
    panel = shown.post
    clicked = await server.click(scene.emma, panel, "Count 0")
    assert clicked.kind == "update"
    assert panel.text == "## web01\ncount 1"

    assert server.gateway.identifies == 1
    await scene.bot.stop()
    await server.wait_until(lambda: not server.gateway.connected)
    await scene.bot.start()
    await server.wait_until(lambda: server.gateway.identifies == 2)
    await server.click(scene.akiko, panel, "count:1")
    assert panel.text == "## web01\ncount 2"
    assert panel.edited
    assert [(b.label, b.custom_id, b.style) for b in panel.buttons] == [("Count 2", "count:2", "secondary")]


async def test_presses_that_a_client_does_not_offer(scene: Scene) -> None:
    server = scene.server
    shown = await server.slash(scene.akiko, scene.channel, "show")
    assert shown.post is not None
    with pytest.raises(LookupError, match="Count 0"):
        await server.click(scene.akiko, shown.post, "Delete")
    forged = await server.click(scene.akiko, shown.post, "count:41", force=True)
    assert forged.acknowledged
    assert shown.post.text.endswith("count 42")


async def test_two_presses_at_the_same_moment_both_arrive(scene: Scene) -> None:
    server = scene.server
    shown = await server.slash(scene.akiko, scene.channel, "show")
    assert shown.post is not None
    both = [server.click(person, shown.post, "Count 0") for person in (scene.akiko, scene.emma)]
    replies = await asyncio.gather(*both)
    assert [reply.acknowledged for reply in replies] == [True, True]
    assert len(server.requests("POST", "/callback")) == 3


async def test_a_form_is_shown_and_submitted(scene: Scene) -> None:
    server = scene.server
    shown = await server.slash(scene.akiko, scene.channel, "form")
    assert shown.form is not None
    assert shown.post is None
    assert (shown.form.title, shown.form.text) == ("名前を入力", "元に戻せません")
    assert [(f.label, f.required, f.max_length) for f in shown.form.fields] == [("名前", True, 20)]
    async with asyncio.timeout(20.0):
        while "the form is known" not in scene.bot.log.read_text():  # noqa: ASYNC110 - a file of another process
            await asyncio.sleep(0.01)
    reply = await server.submit(scene.akiko, shown, "web01")
    await reply.until("deleted web01")
    assert reply.text == "deleted web01"
    assert reply.ephemeral
    with pytest.raises(simcord.SetupError, match="already been submitted"):
        await server.submit(scene.akiko, shown, {"name": "web01"})


async def test_a_file_arrives_with_its_description(scene: Scene) -> None:
    reply = await scene.server.slash(scene.akiko, scene.channel, "file")
    assert reply.post is not None
    assert reply.post.attachments == ["chart.png"]
    assert reply.text == "CPU\none hour"
    request = scene.server.requests("POST", "/callback")[-1]
    assert request.files == ("chart.png",)
    assert request.body["data"]["attachments"][0]["description"] == "CPU"
    scene.server.world.files_most = 1
    assert scene.server.attached(reply.post, "chart.png")
    newer = await scene.server.slash(scene.akiko, scene.channel, "file")
    assert newer.post is not None
    assert scene.server.attached(newer.post, "chart.png")
    with pytest.raises(LookupError):
        scene.server.attached(reply.post, "chart.png")


@pytest.mark.parametrize(("allowed", "is_pinned"), [("pin_messages", True), ("manage_messages", False)])
async def test_pinning_takes_the_permission_of_its_own(
    scene: Scene, allowed: str, *, is_pinned: bool
) -> None:
    everyone = scene.guild.default_role
    some = discord.PermissionOverwrite(pin_messages=False, manage_messages=False)
    some.update(**{allowed: True})
    channel = scene.guild.create_text_channel("pins", overwrites={everyone: some})
    answer, posts = scene.server.world.answer, f"/channels/{channel.id}/messages"
    post = answer(Call("POST", posts, {"content": "hello"}))
    with contextlib.nullcontext() if is_pinned else pytest.raises(CallRefused, match="50013"):
        answer(Call("PUT", f"{posts}/pins/{post['id']}"))
    shown = scene.server.world.history(channel.id, None)[0]  # Discord tells of the pin below it
    assert shown.pinned is is_pinned


# ---------------------------------------------------------------------- time limits


async def test_a_late_acknowledgement_is_refused_as_unknown(scene: Scene) -> None:
    scene.server.ack_limit = 0.2
    reply = await scene.server.slash(scene.akiko, scene.channel, "late", seconds=0.5)
    assert not reply.acknowledged
    await scene.server.wait_message(scene.channel, "failed 404 10062")
    assert not reply.acknowledged
    assert reply.ack_seconds is None


async def test_the_token_of_a_press_dies(scene: Scene) -> None:
    scene.server.token_limit, scene.server.answer_wait = 0.4, 0.1
    await scene.server.slash(scene.akiko, scene.channel, "late", seconds=0.0, after_ack=0.6)
    await scene.server.wait_message(scene.channel, "failed 404 10015")


# ---------------------------------------------------------------------- faults


async def test_429_is_retried_after_the_given_time(scene: Scene) -> None:
    fault = scene.server.fail("POST", "/messages", 429, times=2, retry_after=0.25)
    reply = await scene.server.slash(scene.akiko, scene.channel, "post", text="hello")
    assert reply.text == "sent"
    assert fault.met == 2
    sent = scene.server.requests("POST", f"/channels/{scene.channel.id}/messages")
    assert [r.status for r in sent] == [429, 429, 200]
    assert all(later.at - earlier.at >= 0.25 for earlier, later in itertools.pairwise(sent))
    assert len(scene.server.messages(scene.channel)) == 1


async def test_429_without_via_looks_like_a_ban(scene: Scene) -> None:
    scene.server.fail("POST", "/messages", 429, via=False)
    reply = await scene.server.slash(scene.akiko, scene.channel, "post", text="hello")
    assert reply.text == "HTTPException 429"
    assert not scene.server.messages(scene.channel)


async def test_500_is_retried_and_503_is_not(scene: Scene) -> None:
    failed = scene.server.fail("POST", "/messages", 500)
    scene.server.fail("POST", "/messages", 503)
    reply = await scene.server.slash(scene.akiko, scene.channel, "post", text="hello", times=2)
    await reply.until("DiscordServerError 503, sent")
    assert failed.met == 1
    assert len(scene.server.messages(scene.channel)) == 1


@pytest.mark.parametrize(("after", "messages"), [(False, 1), (True, 2)])
async def test_a_cut_connection_loses_the_request_or_only_its_answer(
    scene: Scene, after: bool, messages: int
) -> None:
    cut = scene.server.reset("POST", "/messages", after=after)
    reply = await scene.server.slash(scene.akiko, scene.channel, "post", text="hello", times=2)
    await reply.until("ServerDisconnectedError, sent")
    assert cut.met == 1
    assert len(scene.server.messages(scene.channel)) == messages
    assert [r.status for r in scene.server.requests("POST", "/messages")] == [0, 200]


async def test_a_message_with_the_same_nonce_is_sent_once(scene: Scene) -> None:
    """The answer is lost and the message is sent again with the same nonce.

    A different nonce, or none, creates a new message.
    """
    cut = scene.server.reset("POST", "/messages", after=True)
    reply = await scene.server.slash(scene.akiko, scene.channel, "post", text="hello", times=2, nonce=7)
    await reply.until("ServerDisconnectedError, sent")
    assert cut.met == 1
    assert len(scene.server.messages(scene.channel)) == 1
    for more in ({"nonce": 8}, {}, {}):
        reply = await scene.server.slash(scene.akiko, scene.channel, "post", text="hello", **more)
        await reply.until("sent")
    assert len(scene.server.messages(scene.channel)) == 4
    assert scene.server.violations == []


def test_a_nonce_counts_for_minutes_and_only_where_it_is_enforced() -> None:
    now, made = [0.0], itertools.count(1)
    nonces = Nonces(180.0, lambda: now[0])

    def sent(path: str = "/channels/1/messages", **body: Any) -> Any:
        return nonces.answer(Call("POST", path, {"content": "x", **body}), lambda _call: {"id": next(made)})[
            "id"
        ]

    assert sent(nonce="7", enforce_nonce=True) == 1
    assert sent(nonce="7", enforce_nonce=True) == 1
    assert sent("/channels/2/messages", nonce=7, enforce_nonce=True) == 1  # by author, not by channel
    assert sent(nonce="7") == 2
    assert sent(nonce="8", enforce_nonce=True) == 3
    assert sent(enforce_nonce=True) == 4
    assert sent("/webhooks/1/token", nonce="8", enforce_nonce=True) == 5
    now[0] = 179.0
    assert sent(nonce="8", enforce_nonce=True) == 3
    now[0] = 180.0
    assert sent(nonce="8", enforce_nonce=True) == 6


async def test_a_delayed_acknowledgement_comes_too_late(scene: Scene) -> None:
    scene.server.ack_limit = 0.2
    scene.server.delay("POST", "/callback", 0.4)
    reply = await scene.server.slash(scene.akiko, scene.channel, "late", seconds=0.0)
    await scene.server.wait_message(scene.channel, "failed 404 10062")
    assert not reply.acknowledged


async def test_rate_limit_headers_tell_the_truth(scene: Scene) -> None:
    scene.server.limits.windows["POST /channels/:id/messages"] = Window(2, 0.6)
    reply = await scene.server.slash(scene.akiko, scene.channel, "post", text="hello", times=5)
    await reply.until("sent, sent, sent, sent, sent")
    sent = scene.server.requests("POST", f"/channels/{scene.channel.id}/messages")
    assert [r.status for r in sent] == [200] * 5  # discord.py believed the headers and waited by itself
    assert sent[4].at - sent[0].at >= 1.1

    address = f"{scene.server.api_base}/channels/{scene.channel.id}/messages"
    headers = {"Authorization": f"Bot {scene.server.token}"}
    await scene.server.wait_until(lambda: True)
    async with aiohttp.ClientSession(headers=headers) as session:
        seen = []
        for _ in range(4):
            async with session.post(address, json={"content": "x"}) as response:
                seen.append((response.status, response.headers["X-RateLimit-Remaining"]))
                assert response.headers["Content-Type"] == "application/json"
                assert float(response.headers["X-RateLimit-Reset-After"]) <= 0.6
    assert (429, "0") in seen
    assert seen.count((429, "0")) >= 1


# ---------------------------------------------------------------------- gateway


@pytest.mark.parametrize("code", [4000, 1001, None])
async def test_a_dropped_gateway_is_resumed_and_missed_events_come_again(
    scene: Scene, code: int | None
) -> None:
    server = scene.server
    server.gateway.closed = True
    await server.drop_gateway(code)
    await server.wait_until(lambda: not server.gateway.connected)
    server.ack_limit = 20.0
    waiting = asyncio.create_task(server.slash(scene.akiko, scene.channel, "post", text="hello"))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    server.gateway.closed = False
    reply = await waiting
    assert reply.text == "sent"
    assert (server.gateway.resumes, server.gateway.identifies) == (1, 1)


async def test_an_invalid_session_is_identified_again(scene: Scene) -> None:
    server = scene.server
    await server.invalidate_session()
    await server.wait_until(lambda: server.gateway.identifies == 2)
    assert server.gateway.resumes == 0
    assert (await server.slash(scene.akiko, scene.channel, "post", text="hello")).text == "sent"


async def test_only_a_session_still_known_is_resumed_and_from_where_it_was() -> None:
    async with DiscordServer() as server, aiohttp.ClientSession() as session:
        guild = server.guild("Demo")
        socket = await _identified(server, session, 1)
        ready = await socket.receive_json()
        await socket.receive_json()
        await socket.close(code=4000)
        await server.wait_until(lambda: not server.gateway.connected)
        guild.create_text_channel("missed")
        resume = {"token": server.token, "session_id": ready["d"]["session_id"], "seq": 2}

        async def resumed(**changes: Any) -> list[Any]:
            async with session.ws_connect(server.gateway_url) as other:
                await other.receive_json()
                await other.send_json({"op": 6, "d": {**resume, **changes}})
                frames = [await other.receive_json()]
                while frames[-1]["op"] == 0 and frames[-1]["t"] != "RESUMED":
                    frames.append(await other.receive_json())
                await other.close(code=4000)
            return [
                (frame["op"], frame["t"], frame["d"].get("name") if frame["d"] else None) for frame in frames
            ]

        assert await resumed() == [(0, "CHANNEL_CREATE", "missed"), (0, "RESUMED", None)]
        assert await resumed(session_id="other") == [(9, None, None)]
        assert await resumed(seq=99) == [(9, None, None)]
        assert server.gateway.refused_resumes == 2

        other = await session.ws_connect(server.gateway_url)
        await other.send_json({"op": 6, "d": {**resume, "seq": 4}})
        await server.wait_until(lambda: server.gateway.connected)
        closing = asyncio.create_task(server.drop_gateway(1001))
        assert [(await other.receive()).type for _ in range(3)][-1] == aiohttp.WSMsgType.CLOSE
        await closing
        await server.wait_until(lambda: not server.gateway.connected)
        assert await resumed(seq=5) == [(0, "RESUMED", None)]  # a session closed from here can be resumed

        async with session.ws_connect(server.gateway_url) as leaving:
            await leaving.send_json({"op": 6, "d": {**resume, "seq": 5}})
            await server.wait_until(lambda: server.gateway.connected)
            await leaving.close(code=1000)
        await server.wait_until(lambda: not server.gateway.connected)
        assert await resumed() == [(9, None, None)]


async def test_an_outage_takes_everything_down_for_its_time(scene: Scene) -> None:
    server = scene.server
    server.ack_limit = 20.0
    async with server.outage():
        await server.wait_until(lambda: not server.gateway.connected)
        waiting = asyncio.create_task(server.slash(scene.akiko, scene.channel, "post", text="hello"))
        async with (
            aiohttp.ClientSession() as session,
            session.get(server.api_base + "/users/@me") as response,
        ):
            assert response.status == 503
        assert not waiting.done()
    assert (await waiting).text == "sent"


async def test_a_wrong_token_is_refused_on_both_roads(scene: Scene) -> None:
    server = scene.server
    wrong = {"Authorization": "Bot wrong"}
    async with aiohttp.ClientSession(headers=wrong) as session:
        async with session.get(server.api_base + "/users/@me") as response:
            assert (response.status, (await response.json())["code"]) == (401, 0)
        async with session.ws_connect(server.gateway_url) as socket:
            assert (await socket.receive_json())["op"] == 10
            await socket.send_json({"op": 2, "d": {"token": "wrong", "intents": 1}})
            assert (await socket.receive()).data == 4004
    other = Bot(server, scene.guild, scene.bot.log.with_name("other.log"))
    await other.start(DISCORD_TOKEN="wrong")
    assert await other.process.wait() != 0 if other.process else False
    assert "Improper token" in other.log.read_text()


async def _identified(server: DiscordServer, session: aiohttp.ClientSession, intents: int) -> Any:
    socket = await session.ws_connect(server.gateway_url)
    assert (await socket.receive_json())["op"] == 10
    await socket.send_json({"op": 2, "d": {"token": server.token, "intents": intents}})
    return socket


async def test_the_gateway_keeps_to_its_opcodes() -> None:
    async with DiscordServer() as server, aiohttp.ClientSession() as session:
        guild = server.guild("Demo")
        akiko = server.person(guild, "akiko")
        members = 1 << 1
        refused = await _identified(server, session, members)
        assert (await refused.receive()).data == 4014
        server.approved_intents.members = True

        socket = await _identified(server, session, members | 1)
        ready, created = await socket.receive_json(), await socket.receive_json()
        assert (ready["t"], ready["s"], created["t"], created["s"]) == ("READY", 1, "GUILD_CREATE", 2)
        assert ready["d"]["resume_gateway_url"] == server.gateway_url
        await socket.send_json({"op": 1, "d": 2})
        assert (await socket.receive_json())["op"] == 11
        await socket.send_json({"op": 3, "d": {"status": "online"}})
        await socket.send_json({"op": 4, "d": {"guild_id": str(guild.id)}})
        await socket.send_json({"op": 8, "d": {"guild_id": str(guild.id), "query": "", "limit": 0}})
        chunk = await socket.receive_json()
        assert chunk["t"] == "GUILD_MEMBERS_CHUNK"
        assert str(akiko.id) in {member["user"]["id"] for member in chunk["d"]["members"]}
        await socket.send_json({"op": 99})
        assert (await socket.receive()).data == 4001
        async with session.get(server.gateway_url.replace("ws:", "http:") + "?compress=lzma") as response:
            assert response.status == 400


# ---------------------------------------------------------------------- limits of bodies


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ("label", "button.label: must be 1 to 80"),
        ("content", "content: must be 0 to 2000"),
        ("text", "at most 4000 characters of text, got 4001"),
        ("mixed", "content and embeds cannot go with Components V2"),
    ],
)
async def test_messages_that_break_a_limit_are_refused_and_recorded(
    scene: Scene, what: str, complaint: str
) -> None:
    reply = await scene.server.slash(scene.akiko, scene.channel, "broken", what=what)
    assert reply.text == "refused 400 50035"
    assert len([found for found in scene.server.violations if complaint in found]) == 1, (
        scene.server.violations
    )


async def test_a_form_with_a_long_title_is_refused(scene: Scene) -> None:
    scene.server.ack_limit = 1.0
    reply = await scene.server.slash(scene.akiko, scene.channel, "form", title="x" * 46)
    assert reply.form is None
    assert not reply.acknowledged
    await scene.server.wait_until(
        lambda: any("title: must be 1 to 45" in violation for violation in scene.server.violations)
    )


def command(**changes: Any) -> list[dict[str, Any]]:
    return [{"name": "start", "type": 1, "description": "Start it", **changes}]


def option(**changes: Any) -> dict[str, Any]:
    return {"name": "vmid", "type": 4, "description": "The guest", **changes}


GOOD_COMMANDS = [
    command(),
    command(name="開始", description="x" * 100, name_localizations={"ja": "起動"}),
    command(options=[option(name=f"o{i}") for i in range(25)]),
    command(options=[option(required=True), option(name="name", type=3)]),
]
BAD_COMMANDS = [
    (command(name="Start"), "'Start' must be"),
    (command(name="two words"), "'two words' must be"),
    (command(name="x" * 33), "must be 1 to 32"),
    (command(name_localizations={"ja": "起動 する"}), "name_localizations.ja"),
    (command(description=""), "description: must be 1 to 100 characters, got 0"),
    (command(description="x" * 101), "description: must be 1 to 100 characters, got 101"),
    (command(description_localizations={"ja": "x" * 101}), "description_localizations.ja"),
    (command(options=[option(name=f"o{i}") for i in range(26)]), "options: at most 25, got 26"),
    (command(options=[option(), option(name="name", required=True)]), "required options must come before"),
    (command(options=[option(), option()]), "'vmid' occurs more than once"),
    (command(options=[option(choices=[{"name": "x", "value": 1}] * 26)]), "choices: at most 25"),
    (command(options=[option(choices=[{"name": "x" * 101, "value": 1}])]), "choices[0].name"),
    (command(options=[option(choices=[{"name": "x", "value": "y" * 101}])]), "choices[0].value"),
    (command() + command(), "occurs more than once"),
    (
        command(
            options=[
                option(
                    name=f"o{i}",
                    description="x" * 100,
                    options=[option(name=f"p{j}", description="x" * 100) for j in range(4)],
                )
                for i in range(25)
            ]
        ),
        "at most 8000",
    ),
]


@walked("body", GOOD_COMMANDS)
def test_commands_within_the_limits_pass(body: Any) -> None:
    assert discord_limits.breaches("PUT", "/applications/1/guilds/2/commands", body) == []


@walked(("body", "complaint"), BAD_COMMANDS)
def test_commands_beyond_a_limit_are_told_apart(body: Any, complaint: str) -> None:
    found = discord_limits.breaches("PUT", "/applications/1/guilds/2/commands", body)
    assert any(complaint in breach for breach in found), found


def text(length: int) -> dict[str, Any]:
    return {"type": 10, "content": "x" * length}


@walked(
    ("body", "complaint"),
    [
        ({"flags": 1 << 15, "components": [text(1)] * 41}, "at most 40, got 41"),
        ({"flags": 1 << 15, "content": "x", "components": [text(1)]}, "cannot go with Components V2"),
        (
            {"components": [{"type": 1, "components": [{"type": 2, "label": "x", "custom_id": "x" * 101}]}]},
            "got 101",
        ),
        ({"components": [{"type": 1, "components": [{"type": 2, "custom_id": "a"}]}]}, "needs a label"),
        ({"content": "x" * 2001}, "got 2001"),
        ({"content": "x", "nonce": "9" * 26}, "got 26"),
    ],
)
def test_message_bodies_beyond_a_limit(body: Any, complaint: str) -> None:
    path = "/channels/1/messages"
    assert any(complaint in breach for breach in discord_limits.breaches("POST", path, body))
    wrapped = {"type": 4, "data": body}
    assert any(complaint in b for b in discord_limits.breaches("POST", "/interactions/1/t/callback", wrapped))
    assert discord_limits.breaches("GET", path, body) == []
    assert discord_limits.breaches("POST", path, {"content": "x" * 2000}) == []


async def test_bad_commands_are_refused_on_the_wire() -> None:
    async with DiscordServer() as server:
        guild = server.guild()
        address = f"{server.api_base}/applications/{server.world.application_id}/guilds/{guild.id}/commands"
        headers = {"Authorization": f"Bot {server.token}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            async with session.put(address, json=command(description="x" * 101)) as response:
                assert (response.status, (await response.json())["code"]) == (400, 50035)
            assert server.commands(guild) == []
            assert "/start.description" in server.violations[-1]
            server.violations.clear()
            async with session.put(address, json=command()) as response:
                assert response.status == 200
            async with session.put(address, data=b"{") as response:
                assert (response.status, (await response.json())["code"]) == (400, 50109)
        assert [c["name"] for c in server.commands(guild)] == ["start"]
        assert server.violations == []


# ---------------------------------------------------------------------- Discord's own description


async def held_against_discords_description(scene: Scene) -> None:
    server = scene.server
    assert server.rest.contract is not None
    await server.slash(scene.akiko, scene.channel, "snapshot create", vmid=101, name="a")
    await server.autocomplete(scene.akiko, scene.channel, "snapshot create", "name", "s", vmid=1)
    shown = await server.slash(scene.akiko, scene.channel, "show")
    assert shown.post is not None
    await server.click(scene.akiko, shown.post, "Count 0")
    form = await server.slash(scene.akiko, scene.channel, "form")
    await server.submit(scene.akiko, form, "web01")
    await server.slash(scene.akiko, scene.channel, "file")
    assert server.violations == []
    headers = {"Authorization": f"Bot {server.token}"}
    address = f"{server.api_base}/channels/{scene.channel.id}/messages"
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.post(address, json={"content": 5, "flags": "x"}):
            pass
        async with session.post(server.api_base + "/nonsense", json={}):
            pass
    assert any("content: 5 is not" in violation for violation in server.violations), server.violations
    assert any("no such operation" in violation for violation in server.violations)


if CONTRACTS:  # Discord's description is not part of this repository

    @pytest.mark.parametrize("contract", CONTRACTS, ids=lambda path: path.name)
    async def test_requests_are_held_against_discords_description(scene: Scene) -> None:
        await held_against_discords_description(scene)


def description(tmp_path: Path) -> Path:
    """Write a small OpenAPI description in the form of Discord's."""
    callback = {
        "anyOf": [
            {"$ref": "#/components/schemas/Message"},
            {
                "type": "object",
                "required": ["type"],
                "properties": {"type": {"enum": [9]}, "title": {"type": "string"}},
            },
        ]
    }
    message = {
        "type": "object",
        "required": ["type", "data"],
        "properties": {
            "type": {"type": "integer", "enum": [4]},
            "data": {"properties": {"attachments": {"items": {"properties": {"id": {"type": "string"}}}}}},
        },
    }
    body = {"content": {"application/json": {"schema": callback}}}
    document = {
        "openapi": "3.1.0",
        "paths": {"/interactions/{id}/{token}/callback": {"post": {"requestBody": body}, "get": {}}},
        "components": {"schemas": {"Message": message}},
    }
    file = tmp_path / "openapi.json.gz"
    file.write_bytes(gzip.compress(json.dumps(document).encode()))
    return file


def test_a_description_is_held_against_bodies(tmp_path: Path) -> None:
    contract, path = Contract(description(tmp_path)), "/interactions/1/token/callback"
    assert contract.breaches("POST", path, {"type": 4, "data": {}}) == []
    assert contract.breaches("POST", path, {"type": 4, "data": {"attachments": [{"id": 0}]}}) == []
    assert contract.breaches("POST", path, {"type": 4}) == ["body: 'data' is a required property"]
    assert contract.breaches("POST", path, {"type": 9, "title": 5}) == ["title: 5 is not of type 'string'"]
    assert contract.breaches("GET", path, None) == []
    assert contract.breaches("GET", path, {}) == [f"GET {path}: takes no body"]
    assert contract.breaches("POST", "/nonsense", {}) == ["POST /nonsense: no such operation"]
    tmp_path.joinpath("other.json").write_text("{}")
    with pytest.raises(ValueError, match="not an OpenAPI description"):
        Contract(tmp_path / "other.json")
