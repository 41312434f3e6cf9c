"""Run one test over a whole table, where a test per row would cost more than the row itself.

Use `@walked("name", rows)` in place of `@pytest.mark.parametrize`. All rows share the test's fixtures, so no row
may depend on the state that an earlier row left behind. A failure names its row. `@walked_anew` is for rows that
change the cluster or the watch.
"""

import copy
import functools
import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.stage import Stage

EVERY_CELL = "EVERY_CELL" in os.environ
"""Whether the bot is asked for every cell of the tables: `make access`."""
DEEP = EVERY_CELL or "DEEP" in os.environ
"""Whether more cells have their turn: `--deep`."""


@contextmanager
def naming(values: object) -> Iterator[None]:
    """Name the row of a table in what fails."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in the row {values}")
        raise


def walked(
    names: str | Sequence[str], rows: Iterable[object]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Call or await the test with each row. Several decorators on one test walk every combination."""
    wanted = (names,) if isinstance(names, str) else names
    listed: list[dict[str, object]] = []
    for row in rows:
        values = (row,) if isinstance(names, str) else row
        assert isinstance(values, tuple)
        listed.append(dict(zip(wanted, values, strict=True)))
    assert listed, f"no rows of {names}"

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(test)
        def walk(**given: object) -> None:
            for values in listed:
                with naming(values):
                    test(**given, **values)

        @functools.wraps(test)
        async def walk_on_stage(**given: object) -> None:
            for values in listed:
                with naming(values):
                    await test(**given, **values)

        made: Any = walk_on_stage if inspect.iscoroutinefunction(test) else walk
        whole = inspect.signature(test)
        left = [one for name, one in whole.parameters.items() if name not in wanted]
        made.__signature__ = whole.replace(parameters=left)  # pytest reads it for the fixtures
        return made  # type: ignore[no-any-return]  # its parameters are those of the test without `names`

    return decorate


LATER = 61.0
"""Seconds between two rows. The bot keeps no read for so long, and a refusal is no repeat of the last row's."""


class Kept:
    """Hold a running stage's cluster, to begin anew with it."""

    def __init__(self, scene: "Stage") -> None:
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
    """Await the test with each row, on one stage.

    Before each further row the cluster is as it was before the first, no fault is planned, nothing is watched or
    muted, and a minute has passed. The audit trail, the messages in Discord and the roles of people stay.
    """

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        kept: dict[Any, Kept] = {}

        @functools.wraps(test)
        async def begin(**given: Any) -> None:
            from tests.support.stage import Stage  # noqa: PLC0415 - pure tests import this module without Discord

            (scene,) = {each for each in given.values() if isinstance(each, Stage)}
            if scene in kept:
                await kept[scene].restore()
            else:
                kept.clear()
                kept[scene] = Kept(scene)
            await test(**given)

        return walked(names, rows)(begin)

    return decorate
