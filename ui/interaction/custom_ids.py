"""Define the `custom_id` of every button, menu and form: its fields, and how it names one of several sites.

A `custom_id` says what a press asks for. It may be forged, so it proves nothing: access is decided at each press.

- `g1:start:101:5d0a…` acts on a guest. The last part is `Guest.fingerprint`: a stale button must not reach another
  guest that got the same VMID. It has 32 hex digits. Buttons of earlier versions have eight and still work.
- `g1:refresh:101` reads the guest again, and shows its panel in the same message.
- `g1:details:101` opens the guest's panel, `g1:snapshots:101` its snapshots, `g1:disks:101` its file systems and
  backups, and `g1:chart:101` its chart. Each is a new message that only the person who presses sees.
- `a1:ack:17` acknowledges an incident, which is named by its id. `a1:mute1:17` mutes it for an hour, `a1:mute8:17`
  for eight, and `a1:unmute:17` ends the mute that has outlasted it. `a1:start:17` starts its guest, `a1:details:17`
  opens the guest's panel or the logs of backups. `:r` at the end: the message with the button is never edited, so
  that a private message tells what the press did.
- `a1:chart:17` shows the chart of the incident's guest as a new message, `a1:nodechart:17` that of its node.
- `n1:chart:pve1` shows a chart of a node as a new message. `s1:node:pve1` and `s1:guest:101`
  are choices in menus.
- `c1:week:cpu:g101` (`…:npve1` of a node) replaces the chart in its message.
- `p1:…` turns a page, or reads a list or the card of the whole cluster again. `p3:…` is the same with shorter fields.
- `p1:doctor:next:1` turns a page of the health check. `:all` at the end shows good results in full, too.
- `q1:yes:…` and `q1:no:…` answer a question, which is named by its nonce. `f1:…` is the form of a question.
- `d1:refresh:5d0a…` renews a dashboard, which is named by its 16 hex digits. `d1:alerts:…` shows the open incidents.
- `w1:list`, `w1:test` and `w1:access` are below the bot's first message. They name no site, because they are about
  all sites. `w1:list` is also below results that leave no guest to look at.

With several sites the site is inserted: `g1:start:101:5d0a…` becomes `g2:home:start:101:5d0a…`. The fields of a page
(`p2:`) are shortened as well, because Discord allows only 100 characters: words become their first letter, and
numbers are written in base 36. `p3:` has the shortened fields without a site. `q1:` and `f1:` name no site, because
the bot remembers the site of each question. ui/interaction/selects.py says more of `s1:`.
"""

import re
import string
from collections.abc import Callable, Mapping
from typing import NamedTuple

from core.charts.series import ChartTopic
from core.proxmox import Period
from ui.messages.operations import BUTTONS

GUEST = re.compile(
    rf"g1:(?:(?P<action>{'|'.join(BUTTONS)}):(?P<vmid>[1-9][0-9]{{2,8}}):(?P<fingerprint>[0-9a-f]{{32}}|[0-9a-f]{{8}})"
    r"|(?P<what>refresh|details|snapshots|disks|chart):(?P<read>[1-9][0-9]{2,8}))"
)
PAGE = re.compile(
    r"p1:(?P<what>list|watch|nodes|capacity):(?P<move>first|prev|next|last|refresh):(?P<page>[0-9]{1,5})"
    r":(?P<status>(?:running|stopped|other|template)?):(?P<kind>(?:qemu|lxc)?)"
    r":(?P<node>[A-Za-z0-9-]{0,63}|~[0-9a-f]{12})"
    r"(?::(?P<sort>(?:cpu|memory|disk|uptime|name)?):(?P<tag>[A-Za-z0-9_.+-]{0,16}|~[0-9a-f]{12})"
    r":(?P<pool>[A-Za-z0-9_./-]{0,16}|~[0-9a-f]{12}))?"
)
"""The last three fields are left out if all are empty, as in earlier versions. `~`: `short_name` of a long name."""
AUDIT = re.compile(
    r"p1:audit:(?P<move>first|prev|next|last):(?P<page>[0-9]{1,7}):(?P<vmid>(?:[1-9][0-9]{2,8})?)"
    r":(?P<person>[0-9]{0,19}):(?P<operation>[a-z_]{0,24}):(?P<since>[0-9]{0,11})"
    r":(?P<until>[0-9]{0,9})(?::(?P<readings>[01]))?"
)
"""A button of an earlier version has no `readings`. Today's have it, and shortened fields (`p2:` or `p3:`)."""
HISTORY = re.compile(
    r"p1:history:(?P<move>first|prev|next|last):(?P<page>[0-9]{1,5}):(?P<vmid>(?:[1-9][0-9]{2,8})?)"
)
STATUS = re.compile(r"p1:status:(?P<move>refresh)")
HEALTH = re.compile(
    r"p1:doctor:(?P<move>first|prev|next|last|refresh):(?P<page>[0-9]{1,3})(?::(?P<full>all))?"
)
ALERT = re.compile(
    r"a1:(?P<what>start|details|chart|nodechart|ack|mute1|mute8|unmute):(?P<incident>[1-9][0-9]{0,15})(?P<unedited>:r)?"
)
CHART = re.compile(
    rf"c1:(?P<period>{'|'.join(Period)}):(?P<topic>(?:{'|'.join(ChartTopic)})?)"
    r":(?:g(?P<vmid>[1-9][0-9]{2,8})|n(?P<node>[A-Za-z0-9-]{1,63}))"
)
_NODE_NAME = "[A-Za-z0-9-]{1,63}"
NODE = re.compile(rf"n1:chart:(?P<chart>{_NODE_NAME})|s1:node:(?P<node>{_NODE_NAME})")
DASHBOARD = re.compile(r"d1:(?P<what>refresh|alerts):(?P<mark>[0-9a-f]{16})")
WELCOME = re.compile(r"w1:(?P<what>list|test|access)")
FORM = re.compile(r"f1:(?P<nonce>[0-9a-f]{16})")
QUESTION = re.compile(r"q1:(?P<answer>yes|no):(?P<nonce>[0-9a-f]{16})")

