"""Test `kill -9` during changes of every kind, with a real process.

The next start finds out, once, what Proxmox did.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.bot.actions.test_recovery import ends
from tests.support.process_stage import ProcessStage, process_stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ProcessStage]:
    async with process_stage(tmp_path) as made:
        yield made


CHANGES: dict[str, tuple[str, dict[str, Any], str]] = {
    "create": ("create", {"template_id": 9000, "name": "made01"}, "/clone"),
    "resize of a container": ("resize", {"vmid": 201, "cores": 3}, "/lxc/201/config"),
}


@pytest.mark.parametrize("what", CHANGES)
async def test_actions_done_without_an_answer_are_reported_as_done(stage: ProcessStage, what: str) -> None:
    command, options, path = CHANGES[what]
    await stage.start()
    stage.server.answer_wait = 0.0
    stage.pve.hang(path, 60.0, acts=True, method="PUT" if "container" in what else "POST")
    reply = await stage.say(stage.akiko, command, **options)
    word = command.replace(" ", "_")

    def changed() -> bool:
        return any(method in ("POST", "PUT") for method, _, _ in list(stage.pve.requests))

    await stage.until(changed, "the request taken")
    await stage.until(lambda: ends(stage.directory) == [(word, "sending", "")], "its record")
    await stage.restart(signal.SIGKILL)
    await stage.until(lambda: ends(stage.directory)[0][1] == "ended", "the true end", alive=True)
    assert ends(stage.directory) == [(word, "ended", "OK")]
    await reply.until(lambda shown: "Found out later" in shown.text)
    sent = [request for request in list(stage.pve.requests) if request[0] in ("POST", "PUT")]
    assert len(sent) == 1, "nothing is done twice"
