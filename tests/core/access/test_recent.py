"""Test that the results of the latest calls are kept, and no others."""

from core.access.recent import Recent


def test_the_last_used_are_kept() -> None:
    made: list[str] = []

    def value_of(key: str) -> str:
        def make() -> str:
            made.append(key)
            return key.upper()

        return kept.get(key, make)

    kept: Recent[str, str] = Recent(2)
    assert [value_of(key) for key in ("a", "b", "a", "c", "a", "b")] == ["A", "B", "A", "C", "A", "B"]
    assert made == ["a", "b", "c", "b"], "`b` was the least recently used, so it made room for `c`"


def test_an_empty_result_is_kept_too() -> None:
    made: list[int] = []
    kept: Recent[str, int] = Recent(1)
    for _ in range(2):
        assert kept.get("none", lambda: made.append(1) or 0) == 0  # type: ignore[func-returns-value]  # it returns None
    assert made == [1]