ALL_SITES = "*"
"""Stands for all sites in the `custom_id` of a page or a menu. No site has this name."""
_NAMED = re.compile(rf"(?P<kind>[gapscdn])2:(?P<site>[a-z0-9-]{{1,16}}|{re.escape(ALL_SITES)}):(?P<rest>.+)")
_DIGITS = string.digits + string.ascii_lowercase
_BASE_36 = re.compile(r"[0-9a-z]{1,13}")


class _Field(NamedTuple):
    """How to shorten a field, and how to restore it. `restore` raises ValueError for a malformed text."""

    shorten: Callable[[str], str]
    restore: Callable[[str], str]


def _words(*words: str) -> _Field:
    letters = {word[0]: word for word in words}

    def restore(letter: str) -> str:
        if letter and letter not in letters:
            raise ValueError(letter)
        return letters.get(letter, "")

    return _Field(lambda word: word[:1], restore)


def _shorten_number(text: str) -> str:
    number, digits = int(text or 0), ""
    while number:
        number, last = divmod(number, len(_DIGITS))
        digits = _DIGITS[last] + digits
    return digits or text[:1]


def _restore_number(text: str) -> str:
    if text and not _BASE_36.fullmatch(text):
        raise ValueError(text)
    return str(int(text, len(_DIGITS))) if text else ""


_PAGE = _words("list", "watch", "audit", "history", "status", "nodes", "capacity", "doctor")
_MOVE = _words("first", "prev", "next", "last", "refresh")
_NUMBER, _TEXT = _Field(_shorten_number, _restore_number), _Field(str, str)
_GUESTS = (_MOVE, _NUMBER, _words("running", "stopped", "other", "template"), _words("qemu", "lxc"), _TEXT)
_ORDER = (_words("cpu", "memory", "disk", "uptime", "name"), _TEXT, _TEXT)
_FIELDS: Mapping[str, tuple[_Field, ...]] = {
    "list": (*_GUESTS, *_ORDER),
    "watch": _GUESTS,
    "nodes": _GUESTS,
    "capacity": _GUESTS,
    "audit": (_MOVE, _NUMBER, _NUMBER, _NUMBER, _TEXT, _NUMBER, _NUMBER, _NUMBER),
    "history": (_MOVE, _NUMBER, _NUMBER),
    "status": (_words("refresh"),),
    "doctor": (_MOVE, _NUMBER, _words("all")),
}
"""The fields of each kind of page, in the order of the patterns above."""
_FORMER = {"audit": 7, "list": len(_GUESTS), "doctor": 2}
"""Number of fields in earlier versions. A page whose later fields are empty still has this number."""


def with_site(custom_id: str, site: str) -> str:
    """Return the `custom_id` with the site, and the fields of a page shortened.

    `site=""`: there is only one, so return the `custom_id` unchanged.
    """
    if not site:
        return custom_id
    kind, rest = custom_id[0], custom_id.partition(":")[2]
    return f"{kind}2:{site}:{_shorten_page(rest) if kind == 'p' else rest}"


def shorten(custom_id: str) -> str:
    """Return the `custom_id` of a page with shortened fields and without a site."""
    return f"p3:{_shorten_page(custom_id.partition(':')[2])}"


def split_site(custom_id: str) -> tuple[str | None, str]:
    """Return the site's name (None if none is named), and the `custom_id` without it and with full fields.

    A malformed `custom_id` is returned unchanged.
    """
    if custom_id.startswith("p3:"):
        try:
            return None, f"p1:{_restore_page(custom_id[3:])}"
        except ValueError:
            return None, custom_id
    match = _NAMED.fullmatch(custom_id)
    if match is None or (match["site"] == ALL_SITES and match["kind"] not in "ps"):
        return None, custom_id
    try:
        rest = _restore_page(match["rest"]) if match["kind"] == "p" else match["rest"]
    except ValueError:
        return None, custom_id
    return match["site"], f"{match['kind']}1:{rest}"


def _fields_of(page: str, count: int) -> tuple[_Field, ...]:
    """Return the fields of a kind of page. `count`: their number, which may be the smaller one in `_FORMER`."""
    known = _FIELDS.get(page, ())
    return known[:count] if count == _FORMER.get(page) else known


def _shorten_page(rest: str) -> str:
    page, *fields = rest.split(":")
    known = _fields_of(page, len(fields))
    shorter = (field.shorten(text) for field, text in zip(known, fields, strict=True))
    return ":".join((_PAGE.shorten(page), *shorter))


def _restore_page(rest: str) -> str:
    """Restore the fields of a page. Raises: ValueError."""
    letter, *fields = rest.split(":")
    page = _PAGE.restore(letter)
    known = _fields_of(page, len(fields))
    longer = (field.restore(text) for field, text in zip(known, fields, strict=True))
    return ":".join((page, *longer))
