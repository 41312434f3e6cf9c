"""Compare completions and lists with the plain way: look at every guest, sort all that match, and cut."""

import itertools
import random
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.access.guest_index import GuestIndex, offered_rows
from core.access.guest_table import normalized, words_of
from core.access.policy import AccessRules, Actor, decide, visible_guests
from core.actions.preconditions import can_act
from core.errors import ReadOnly
from core.guest import Cluster, Guest, Kind, State
from core.levels import Level
from core.operations import ACTIONS, Operation
from core.watch.incidents.model import guest_subject
from tests.bot.access.test_guest_index import ACTORS, GUESTS, HERE, RULES
from ui.formatting import kind_word
from ui.guests.lists.filters import Filters, select, status_of
from ui.i18n import Texts
from ui.options.completions import CHOICES_MOST
from ui.options.guest import best_guests
from ui.watch.mute_targets import rows_with


def ranked(
    guests: Iterable[Guest], typed: str, operation: Operation | None, recent: Sequence[int] = ()
) -> list[Guest]:
    """Rank all guests at once, as the documents describe it."""
    start = normalized(typed)

    def lately(guest: Guest) -> int:
        fits = not start and guest.vmid in recent and (operation is None or can_act(operation, guest))
        return recent.index(guest.vmid) if fits else len(recent)

    def rank(guest: Guest) -> tuple[int, bool, bool, bool, int]:
        begins = str(guest.vmid).startswith(start) or (guest.name or "").casefold().startswith(start)
        begins = begins or f"{guest.vmid} {guest.name or ''} {guest.node}".casefold().startswith(start)
        return (
            lately(guest),
            str(guest.vmid) != start,
            operation is not None and not can_act(operation, guest),
            not begins,
            guest.vmid,
        )

    found = [
        guest
        for guest in guests
        if (
            guest.template
            if operation is Operation.CREATE
            else not guest.template or operation in (None, Operation.DELETE)
        )
        and all(
            word in f"{guest.vmid} {guest.name or ''} {guest.node}".casefold() for word in words_of(typed)
        )
    ]
    return sorted(found, key=rank)[:CHOICES_MOST]


TYPED = ["", " ", "1", "10", "101", "0101", "web", "WEB0", "pve1 10", "02", "nothing", "101 pve2", "e", "w b p v e",
         "db 02", "db\t02", "101 web", "pve1\n102", "x" * 100, "1" * 100, "٣", "ß", "p", "1 p", "b"]  # fmt: skip
CHANGES = st.lists(
    st.sampled_from(
        [
            {}, {}, {}, {"state": State.PAUSED}, {"state": State.STOPPED}, {"lock": "backup"}, {"uptime": 1},
            {"name": "other"}, {"tags": ("web", "owner-2")}, {"tags": ()}, {"pool": "lab"}, {"node": "pve2"},
            {"template": True}, {"protected": True}, None,
        ]
    ),
    min_size=6,
    max_size=6,
)  # fmt: skip
"""What is different about each guest in the next read. None: it is gone."""


@dataclass(frozen=True)
class Keystroke:
    """Describe who types what, for which command, while changes are on or off."""

    actor: Actor
    operation: Operation
    typed: str
    read_only: bool
    recent: tuple[int, ...] = ()


def keystroke(chance: random.Random) -> Keystroke:
    roles = frozenset(role for role in range(1, 5) if chance.random() < 0.4)
    actor = Actor(chance.randint(1, 3), "A", HERE, roles)
    operation = chance.choice([*Operation, *ACTIONS, *ACTIONS])
    recent = tuple(chance.sample(range(99, 108), chance.randint(0, 4)))
    return Keystroke(actor, operation, chance.choice(TYPED), chance.random() < 0.1, recent)


def wanted(rules: AccessRules, guests: tuple[Guest, ...], stroke: Keystroke) -> list[Guest]:
    """Return the choices the plain way: decide on every guest, sort them all, and cut."""
    held = ReadOnly("Ada", 0.0) if stroke.read_only else None
    allowed = [
        guest
        for guest in guests
        if decide(rules, stroke.actor, stroke.operation, guest, guests=guests, read_only=held) is None
    ]
    return ranked(allowed, stroke.typed, ranked_by(stroke.operation), stroke.recent)


def ranked_by(operation: Operation) -> Operation | None:
    return operation if operation in ACTIONS else None


