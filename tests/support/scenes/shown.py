"""Collect everything that a person is shown, and find the private numbers of guests in it."""

import asyncio
import json
import re
from collections.abc import Awaitable, Collection
from typing import Any

from playground.discord.people import Person
from playground.discord.posts import SeenMessage
from tests.support.home_guild import PATIENCE
from tests.support.stage import Stage, working_tasks
from ui.interaction.custom_ids import DASHBOARD, split_site

NUMBER = re.compile(r"(?<![0-9])[78]31[0-9]{6}(?![0-9])")
"""Pattern of the numbers: a VMID begins with 7, and a guest's private data with 8."""


def numbers(*found: object) -> set[str]:
    return {number for each in found for number in NUMBER.findall(str(each))}


async def act_and_wait(scene: Stage, acting: Awaitable[Any], held: Collection[asyncio.Task[Any]]) -> Any:
    """Act, and wait until the bot has finished and recorded everything but the tasks in `held`."""
    result = await acting
    while tasks := working_tasks().difference(held):
        _, late = await asyncio.wait(tasks, timeout=PATIENCE)
        assert not late, f"still at work: {late}"
    await scene.recorded()
    return result


def recent_posts(scene: Stage, person: Person) -> list[SeenMessage]:
    """Return the newest messages that a person sees in the channel for commands and in that for alerts."""
    return (
        scene.server.messages(scene.channel, person)[-14:] + scene.server.messages(scene.alerts, person)[-8:]
    )


def whole(post: SeenMessage) -> str:
    """Return all of a message: its text and its invisible parts, such as custom_ids."""
    return json.dumps([post.content, post.embeds, post.components, post.attachments], ensure_ascii=False)


def marks_in(post: SeenMessage) -> set[str]:
    """Return the marks of the dashboards whose buttons a message has."""
    found = (DASHBOARD.fullmatch(split_site(str(button.custom_id))[1]) for button in post.buttons)
    return {match["mark"] for match in found if match}


def without_variable_parts(text: str) -> str:
    """Remove the parts that may differ: private numbers, such as the VMID asked for, and times."""
    return re.sub(r"<t:[0-9]+", "<t:", NUMBER.sub("VMID", text))
