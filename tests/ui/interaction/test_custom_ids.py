"""Test the custom_ids that name a site: they fit, they mean the same as without it, and no forged one is read."""

import random
import re

import pytest

from core.operations import Operation
from tests.support.walked import walked
from ui.guests.lists.filters import ORDERS, short_name
from ui.interaction.buttons import MUTES, page_buttons
from ui.interaction.custom_ids import (
    ALERT,
    ALL_SITES,
    AUDIT,
    GUEST,
    HEALTH,
    HISTORY,
    PAGE,
    STATUS,
    split_site,
    with_site,
)
from ui.messages.operations import BUTTONS

LONGEST = "a" * 16
SHORT = short_name("x" * 17)
SITES = ("a", "colo-2", LONGEST)
MOVES = ("first", "prev", "next", "last")


def long_ids() -> list[str]:
    """Return the longest custom_id of each kind without a site."""
    number = "9" * 16
    return [
        *(f"g1:{action}:999999999:{'f' * 32}" for action in BUTTONS),
        "g1:refresh:999999999",
        "g1:details:999999999",
        "g1:snapshots:999999999",
        *(f"a1:{what}:{number}:r" for what in ("start", "details", "ack", *MUTES)),
        *(
            f"p1:{what}:{move}:99999:{status}:{kind}:{'n' * 63}"
            for what in ("list", "watch")
            for move in MOVES
            for status in ("", "running", "stopped", "other", "template")
            for kind in ("", "qemu", "lxc")
        ),
        *(
            f"p1:list:{move}:99999:template:qemu:{node}:{sort}:{tag}:{pool}"
            for move in (*MOVES, "refresh")
            for node in ("", "n" * 16, SHORT)
            for sort in ("", *ORDERS)
            for tag in ("", "t+._-" + "t" * 11, SHORT)
            for pool in ("", "lab/" + "p" * 12, SHORT)
        ),
        *(
            f"p1:audit:{move}:9999999:999999999:{'9' * 19}:{operation}:99999999999:999999999"
            for move in MOVES
            for operation in Operation
        ),
        *(f"p1:history:{move}:99999:999999999" for move in MOVES),
        "p1:status:refresh",
        *(f"p1:doctor:{move}:999{full}" for move in MOVES for full in ("", ":all")),
    ]


@pytest.mark.parametrize("site", SITES)
def test_the_longest_of_each_fits_and_is_found_again(site: str) -> None:
    for custom_id in long_ids():
        assert any(
            each.fullmatch(custom_id) for each in (GUEST, ALERT, PAGE, AUDIT, HISTORY, STATUS, HEALTH)
        ), custom_id
        named = with_site(custom_id, site)
        assert len(named) <= 100, named
        assert named.startswith(f"{custom_id[0]}2:{site}:")
        assert split_site(named) == (site, custom_id)


def test_without_a_site_nothing_changes() -> None:
    for custom_id in long_ids():
        assert len(custom_id) <= 100
        assert with_site(custom_id, "") == custom_id
        assert split_site(custom_id) == (None, custom_id)


def test_numbers_of_every_size_come_back() -> None:
    drawn = random.Random(12)  # noqa: S311 - the same numbers in every run
    numbers = [
        "",
        "0",
        "1",
        "35",
        "36",
        "9999999",
        *(str(drawn.randrange(10 ** drawn.randint(1, 19))) for _ in range(500)),
    ]
    for number in numbers:
        custom_id = f"p1:audit:next:{number}:{number}:{number}:start:{number}:{number}"
        assert split_site(with_site(custom_id, "home")) == ("home", custom_id)


def test_a_page_may_be_of_all_sites() -> None:
    (first, *_) = page_buttons("list", 3, 9, ("running", "", "pve1"), ALL_SITES)
    assert first.custom_id == "p2:*:l:f:0:r::pve1"
    assert split_site(first.custom_id) == (ALL_SITES, "p1:list:first:0:running::pve1")


@walked(
    "forged",
    [
        "g2:*:start:101:" + "0" * 32, "a2:*:ack:17", "g2::refresh:101", "p2::l:f:0:::", "q2:home:yes:" + "0" * 16,
        "g2:Home:refresh:101", "g2:" + "a" * 17 + ":refresh:101", "g3:home:refresh:101", "p2:home", "p2:home:",
        "p2:home:l", "p2:home:x:f:0:::", "p2:home:l:f:0:::pve1:", "p2:home:l:f:0::", "p2:home:l:z:0:::pve1",
        "p2:home:l:f:0:running::pve1", "p2:home:l:f:-1:::pve1", "p2:home:l:f:1_0:::pve1", "p2:home:l:f: 1:::pve1",
        "p2:home:l:f:" + "z" * 14 + ":::pve1", "p2:home:l:f:１:::pve1", "p2:home:list:first:0:::pve1",
        "p2:home:l:f:0::::c:t", "p2:home:l:f:0::::c:t:p:", "p2:home:l:f:0::::x:t:p", "p2:home:w:f:0::::c:t:p",
    ]
)  # fmt: skip
def test_a_forged_one_fits_no_pattern(forged: str) -> None:
    site, custom_id = split_site(forged)
    assert site is None
    assert custom_id == forged
    assert not any(each.fullmatch(custom_id) for each in (GUEST, ALERT, PAGE, AUDIT, HISTORY, STATUS, HEALTH))


def test_the_part_after_the_site_is_still_checked() -> None:
    """The site is taken off first. Then the patterns without a site decide."""
    for forged in ("g2:home:explode:101:" + "0" * 32, "a2:home:ack:0", "p2:home:a:n:0:::explode now::"):
        site, custom_id = split_site(forged)
        assert site == "home"
        assert not any(
            re.fullmatch(each, custom_id) for each in (GUEST, ALERT, PAGE, AUDIT, HISTORY, STATUS, HEALTH)
        ), forged
