"""Run one test over a whole table, where a test per row would cost more than the row itself.

Use `@walked("name", rows)` in place of `@pytest.mark.parametrize`. All rows share the test's fixtures, so no row
may depend on what an earlier row left behind. A failure names its row.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence


def walked(
    names: str | Sequence[str], rows: Iterable[object]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Call the test with each row. Several decorators on one test walk every combination."""
    wanted = (names,) if isinstance(names, str) else names
    listed = [(row,) if isinstance(names, str) else row for row in rows]
    assert listed, f"no rows of {names}"

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def walk(**given: object) -> None:
            for row in listed:
                assert isinstance(row, tuple)
                values = dict(zip(wanted, row, strict=True))
                try:
                    test(**given, **values)
                except Exception as error:
                    error.add_note(f"in the row {values}")
                    raise

        whole = inspect.signature(test)
        left = [one for name, one in whole.parameters.items() if name not in wanted]
        walk.__signature__ = whole.replace(parameters=left)  # type: ignore[attr-defined]  # pytest reads it for the fixtures
        return walk

    return decorate
