"""Test where rows of facts break on a phone."""

from tests.support.walked import walked
from ui.phone_lines import BODY, SMALL_PRINT, columns, phone_lines


@walked(
    ("text", "width"),
    [
        ("", 0),
        ("web01", 7),
        ("稼働中", 6),
        ("**101** `web01`", 12),
        ("### 🟢", 2),
        ("⏸️", 2),
        ("\u2003\u2003x", 6),
        ("-# <t:1790000000:t> (<t:1790000000:R>)", 25),
        ("<t:1790000000:R>から", 13),
        ("<@123456789012345678>", 14),
    ],
)
def test_the_width_is_that_of_the_visible_text(text: str, width: int) -> None:
    assert columns(text) == width


def test_a_line_ends_between_two_facts() -> None:
    facts = ["🟢 稼働中 11", "⚪ 停止中 2", "⏸️ 一時停止中 1", "📄 テンプレート 3"]
    assert phone_lines(facts) == "🟢 稼働中 11 · ⚪ 停止中 2\n⏸️ 一時停止中 1 · 📄 テンプレート 3"
    assert phone_lines(["running", "VM", "`pve1`", "up 3 d 4 h"]) == "running · VM · `pve1` · up 3 d 4 h"
    assert phone_lines(facts[:2], SMALL_PRINT, 12) == "-# 🟢 稼働中 11\n-# ⚪ 停止中 2"


def test_a_long_fact_has_a_line_of_its_own_and_an_empty_one_has_none() -> None:
    long = "x" * (BODY + 1)
    assert phone_lines(["a", "", long, "b"]) == f"a\n{long}\nb"
    assert phone_lines([]) == phone_lines([""]) == ""
