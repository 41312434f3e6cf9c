"""Configure all tests: Hypothesis without deadlines, and text snapshots.

`pytest --update-snapshots` rewrites the files in tests/snapshots/. Read the difference before keeping it.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

SNAPSHOTS = Path(__file__).parent / "snapshots"

settings.register_profile(
    "bot",
    deadline=None,  # a busy machine is not a failure
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("bot")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-snapshots", action="store_true", help="write tests/snapshots/ anew instead of comparing"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Return a function that compares a text with its snapshot.

    `golden("panel.ja", text)` compares with tests/snapshots/panel.ja.txt.
    """
    update = bool(request.config.getoption("--update-snapshots"))

    def compare(name: str, text: str) -> None:
        path = SNAPSHOTS / f"{name}.txt"
        if update:
            path.write_text(text + "\n", "utf-8")
        assert path.exists(), f"no snapshot {name}: run pytest --update-snapshots and read what it wrote"
        assert text + "\n" == path.read_text("utf-8"), (
            f"{path.name}: if the change is meant, run pytest --update-snapshots and read the diff"
        )

    return compare
