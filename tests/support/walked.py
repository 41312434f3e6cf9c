"""Run one test over a whole table, where a test per row would cost more than the row itself.

Use `@walked("name", rows)` in place of `@pytest.mark.parametrize`. All rows share the test's fixtures, so no row
may depend on the state that an earlier row left behind. A failure names its row. For rows that change the cluster or
the watch there is `@walked_anew` (scenes/walked_anew.py).
"""

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

EVERY_CELL = "EVERY_CELL" in os.environ
"""Whether the bot is asked for every cell of the tables: `make access`."""
DEEP = EVERY_CELL or "DEEP" in os.environ
"""Whether more cells are tried: `--deep`."""


@contextmanager
def naming(values: object) -> Iterator[None]:
    """Name the row of a table in each failure."""
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
