"""Test the page of pictures: every listed picture exists, and none is left over."""

import io
import re
from pathlib import Path

from PIL import Image

from playground.screen_table import SCREENS
from playground.screens import FOLDER, small, write_page


def test_each_screen_has_its_own_name_and_titles() -> None:
    assert len({screen.name for screen in SCREENS}) == len(SCREENS) > 40
    assert all(len(set(screen.titles)) == 2 for screen in SCREENS)


def test_the_page_shows_the_pictures_that_exist(tmp_path: Path) -> None:
    for name in ("list.ja.390.png", "list.en.390.png"):
        (tmp_path / name).touch()
    write_page(tmp_path)
    text = (tmp_path / "screens.md").read_text("utf-8")
    assert "| 390 | ![list.ja.390.png](list.ja.390.png) | ![list.en.390.png](list.en.390.png) |" in text
    assert "1280" not in text.partition("##")[2]


def test_the_committed_page_and_pictures_belong_together() -> None:
    listed = re.findall(r"\]\(([\w.-]+\.png)\)", (FOLDER / "screens.md").read_text("utf-8"))
    pictures = {path.name: path.stat().st_size for path in FOLDER.glob("*.png")}
    assert set(listed) == set(pictures)
    assert sum(pictures.values()) < 4_000_000


def test_a_small_green_dot_stays_green_among_shades_of_grey() -> None:
    image = Image.effect_noise((1280, 800), 90).convert("RGB")
    green = (118, 177, 60)
    image.paste(green, (40, 40, 52, 52))
    out = io.BytesIO()
    image.save(out, "PNG")
    kept = Image.open(io.BytesIO(small(out.getvalue()))).convert("RGB").getpixel((45, 45))
    assert isinstance(kept, tuple)
    assert all(abs(is_now - was) < 24 for is_now, was in zip(kept, green, strict=True)), kept


def test_a_picture_keeps_its_size_and_becomes_smaller() -> None:
    image = Image.effect_noise((390, 200), 60).convert("RGB")
    out = io.BytesIO()
    image.save(out, "PNG")
    made = small(out.getvalue())
    assert len(made) < len(out.getvalue())
    assert Image.open(io.BytesIO(made)).size == (390, 200)
