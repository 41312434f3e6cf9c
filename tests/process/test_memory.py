"""Test that the process stays small: the heap gives memory back, and lasting objects are not searched for garbage."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEGABYTE = 2**20


def printed_by(code: str) -> list[int]:
    """Run the code in a new Python, and return the numbers that it prints."""
    done = subprocess.run(  # noqa: S603 - code of this file
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return [int(word) for word in done.stdout.split()]


LARGE_ANSWERS = """
import os
from startup.memory import limit_heap
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
limit_heap()
before = resident()
bytearray(b"x") * (4 * 2**20)  # from now on glibc would take blocks of this size from its heap
blocks = [bytearray(b"x") * 2**20 for _ in range(60)]
full = resident()
del blocks[:-1]  # the last one would hold the heap open
print(full - before, resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, and sets up glibc")
def test_memory_of_large_answers_is_given_back() -> None:
    full, after = printed_by(LARGE_ANSWERS)
    assert full > 55 * MEGABYTE
    assert after < 10 * MEGABYTE


def test_lasting_objects_are_not_searched_for_garbage() -> None:
    code = "import gc, startup.memory as m; gc.disable(); m.settle_memory(); "
    code += "print(int(gc.isenabled()), gc.get_freeze_count(), len(gc.get_objects()))"
    enabled, frozen, searched = printed_by(code)
    assert enabled
    assert frozen > 1000
    assert searched < frozen / 10


def test_the_bot_is_imported_without_packages_that_guess_charsets_or_draw() -> None:
    """Later imports still find the packages that guess charsets, because the demo and the tests may need them."""
    names = ("requests", "charset_normalizer", "chardet", "matplotlib", "numpy", "PIL")
    code = (
        f"import sys, bot; print(*(int(name in sys.modules) for name in {names})); import charset_normalizer"
    )
    assert printed_by(code) == [1, 0, 0, 0, 0, 0]
