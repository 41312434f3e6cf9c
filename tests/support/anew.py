"""Walk one bot through a table whose rows change the cluster or the watch.

Use `@walked_anew("name", rows)` like `walked` (tests/support/walked.py). Before each further row the cluster is as it
was before the first, no fault is planned, nothing is watched or muted, and a minute has passed. The audit trail, the
messages in Discord and the roles of people stay.
"""

import copy
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tests.support.stage import Stage
from tests.support.walked import walked

LATER = 61.0
"""Seconds between two rows. The bot keeps no read for so long, and a refusal is no repeat of the last row's."""


class Kept:
    """Hold a running stage's cluster, to begin anew with it."""

    def __init__(self, scene: Stage) -> None:
        self._scene = scene
        self._cluster = copy.deepcopy(self._of_cluster())

    def _of_cluster(self) -> list[Any]:
        pve = self._scene.pve
        return [pve.vms, pve.cts, pve.pools]

    async def restore(self) -> None:
        scene, pve = self._scene, self._scene.pve
        await scene.settled()
        for fault in scene.server.rest.faults.faults:
            fault.times = fault.met
        pve.failures.clear()
        pve.between.nothing()
        pve.vms[:], pve.cts[:], pools = copy.deepcopy(self._cluster)
        pve.pools.clear()
        pve.pools.update(pools)
        for site in scene.services.sites:
            for entry in site.watch.entries:
                await site.watch.remove(entry.vmid)
            for mute in site.watch.answers.mutes():
                await site.watch.answers.unmute(mute.target)
            if site.authorizer.read_only.refusal:
                await site.authorizer.read_only.turn_off()
        scene.clock.skip(LATER)
        await scene.settled()
        pve.requests.clear()


def walked_anew(
    names: str | Sequence[str], rows: Iterable[object]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Await the test with each row, on one stage."""

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        kept: dict[Stage, Kept] = {}

        @functools.wraps(test)
        async def begin(**given: Any) -> None:
            (scene,) = {each for each in given.values() if isinstance(each, Stage)}
            if scene in kept:
                await kept[scene].restore()
            else:
                kept.clear()
                kept[scene] = Kept(scene)
            await test(**given)

        return walked(names, rows)(begin)

    return decorate
