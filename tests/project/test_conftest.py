"""Test the parts of tests/conftest.py whose faults would hide those of other files."""

from types import SimpleNamespace
from typing import cast

import pytest

from tests.conftest import pytest_collection
from tests.project.test_architecture import ROOT


def test_a_file_that_cannot_be_imported_is_left_to_pytest() -> None:
    """Let `pytest_collection` raise nothing: an error there would end the worker, and nobody would read why."""
    config = SimpleNamespace(
        workerinput={"workerid": "gw0", "workercount": 1},
        args=[str(ROOT / "tests/project/test_of_nothing.py")],
        rootpath=ROOT,
    )
    pytest_collection(cast(pytest.Session, SimpleNamespace(config=config)))
