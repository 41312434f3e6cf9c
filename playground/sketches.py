"""Draw the sketches of docs/discord.md: `python -m playground.sketches`.

Most show where to press. They are not screenshots, because the real pages need an account and belong to Discord.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path

from playwright.sync_api import sync_playwright

from playground.screens import FOLDER, LANGUAGES, small
from playground.visitor import required_browser
from ui.discord.permissions import permission_names
from ui.i18n import Language, Text, Texts

WIDTH = 390
"""Pixels: the width of a phone. `_STYLE` has the same number."""
_STYLE = """
body { margin: 0; width: 390px; background: #2b2d31; color: #dbdee1; font: 15px/1.4 "Noto Sans CJK JP", sans-serif }
main { padding: 16px } h1 { font-size: 18px; margin: 0 0 12px } p { margin: 6px 0 }
.row { display: flex; justify-content: space-between; align-items: center; padding: 7px 0 }
.button { background: #5865f2; color: white; border-radius: 4px; padding: 6px 14px; font-weight: 600 }
.grey { background: #4e5058 } .quiet { color: #949ba4; font-size: 13px }
.here { outline: 3px solid #f0b232; outline-offset: 4px; border-radius: 4px }
.off { width: 40px; height: 22px; border-radius: 11px; background: #72767d; position: relative; flex: none }
.off::after { content: ""; position: absolute; left: 3px; top: 3px; width: 16px; height: 16px; border-radius: 8px;
  background: white }
.columns { display: flex } nav { width: 130px; padding: 16px 0 16px 12px; background: #1e1f22; flex: none }
nav p { padding: 4px 8px; margin: 2px 0 } nav .on { background: #404249; border-radius: 4px 0 0 4px; color: white }
.menu { background: #111214; border-radius: 6px; padding: 6px; width: 230px; margin: 8px 0 0 60px }
.menu p { padding: 6px 8px; margin: 0 } .yes::before { content: "✓ "; color: #3ba55d; font-weight: 700 }
code { background: #1e1f22; padding: 1px 5px; border-radius: 3px; color: #f0b232; font-size: 13px }
"""


def _application(t: Text) -> str:
    """Show the button for a new application in the developer portal."""
    return f"""<main><div class="row"><h1>Applications</h1><span class="button here">New Application</span></div>
    <p class="quiet">{_either(t, "名前は、たとえば Proxmox", "Call it Proxmox, for example")}</p></main>"""


def _token(t: Text) -> str:
    """Show the page Bot: the button for a token, and the intents that stay off."""
    pages = ("General Information", "Installation", "OAuth2", "Bot")
    places = "".join(f'<p class="{"on" if page == "Bot" else ""}">{page}</p>' for page in pages)
    intents = ("Presence Intent", "Server Members Intent", "Message Content Intent")
    off = "".join(f'<div class="row">{name}<span class="off"></span></div>' for name in intents)
    note = _either(t, "3 つともオフのまま", "All three stay off")
    return f"""<div class="columns"><nav>{places}</nav><main style="flex: 1"><h1>Token</h1>
    <p style="margin: 14px 4px"><span class="button here">Reset Token</span></p>
    <h1 style="margin-top: 22px">Privileged Gateway Intents</h1>{off}<p class="quiet">{note}</p></main></div>"""


def _invite(t: Text) -> str:
    """Show the invitation with the permissions that the bot asks for."""
    wanted = "".join(f'<p class="yes">{escape(name)}</p>' for name in permission_names(t).values())
    return f"""<main><h1>Proxmox</h1><p class="quiet">{_either(t, "サーバーに追加", "Add to server")}</p>
    <div class="row button grey">{_either(t, "自分のサーバー", "My server")}<span>▾</span></div>
    <div style="margin: 10px 0">{wanted}</div><p style="text-align: right; margin: 12px 4px 4px">
    <span class="button here">{_either(t, "認証", "Authorize")}</span></p></main>"""


def _category(t: Text) -> str:
    """Show the category with its channels, and beside each the setting for its ID or its use."""
    rows = (
        ("▾ PROXMOX", "ALLOWED_CATEGORY_ID"),
        ("&nbsp; # proxmox", _either(t, "コマンド", "commands")),
        ("&nbsp; # alerts", "ALERT_CHANNEL_ID"),
        ("&nbsp; # audit", "AUDIT_CHANNEL_ID"),
    )
    return f"<main>{_rows(rows)}</main>"


def _rows(rows: Iterable[tuple[str, str]]) -> str:
    """Lay out rows of a name and a note. A note that is the name of a setting is shown as code."""
    return "".join(
        f'<div class="row">{name}<span>{f"<code>{note}</code>" if note.isupper() else note}</span></div>'
        for name, note in rows
    )


def _ids(t: Text) -> str:
    """Show the entry of a category's menu that copies its ID."""
    copy = _either(t, "ID をコピー", "Copy ID")
    others = (_either(t, "既読にする", "Mark as read"), _either(t, "通知設定", "Notification settings"))
    menu = "".join(f"<p>{other}</p>" for other in others)
    return f"""<main><h1>▾ PROXMOX</h1><div class="menu">{menu}<p><span class="here">{copy}</span></p></div></main>"""


def _either(t: Text, japanese: str, english: str) -> str:
    """Return the text in the language of the sketch. The bot does not say these words, so no catalogue has them."""
    return japanese if t.language == "ja" else english


SKETCHES: dict[str, Callable[[Text], str]] = {
    "application": _application,
    "token": _token,
    "invite": _invite,
    "category": _category,
    "ids": _ids,
}
"""The sketches by name. Their files are NAME.LANGUAGE.png."""


def page_of(name: str, language: Language) -> str:
    """Return one sketch as a page of HTML."""
    body = SKETCHES[name](Texts(language).public)
    return f'<!doctype html><html lang="{language}"><meta charset="utf-8"><style>{_STYLE}</style><body>{body}'


def main(folder: Path = FOLDER / "discord") -> int:
    """Draw all sketches in both languages, and return 0. Raises: SystemExit if no browser is installed."""
    binary = required_browser()
    folder.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 100})
        for name in SKETCHES:
            for language in LANGUAGES:
                page.set_content(page_of(name, language))
                (folder / f"{name}.{language}.png").write_bytes(small(page.screenshot(full_page=True)))
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
