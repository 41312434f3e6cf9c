"""Test the steps that the panel does for a visitor, with the real bot."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from playground.panel.seen import Seen
from playground.panel.steps import STEPS, Guide
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language


async def test_a_roll_back_that_the_bot_refuses_cannot_be_done(scene: Stage, pve: Pve) -> None:
    del pve.vm(101).snapshots["nginx-ok"]  # as a visitor can
    place = cast("Any", SimpleNamespace(admin=scene.emma, channel=scene.channel, language="en"))
    guide = Guide(scene.server, place, Seen(scene.server, place), "", lambda _: None)
    (step,) = (each for each in STEPS if each.key == "rollback")
    with pytest.raises(LookupError):
        await step.act(guide)
