"""Make the moving picture of the READMEs: an alert arrives, Start is pressed, the guest runs again (`make screens`).

It plays the demo in a browser at the width of a phone. Older messages are hidden, a finger is drawn on the button,
and the time between the pictures is cut.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from core.operations import Operation
from playground.panel.seen import words_of_success
from playground.screens import FOLDER, LANGUAGES, PHONE, ROOT
from playground.visitor import PATIENCE, DemoProcess, required_browser, until
from ui.i18n import Language, Text, Texts
from ui.messages.operations import operation_noun

HEIGHT = 760  # pixels
COLOURS = 256
NAME = "answer"
_TOUCH = """button => {
  const box = button.getBoundingClientRect(), mark = document.createElement("div");
  mark.id = "touch";
  mark.style.cssText = `position: fixed; z-index: 9999; left: ${box.x + box.width / 2 - 22}px;
    top: ${box.y + box.height / 2 - 22}px; width: 44px; height: 44px; border-radius: 50%;
    background: rgba(255, 255, 255, .55); border: 2px solid white; pointer-events: none`;
  document.body.append(mark);
}"""
"""Draw a finger on a button."""
_NO_TOUCH = 'document.querySelector("#touch")?.remove()'


@dataclass
class Film:
    """The pictures so far, each with the seconds for which it is seen."""

    page: Page
    frames: list[tuple[Image.Image, float]] = field(default_factory=list)

    def take(self, seconds: float) -> None:
        """Add a picture of the messages, scrolled to the newest."""
        newer = self.page.get_by_text("jump to latest")
        if newer.is_visible():
            newer.click()
        timeline = self.page.locator("#channel-timeline")
        timeline.evaluate("box => { box.scrollTop = box.scrollHeight }")
        picture = timeline.screenshot(animations="disabled")
        self.frames.append((Image.open(io.BytesIO(picture)).convert("RGB"), seconds))

    def gif(self) -> bytes:
        """Return the film as a looping GIF. All pictures share one palette, so that only changes are stored."""
        images = [image for image, _ in self.frames]
        strip = Image.new("RGB", (images[0].width, sum(image.height for image in images)))
        top = 0
        for image in images:
            strip.paste(image, (0, top))
            top += image.height
        # the red of an alert covers few pixels, and must stay red
        palette = strip.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        first, *others = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images)
        out = io.BytesIO()
        first.save(
            out,
            "GIF",
            save_all=True,
            append_images=others,
            duration=[round(seconds * 1000) for _, seconds in self.frames],
            loop=0,
            optimize=True,
        )
        return out.getvalue()


def play(film: Film, t: Text) -> None:
    """Wait for the first crash of the demo, and answer its alert."""
    page = film.page
    messages = page.locator("#channel-message-list article.channel-message")
    hello = messages.filter(has_text="👋")
    expect(hello).to_be_visible()
    for message in messages.all()[:-1]:  # an older incident would distract from this one
        page.add_style_tag(content=f"{_selector(message)} {{ display: none }}")
    film.take(1.0)
    _shown(page, messages.filter(has_text="🔴"))
    alert = page.locator(_selector(messages.filter(has_text="🔴").last))
    start = alert.get_by_role("button", name=operation_noun(t, Operation.START), exact=True)
    expect(start).to_be_visible()
    film.take(1.8)
    start.evaluate(_TOUCH)
    film.take(0.6)
    page.evaluate(_NO_TOUCH)
    start.click()
    page.mouse.move(0, 0)  # under the mouse, and with the focus, a message has more buttons
    page.evaluate("document.activeElement.blur()")
    _shown(page, messages.filter(has_text=words_of_success(t, Operation.START)))
    _shown(page, alert.filter(has_text="🟢"))
    until(lambda: "🟢" in messages.last.inner_text(), "the message about the recovery")
    film.take(3.2)
    film.frames.append(film.frames.pop(0))  # a viewer without animation shows the first picture only


def _selector(message: Locator) -> str:
    """Return a selector of this message that still fits once the page shows it anew."""
    return f'article[data-message-id="{message.get_attribute("data-message-id")}"]'


def _shown(page: Page, message: Locator) -> None:
    newer = page.get_by_text("jump to latest")

    def seen() -> bool:
        if newer.is_visible():  # the page shows new messages only while it is scrolled to the end
            newer.click()
        return message.count() > 0 and message.last.is_visible()

    until(seen, "a message")


def film_of(browser: Browser, language: Language) -> bytes:
    """Play the demo in one language and return the picture."""
    with tempfile.TemporaryDirectory() as logs:
        demo = DemoProcess(ROOT, Path(logs) / "log", "--one-site", LANGUAGE=language)
        try:
            page = browser.new_page(viewport={"width": PHONE, "height": HEIGHT}, bypass_csp=True)
            page.set_default_timeout(PATIENCE * 1000)
            page.goto(demo.addresses()[0])
            film = Film(page)
            play(film, Texts(language).public)
            return film.gif()
        finally:
            demo.end()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the picture of each language, and return 0."""
    parser = argparse.ArgumentParser(
        prog="python -m playground.moving_picture", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--language", choices=LANGUAGES, action="append", help="one language only")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args(arguments)
    binary = required_browser()
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        for language in options.language or LANGUAGES:
            path = options.folder / f"{NAME}.{language}.gif"
            path.write_bytes(film_of(browser, language))
            print(f"{path}: {path.stat().st_size // 1024} KiB", flush=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
