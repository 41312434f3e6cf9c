"""Run one test over a whole table on one running bot, where a row may change the cluster or the watch."""

import copy
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from playground.pve.server import Pve
from tests.support.stage import Stage
from tests.support.walked import walked
from ui.interaction.services import Site

LATER = 61.0
"""Seconds between two rows. After that the bot keeps no read, and counts no refusal as a repeat of the last row's."""


class KeptCluster:
    """Hold the guests and pools of a cluster as they are now."""

    def __init__(self, pve: Pve) -> None:
        self._pve = pve
        self._kept = copy.deepcopy((pve.vms, pve.cts, pve.pools))

    def restore(self) -> None:
        pve = self._pve
        pve.vms[:], pve.cts[:], pools = copy.deepcopy(self._kept)
        pve.pools.clear()
        pve.pools.update(pools)


async def clear_watch(site: Site) -> None:
    """Watch and mute nothing, and allow changes."""
    for entry in site.watch.entries:
        await site.watch.remove(entry.vmid)
    for mute in site.watch.alerts.mutes():
        await site.watch.alerts.unmute(mute.target)
    if site.authorizer.read_only.refusal:
        await site.authorizer.read_only.turn_off()


async def begin_anew(scene: Stage, cluster: KeptCluster) -> None:
    await scene.settled()
    for fault in scene.server.rest.faults.faults:
        fault.times = fault.met
    scene.pve.failures.clear()
    scene.pve.between.nothing()
    cluster.restore()
    for site in scene.services.sites:
        await clear_watch(site)
    scene.clock.skip(LATER)
    await scene.settled()
    scene.pve.requests.clear()


def walked_anew(
    names: str | Sequence[str], rows: Iterable[object]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Await the test with each row, on one stage.

    Before each further row the guests and pools are as they were before the first, no fault is planned, nothing is
    watched or muted, changes are allowed, and a minute has passed. The audit trail, the messages in Discord and the
    roles of people stay.
    """

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        kept: dict[Stage, KeptCluster] = {}
        """The cluster as the first row found it, by the stage of the running test."""

        @functools.wraps(test)
        async def begin(**given: Any) -> None:
            (scene,) = {each for each in given.values() if isinstance(each, Stage)}
            if scene in kept:
                await begin_anew(scene, kept[scene])
            else:
                kept.clear()
                kept[scene] = KeptCluster(scene.pve)
            await test(**given)

        return walked(names, rows)(begin)

    return decorate
