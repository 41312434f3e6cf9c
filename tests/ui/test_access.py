"""Test that /access tells each person what the table of docs/access.md promises, guest by guest."""

from types import SimpleNamespace
from typing import cast

from core.access.authorizer import Authorizer
from core.access.policy import AccessRules, Actor, Place, Scope, ScopeKind, decide
from core.access.read_only import ReadOnlySwitch
from core.cluster.cache import ClusterCache
from core.errors import ReadOnly
from core.guest import Cluster, Guest, Kind, State
from core.levels import Level
from tests.bot.access.test_cells import text_of
from tests.support.access_document import (
    ADMIN,
    ANYBODY,
    FOR_EVERYTHING,
    GUARDED,
    OPERATOR,
    TABLE,
    VIEWER,
    told_access,
)
from tests.support.cards.sent import TEXTS, Golden, checked, languages, shown
from tests.support.fakes import NOW
from tests.support.walked import walked
from ui.access.view import access_card
from ui.i18n import Language, Texts
from ui.messages.operations import command_of

T = Texts("en").of("en")
OWNER, HELD = 42, ReadOnly("akiko", NOW, 1)
ROLES = {1: VIEWER, 2: OPERATOR, 3: ADMIN, 4: ADMIN}
RULES = AccessRules(
    1, 2,
    levels={role: Level(level) for role, level in ROLES.items()},
    scopes={4: (Scope(ScopeKind.TAG, "game"),)},
    protected=frozenset({102}),
)  # fmt: skip


def vm(vmid: int, *tags: str) -> Guest:
    return Guest(vmid, Kind.QEMU, "pve1", State.RUNNING, f"guest{vmid}", tags=tags)


GUESTS = (
    vm(101),
    vm(102),
    vm(103, "game"),
    vm(104, "game", "protected"),
    vm(105, f"owner-{OWNER}"),
    vm(106, f"owner-{OWNER}", "protected"),
)
PROTECTED = {102, 104, 106}
PEOPLE: dict[str, tuple[int, int, dict[int, int]]] = {
    "nobody": (7, 0, {}),
    "viewer": (7, 1, dict.fromkeys(range(101, 107), VIEWER)),
    "operator": (7, 2, dict.fromkeys(range(101, 107), OPERATOR)),
    "admin": (7, 3, dict.fromkeys(range(101, 107), ADMIN)),
    "game": (7, 4, {103: ADMIN, 104: ADMIN}),
    "owner": (OWNER, 0, {105: OPERATOR, 106: OPERATOR}),
    "viewer and owner": (
        OWNER,
        1,
        {**dict.fromkeys(range(101, 105), VIEWER), 105: OPERATOR, 106: OPERATOR},
    ),
    "game and owner": (OWNER, 4, {103: ADMIN, 104: ADMIN, 105: OPERATOR, 106: OPERATOR}),
}
"""For each person the id, a role, and the level on each guest that they may see."""
STILL_ALLOWED = {
    *("acknowledge", "monitor mute", "monitor unmute", "monitor test", "readonly on", "readonly off"),
    *("dashboard create", "dashboard remove", "dashboard list"),
}
"""Commands above the level of a viewer that read-only mode does not refuse."""


def authorizer_of(cluster: Cluster, *, held: bool) -> Authorizer:
    """Build the authorizer after this read. `held`: the bot is in read-only mode."""
    return Authorizer(
        RULES,
        cast(ClusterCache, SimpleNamespace(last=cluster)),
        cast(ReadOnlySwitch, SimpleNamespace(refusal=HELD if held else None)),
    )


def promised(word: str, level: int, vmid: int, held: bool) -> bool:
    """Return whether the table allows the command on this guest to a person with this level on it."""
    needed = ADMIN if word in GUARDED and vmid in PROTECTED else TABLE[word]
    return level >= needed and not (held and changes(word))


