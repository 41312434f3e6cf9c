"""Test users and tokens with every name that Proxmox allows: the bot follows its own task, seen at the socket."""

import asyncio

import pytest

from core.clock import Clock
from core.operations import Operation
from core.tasks import TaskEnd, follow
from core.validation import Upid
from playground.pve.server import Pve
from proxmox_client import ProxmoxClient
from tests.support import client_stage
from tests.support.client_stage import VM, client_of

pve = client_stage.pve


@pytest.mark.parametrize(
    "user", ["bot#1@pve", "what?@pve", "100%@pve", "a&b;c@pve", "back\\slash@pve", "ボット@pve"]
)
async def test_a_task_is_followed_whoever_the_bot_is(pve: Pve, user: str) -> None:
    secret = pve.give_bot(user)
    client: ProxmoxClient = client_of(pve, secret, user=user)
    upid = await client.power(VM, Operation.STOP)
    parsed = Upid.parse(upid)
    assert parsed is not None
    assert parsed.user == client.identity == f"{user}!bot"
    async with asyncio.timeout(client_stage.PATIENCE):
        result = await follow(client, Clock(), upid)
    assert result.end is TaskEnd.OK
    (task,) = await client.recent_tasks(VM, 5)
    assert (task.upid, task.user) == (upid, client.identity)
