"""Make the pictures of all screens: docs/images/screens.md (`make screens`).

It drives the demo in a browser, once in each language. It takes each answer at the width of a phone and of a desktop.
The table in playground/screen_table.py is played from top to bottom: each row may rely on the rows above it.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from playground.camera import Camera, Screen, audit_channel
from playground.screen_table import SCREENS
from playground.visitor import PATIENCE, DemoProcess, required_browser, until
from ui.i18n import Language

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "images"
PHONE, DESK = 390, 1280
HEIGHT, TALL = 844, 1500
"""`PHONE`, `DESK`: widths of a window in pixels. `HEIGHT`, `TALL`: its heights."""
FEW = 12
"""Maximum number of messages for which a picture begins at the top of the window, as in a young audit channel."""
COLOURS, CHART_COLOURS = 48, 96
_LAID_OUT = """width => {
  const wide = document.querySelector("#channel-message-list").getBoundingClientRect().width;
  const resting = /updated|completed|ready|uncertain/.test(document.querySelector("#action-status").textContent);
  return resting && document.fonts.status === "loaded" && wide <= width && wide > width / 2;
}"""
"""Whether the page has its fonts, no press is under way, and the messages fit the width of the window.

Not async: a promise counts as true at once.
"""
_RESTS = (
    "() => /updated|completed|ready|uncertain/.test(document.querySelector('#action-status').textContent)"
)
"""Whether no press is under way. During a press a page greys out its buttons."""
_TYPED = ".command-popup { visibility: hidden }"
"""Hides the completions of the command line, which may cover an answer."""
_PICTURES = ".component-gallery img, .attachment-image, .embed-image"
_PICTURES_SHOWN = "pictures => pictures.every(picture => picture.complete && picture.naturalWidth > 0)"
"""Whether all pictures are loaded. Until then a browser shows their descriptions instead."""
LANGUAGES: tuple[Language, ...] = ("ja", "en")


def small(picture: bytes, colours: int = COLOURS) -> bytes:
    """Return a PNG with a small palette: text on a plain background needs no more."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    palette = palette_sample(image).quantize(colours, Image.Quantize.MEDIANCUT, kmeans=4)
    out = io.BytesIO()
    image.quantize(palette=palette, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def palette_sample(image: Image.Image) -> Image.Image:
    """Return a row of the picture's colours, to choose a palette from.

    Vivid colours weigh more, and large areas less: otherwise the shades of grey take the palette, and green dots
    become grey.
    """
    row: list[tuple[int, int, int]] = []
    for area, colour in image.getcolors(image.width * image.height) or ():
        if isinstance(colour, tuple):  # always, in RGB
            red, green, blue = colour
            vivid = max(red, green, blue) - min(red, green, blue)
            row += [(red, green, blue)] * round(min(256, area**0.5) * (1 + 3 * vivid / 64))
    sample = Image.new("RGB", (len(row), 1))
    sample.putdata(row)
    return sample


def take(camera: Camera, screen: Screen, folder: Path, widths: Sequence[int]) -> None:
    """Show one screen and write its picture for each width.

    A message is shown in both windows. Everything else is shown only to the person who acts: their window becomes
    narrow for a moment.
    """
    page = camera.audit if screen.show is audit_channel else camera.page
    shown = screen.show(camera)
    message = shown.get_attribute("data-message-id")
    colours = CHART_COLOURS if wait_for_pictures(shown) else COLOURS
    for width in widths:
        path = folder / f"{screen.name}.{camera.language}.{width}.png"
        if width == PHONE and message is not None:
            path.write_bytes(
                small(on_phone(camera, shown, message).screenshot(animations="disabled"), colours)
            )
            continue
        if width == PHONE:
            resize(page, PHONE)
        if screen.whole:
            clip = {"x": 0, "y": top_of(page), "width": width, "height": HEIGHT}
            path.write_bytes(small(page.screenshot(animations="disabled", clip=clip)))  # type: ignore[arg-type]  # a TypedDict of floats
        else:
            page.wait_for_function(_RESTS)
            path.write_bytes(small(shown.screenshot(animations="disabled", style=_TYPED), colours))
        if width == PHONE:
            resize(page, DESK)


def top_of(page: Page) -> float:
    """Return the top of a picture of the window, in pixels. Few messages are at the top, many are at the bottom."""
    few = page.locator("#channel-message-list article").count() <= FEW
    return 0.0 if few else TALL - HEIGHT


def on_phone(camera: Camera, shown: Locator, message: str) -> Locator:
    """Wait until the narrow window shows the same message, and return it there."""
    camera.page.mouse.move(0, 0)  # under the mouse a message also shows its time
    same = camera.phone.locator(f'article[data-message-id="{message}"]')
    until(lambda: steady_text(same) == steady_text(shown), "the same message in both windows")
    wait_for_pictures(same)
    return same


def wait_for_pictures(shown: Locator) -> int:
    """Wait until the pictures in a message are shown, and return how many there are."""
    pictures = shown.locator(_PICTURES)
    until(lambda: pictures.evaluate_all(_PICTURES_SHOWN), "the pictures in the message")
    return pictures.count()


def steady_text(shown: Locator) -> list[str]:
    """Return the start of each line, without numbers: its end may show a time, which differs between windows."""
    return [re.sub(r"[0-9]+", "", line)[:4] for line in shown.inner_text().splitlines()]


def resize(page: Page, width: int) -> None:
    """Change the width of a window, and wait until the page has adapted: a press meanwhile would be lost."""
    page.set_viewport_size({"width": width, "height": TALL})
    page.wait_for_function(_LAID_OUT, arg=width)


def open_page(browser: Browser, address: str, width: int) -> Page:
    page = browser.new_page(viewport={"width": width, "height": TALL})
    page.set_default_timeout(PATIENCE * 1000)
    page.goto(address)
    expect(page.locator("#channel-composer-input")).to_be_visible()
    page.wait_for_function("document.fonts.ready.then(() => true)")
    return page


def play(
    browser: Browser, language: Language, folder: Path, screens: Sequence[Screen], widths: Sequence[int]
) -> list[str]:
    """Play the table in one language, and return the failures."""
    faults = []
    with tempfile.TemporaryDirectory() as logs:
        demo = DemoProcess(ROOT, Path(logs) / "log", "--one-site", "--calm", LANGUAGE=language)
        try:
            desk, audit, _ = demo.addresses()
            pages = [open_page(browser, *each) for each in ((desk, DESK), (desk, PHONE), (audit, DESK))]
            camera = Camera(demo, pages[0], pages[1], pages[2], language)
            for screen in screens:
                try:
                    take(camera, screen, folder, widths)
                    print(f"{language} {screen.name}", flush=True)
                except Exception as error:  # noqa: BLE001 - the other pictures are worth having
                    pages[0].screenshot(
                        path=Path(tempfile.gettempdir()) / f"failed-{screen.name}.{language}.png"
                    )
                    faults.append(f"{language} {screen.name}: {str(error).splitlines()[0]}")
                    print(faults[-1], file=sys.stderr, flush=True)
            for page in pages:
                page.close()
        finally:
            demo.end()
    return faults


def write_page(folder: Path) -> None:
    """Write screens.md, with the pictures that exist."""
    lines = [
        "# 画面 · Screens",
        "",
        "すべての画面を、幅 390 と 1280 で、日本語と英語で。`make screens` で作り直します。",
        "",
        "Every screen at the widths 390 and 1280, in Japanese and English. `make screens` makes it again.",
    ]
    for screen in SCREENS:
        rows = []
        for width in (PHONE, DESK):
            names = [f"{screen.name}.{language}.{width}.png" for language in LANGUAGES]
            cells = [f"![{name}]({name})" if (folder / name).exists() else "" for name in names]
            if any(cells):
                rows.append(f"| {width} | {' | '.join(cells)} |")
        if rows:
            lines += [
                "",
                f"## {' · '.join(screen.titles)}",
                "",
                "| | 日本語 | English |",
                "| --- | --- | --- |",
                *rows,
            ]
    (folder / "screens.md").write_text("\n".join(lines) + "\n", "utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Make the pictures, and return the exit code: 1 if any is missing."""
    names = [screen.name for screen in SCREENS]
    parser = argparse.ArgumentParser(
        prog="python -m playground.screens", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--language", choices=LANGUAGES, action="append", help="one language only")
    parser.add_argument(
        "--only",
        metavar="TEXT",
        nargs="+",
        default=[""],
        help="only screens whose name begins with one of these",
    )
    parser.add_argument("--from", dest="start", choices=names, help="only this screen and those after it")
    parser.add_argument("--phone", action="store_true", help="only the width of a phone")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args(arguments)
    binary = required_browser()
    expect.set_options(timeout=20_000)
    options.folder.mkdir(parents=True, exist_ok=True)
    begin = names.index(options.start) if options.start else 0
    chosen = [screen for screen in SCREENS[begin:] if screen.name.startswith(tuple(options.only))]
    faults: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        for language in options.language or LANGUAGES:
            widths = (PHONE,) if options.phone else (PHONE, DESK)
            faults += play(browser, language, options.folder, chosen, widths)
        browser.close()
    write_page(options.folder)
    print("\n".join(faults) or "all pictures are made")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