def changes(word: str) -> bool:
    return TABLE[word] > VIEWER and word not in STILL_ALLOWED | {"audit", "health"}


@walked("held", [False, True])
@walked("person", PEOPLE)
def test_access_shows_the_promises_of_the_table(person: str, held: bool) -> None:
    user_id, role, levels = PEOPLE[person]
    actor, cluster = Actor(user_id, "x", Place(1, 2), frozenset({role})), Cluster(GUESTS, (), 0.0)
    read_only = HELD if held else None
    authorizer = authorizer_of(cluster, held=held)
    whole = text_of(access_card(T, authorizer, actor, None, None, cluster))
    for operation, told in told_access(whole).items():
        word = command_of(operation)
        if word in FOR_EVERYTHING:
            expected = person == "admin" and not (held and changes(word))
        elif TABLE[word] == ANYBODY:
            expected = True
        elif word == "create":  # there is no template, so only those who see every guest may try it
            expected = person == "admin" and not held
        else:
            expected = any(promised(word, level, vmid, held) for vmid, level in levels.items())
        assert told.allowed is expected, (word, whole)
    for guest in GUESTS:
        if guest.vmid not in levels:
            assert f"**{guest.vmid}**" not in whole
            continue
        text = text_of(access_card(T, authorizer, actor, guest, None, cluster))
        for operation, told in told_access(text).items():
            word = command_of(operation)
            expected = promised(word, levels[guest.vmid], guest.vmid, held) and word != "create"
            assert told.allowed is expected, (word, guest.vmid, text)
            refusal = decide(RULES, actor, operation, guest, guests=GUESTS, read_only=read_only)
            assert (refusal is None) is expected or word == "create"


@walked(
    ("person", "held", "sentence"),
    [
        ("nobody", False, "None of your roles has permissions here."),
        ("viewer", False, "You are a viewer."),
        ("admin", True, "You are an admin."),
        ("game", False, "You are an admin of **103** `guest103`, **104** `guest104` 🛡️."),
        (
            "viewer and owner",
            False,
            "You are a viewer. As owner you may also control the power of **105** `guest105`. "
            "As owner you are an operator of **106** `guest106` 🛡️.",
        ),
        (
            "viewer and owner",
            True,
            "You are a viewer. As owner you are an operator of **105** `guest105`, **106** `guest106` 🛡️.",
        ),
        (
            "owner",
            False,
            "As owner you may view **105** `guest105` and control the power. "
            "As owner you are an operator of **106** `guest106` 🛡️.",
        ),
    ],
)
def test_the_first_sentence(person: str, held: bool, sentence: str) -> None:
    """Power is promised to an owner only where the owner has it: not on a protected guest, nor in read-only mode."""
    user_id, role, _ = PEOPLE[person]
    actor, cluster = Actor(user_id, "x", Place(1, 2), frozenset({role})), Cluster(GUESTS, (), 0.0)
    authorizer = authorizer_of(cluster, held=held)
    text = text_of(access_card(T, authorizer, actor, None, None, cluster))
    assert text.splitlines()[1] == sentence


@languages
def test_the_cards(language: Language, golden: Golden) -> None:
    """The cards of several people, of one protected guest, and in read-only mode."""
    t, cluster = TEXTS.of(language), Cluster(GUESTS, (), 0.0)
    cards = []
    for person, guest, held in (
        ("admin", None, False),
        ("operator", None, False),
        ("viewer and owner", None, False),
        ("game", None, True),
        ("nobody", None, False),
        ("owner", GUESTS[5], False),
    ):
        user_id, role, _ = PEOPLE[person]
        actor = Actor(user_id, "x", Place(1, 2), frozenset({role}))
        authorizer = authorizer_of(cluster, held=held)
        cards.append(access_card(t, authorizer, actor, guest, None, cluster))
        checked(cards[-1])
    golden(f"access.{language}", "\n\n".join(map(shown, cards)))