@given(st.tuples(RULES, RULES), GUESTS, CHANGES, st.integers(0), st.sampled_from([0, 1, 3, 300]))
def test_the_choices_are_those_of_the_plain_way(
    rules: tuple[AccessRules, ...],
    guests: list[Guest],
    changes: list[dict[str, Any] | None],
    seed: int,
    few: int,
) -> None:
    """Several people type into one index, and then into that of the next read, which reuses the first."""
    before = Cluster(tuple(sorted(guests, key=lambda guest: guest.vmid)), (), 0.0)
    pairs = zip(before.guests, changes, strict=False)
    after = Cluster(tuple(replace(g, **c) if c else g for g, c in pairs if c is not None), (), 1.0)
    chance, index = random.Random(seed), GuestIndex(before)  # noqa: S311 - no secret
    strokes = [keystroke(chance) for _ in range(40)]
    with pytest.MonkeyPatch.context() as patch:
        for module in ("guest_table", "guest_index"):  # from this size on all rows are looked at together
            patch.setattr(f"core.access.{module}.FEW", few)
        for cluster in (before, after):
            index = index.next(cluster) if cluster is after else index
            deque(itertools.islice(index.build(), seed % 8), maxlen=0)  # the others are built when needed
            for stroke, known in itertools.product(strokes, rules):
                rows = offered_rows(known, stroke.actor, stroke.operation, index, read_only=stroke.read_only)
                operation = ranked_by(stroke.operation)
                found = best_guests(index, rows, stroke.typed, operation, recent=stroke.recent)
                assert found == wanted(known, cluster.guests, stroke)


@given(RULES, ACTORS, GUESTS, st.sampled_from(["", "running", "stopped", "other", "template"]),
       st.sampled_from(["", "qemu", "lxc"]), st.sampled_from(["", "pve1", "pve9"]),
       st.sampled_from(["", "web", "owner-2", "none"]), st.sampled_from(["", "lab", "home", "la"]),
       st.sampled_from(["", "name", "uptime"]))  # fmt: skip
def test_a_list_is_that_of_the_plain_way(
    rules: AccessRules,
    actor: Actor,
    guests: list[Guest],
    status: str,
    kind: str,
    node: str,
    tag: str,
    pool: str,
    sort: str,
) -> None:
    cluster = Cluster(tuple(sorted(guests, key=lambda guest: guest.vmid)), (), 0.0)
    index = GuestIndex(cluster)
    visible = index.table.at_level(rules, actor, Level.VIEWER)
    expected = [
        guest
        for guest in visible_guests(rules, actor, cluster.guests)
        if status in ("", status_of(guest)) and kind in ("", guest.kind.value) and node in ("", guest.node)
        if not tag or tag in map(str.casefold, guest.tags)
        if pool in ("", guest.pool, (guest.pool or "").rpartition("/")[0])
    ]
    if sort == "name":
        expected.sort(key=lambda guest: (guest.name is None, (guest.name or "").casefold()))
    elif sort:
        expected.sort(key=lambda guest: -(guest.uptime or -1) if status_of(guest) == "running" else 1)
    for _ in range(2):
        found = select(index, visible, Filters(status, kind, node, sort, tag, pool))
        assert list(found.guests) == expected
        assert found.counts == Counter(None if guest.template else guest.state for guest in expected)


@given(GUESTS, st.text("guest/102vmcpwb", min_size=1, max_size=8), st.sampled_from(["", "home", "gue"]))
def test_a_word_typed_for_a_mute_is_found_in_site_text_kind_and_subject(
    guests: list[Guest], word: str, site: str
) -> None:
    cluster = Cluster(tuple(sorted(guests, key=lambda guest: guest.vmid)), (), 0.0)
    index = GuestIndex(cluster)
    t = Texts("en").public
    expected = [
        guest
        for guest, text in zip(cluster.guests, index.table.texts, strict=True)
        if word in f"{site} {text} {kind_word(t, guest.kind).casefold()}" or word in guest_subject(guest.vmid)
    ]
    assert list(index.guests_in(rows_with(t, site, index, word))) == expected


@pytest.mark.parametrize("few", [300, 10_000])
def test_the_index_agrees_among_many_guests(monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    """There are more than 25 of a kind, and the guest typed in full is among the last."""
    monkeypatch.setattr("core.access.guest_table.FEW", few)
    states = (State.RUNNING, State.STOPPED)
    guests = tuple(Guest(vmid, Kind.QEMU, "pve1", states[vmid % 2], f"vm{vmid}") for vmid in range(100, 2200))
    index = GuestIndex(Cluster(guests, (), 0.0))
    for typed in ("", "2", "21", "210", "2100", "vm", "vm21", "m2", "9"):
        for operation in (None, Operation.START, Operation.STOP, Operation.DELETE):
            assert best_guests(index, index.table.everyone, typed, operation) == ranked(
                guests, typed, operation
            ), (
                typed,
                operation,
            )
