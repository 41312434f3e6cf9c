"""Test the access decision: who may do what, where and to which guest."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from core.access.guest_index import GuestIndex, offered_rows
from core.access.policy import (
    AccessRules,
    Actor,
    InteractionKind,
    Place,
    Scope,
    ScopeKind,
    decide,
    depends_on_list,
    grants,
    is_protected,
    level_anywhere,
    level_everywhere,
    level_on,
    place_refusal,
    scoped_vmids,
    unknown_guest,
    visible_guests,
)
from core.errors import NotAllowed, NotHere, OnlySomeGuests, ReadOnly, Refused
from core.guest import Cluster, Guest, Kind, State
from core.guest_errors import GuestNotFound
from core.levels import Effect, Level, Reach
from core.operations import ACTIONS, OPERATIONS, Operation
from tests.support.access_document import GUARDED, HEADINGS, TABLE, Promise, promises
from tests.support.catalogue import COMMANDS
from tests.support.walked import walked

RULES = AccessRules(guild_id=10, category_id=20)
ALERTS = AccessRules(guild_id=10, category_id=20, alert_channel_id=30)
GUILDS = (10, 11, 20, 0, None)
CATEGORIES = (20, 21, 10, 0, None)
HERE = Place(10, 20, 40)
AKIKO = Actor(1, "Akiko", HERE)
WEB = Guest(101, Kind.QEMU, "pve1", State.RUNNING, "web01", tags=("prod", "Web"), pool="lab/front")
DB = Guest(102, Kind.LXC, "pve2", State.RUNNING, "db01", tags=("prod",))
VIEWERS, OPERATORS, ADMINS, NARROW, OTHER = 71, 72, 73, 74, 79
LEVELS = {VIEWERS: Level.VIEWER, OPERATORS: Level.OPERATOR, ADMINS: Level.ADMIN}

every_operation = walked("operation", Operation)


def rules(scopes: Iterable[Scope] = (), level: Level = Level.ADMIN) -> AccessRules:
    """Return rules with three roles for everything and one role of `level` that is limited to the scopes."""
    narrow = {NARROW: tuple(scopes)} if scopes else {}
    return AccessRules(10, 20, 30, LEVELS | ({NARROW: level} if scopes else {}), narrow)


def with_roles(
    *roles: int, user: int = 1, place: Place = HERE, way: InteractionKind = InteractionKind.COMMAND
) -> Actor:
    return Actor(user, "Akiko", place, frozenset(roles), way)


# --- the place ---


@every_operation
@walked("way", InteractionKind)
@walked(("guild", "category"), list(product(GUILDS, CATEGORIES)))
def test_only_the_right_category_of_the_right_guild(
    guild: int | None, category: int | None, operation: Operation, way: InteractionKind
) -> None:
    actor = replace(AKIKO, place=Place(guild, category), interaction_kind=way)
    for refusal in (decide(RULES, actor, operation), decide(RULES, actor, operation, WEB)):
        if (guild, category) == (10, 20):
            assert refusal is None
        else:
            assert type(refusal) is NotHere
            assert isinstance(refusal, Refused)


@every_operation
@walked("way", InteractionKind)
@walked("channel", [30, 31, 20, 10, 0, None])
@walked("rules", [RULES, ALERTS])
def test_the_alert_channel_allows_only_the_operations_of_alert_buttons(
    channel: int | None, rules: AccessRules, operation: Operation, way: InteractionKind
) -> None:
    for guild, category in product(GUILDS, CATEGORIES):
        actor = replace(AKIKO, place=Place(guild, category, channel), interaction_kind=way)
        refusal = decide(rules, actor, operation)
        inside = (guild, category) == (10, 20)
        at_alerts = (guild, channel) == (10, 30) and rules is ALERTS and way is InteractionKind.BUTTON
        assert (refusal is None) is (inside or (at_alerts and OPERATIONS[operation].on_alerts))
        assert refusal is None or type(refusal) is NotHere


def test_commands_without_an_operation_are_held_to_the_category() -> None:
    assert place_refusal(ALERTS, AKIKO) is None
    assert (
        place_refusal(
            ALERTS, replace(AKIKO, place=Place(10, None, 30), interaction_kind=InteractionKind.BUTTON)
        )
        is not None
    )


@walked("user_id", [10, 20, 0, 999])
def test_a_user_id_equal_to_a_place_id_opens_no_place(user_id: int) -> None:
    for operation in Operation:
        assert decide(RULES, Actor(user_id, "Akiko", Place(10, 20)), operation) is None
        assert decide(RULES, Actor(user_id, "Akiko", Place(10, None)), operation) is not None
        assert decide(RULES, Actor(user_id, "Akiko", Place(None, 20)), operation) is not None


# --- the level ---


def in_words(operation: Operation) -> str:
    """Return the operation's name in the table of docs/access.md."""
    return operation.value.replace("_", " ")


def test_every_operation_has_its_row_and_every_action_is_one() -> None:
    assert OPERATIONS.keys() == set(Operation)
    for operation in ACTIONS:
        right = OPERATIONS[operation]
        assert (right.effect, right.reach) == (Effect.GUEST, Reach.GUEST)


@every_operation
@walked("way", InteractionKind)
@walked("roles", [(), (OTHER,), (VIEWERS,), (OPERATORS,), (ADMINS,), (VIEWERS, ADMINS)])
def test_each_level_includes_the_lower_ones(
    operation: Operation, roles: tuple[int, ...], way: InteractionKind
) -> None:
    needed = TABLE[in_words(operation)]
    allowed = max((LEVELS.get(role, Level.NONE) for role in roles), default=Level.NONE) >= needed
    actor = with_roles(*roles, way=way)
    nothing, refusal = not set(roles) & LEVELS.keys(), decide(rules(), actor, operation, WEB)
    assert (decide(rules(), actor, operation) is None) is allowed
    assert (refusal is None) is (allowed and not (nothing and needed == Level.NONE))
    if nothing and OPERATIONS[operation].reach is not Reach.WHOLE:
        assert type(refusal) is GuestNotFound
    elif not allowed:
        assert type(refusal) is NotAllowed
        assert refusal.needed is OPERATIONS[operation].level


@walked("language", list(HEADINGS))
def test_the_table_of_the_docs_is_the_table_of_operations(language: str) -> None:
    told = promises(language)
    assert told.pop("access") == Promise(Level.VIEWER, False, "")  # the command takes no level at all
    assert {word: (each.level, each.everything, bool(each.protected)) for word, each in told.items()} == {
        in_words(operation): (row.level, row.reach is Reach.WHOLE, row.guards(float("inf")))
        for operation, row in OPERATIONS.items()
        if operation is not Operation.ACCESS
    }


# --- the guests ---

COVERED = [
    (Scope(ScopeKind.VMID, "101"), WEB),
    (Scope(ScopeKind.TAG, "web"), WEB),
    (Scope(ScopeKind.TAG, "PROD"), WEB),
    (Scope(ScopeKind.POOL, "lab"), WEB),
    (Scope(ScopeKind.POOL, "lab/front"), WEB),
    (Scope(ScopeKind.NODE, "pve1"), WEB),
]
NOT_COVERED = [
    (Scope(ScopeKind.VMID, "10"), WEB),
    (Scope(ScopeKind.TAG, "we"), WEB),
    (Scope(ScopeKind.TAG, "web"), DB),
    (Scope(ScopeKind.POOL, "la"), WEB),
    (Scope(ScopeKind.POOL, "lab/fro"), WEB),
    (Scope(ScopeKind.POOL, "front"), WEB),
    (Scope(ScopeKind.POOL, "lab"), DB),
    (Scope(ScopeKind.NODE, "pve"), WEB),
    (Scope(ScopeKind.NODE, "pve1"), DB),
    (Scope(ScopeKind.NODE, "pve1"), unknown_guest(101)),
]


@walked(("scope", "guest"), COVERED)
def test_a_scope_covers(scope: Scope, guest: Guest) -> None:
    assert scope.covers(guest)


@walked(("scope", "guest"), NOT_COVERED)
def test_a_scope_does_not_cover(scope: Scope, guest: Guest) -> None:
    assert not scope.covers(guest)


@every_operation
@walked("level", [Level.VIEWER, Level.OPERATOR, Level.ADMIN])
@walked("scope", [scope for scope, _ in COVERED if scope.value != "PROD"])
def test_a_scoped_role_counts_for_its_guests_only(operation: Operation, level: Level, scope: Scope) -> None:
    narrow, actor, right = rules([scope], level), with_roles(NARROW), OPERATIONS[operation]
    assert level_on(narrow, actor, WEB) is level
    assert level_on(narrow, actor, DB) is Level.NONE
    assert level_everywhere(narrow, actor) is Level.NONE
    assert visible_guests(narrow, actor, (WEB, DB)) == (WEB,)
    here, there = decide(narrow, actor, operation, WEB), decide(narrow, actor, operation, DB)
    whole = decide(narrow, actor, operation, whole=True)
    enough = level >= right.level
    if right.level is not Level.NONE:
        assert type(whole) is (OnlySomeGuests if enough else NotAllowed)
    if right.reach is Reach.GUEST:
        assert (here is None) is enough
        assert type(there) is GuestNotFound
        assert there.vmid == DB.vmid
    elif right.reach is Reach.SEEN:
        assert (here is None) is enough
        assert (decide(narrow, actor, operation) is None) is enough
    else:
        assert here is not None
        assert there is not None


@every_operation
@walked("level", [Level.VIEWER, Level.OPERATOR, Level.ADMIN])
def test_a_role_of_other_clusters_gives_nothing_here(operation: Operation, level: Level) -> None:
    """It is as if the person did not have the role: alone, beside another role, and as the owner of a guest."""
    away = AccessRules(10, 20, 30, LEVELS | {NARROW: level}, {NARROW: ()})
    mine = replace(DB, tags=("owner-1",))
    assert away.levels, "with no levels, everybody would be an admin"
    for more in ((), (VIEWERS,), (OPERATORS,)):
        actor, without = with_roles(NARROW, *more), with_roles(*more)
        assert grants(away, actor) == grants(away, without)
        assert NARROW not in grants(away, actor)
        assert level_everywhere(away, actor) is level_everywhere(away, without)
        assert level_anywhere(away, actor, (WEB, mine)) is level_anywhere(away, without, (WEB, mine))
        assert level_anywhere(away, actor, ()) is level_anywhere(away, without, ())
        assert scoped_vmids(away, actor) == frozenset()
        assert visible_guests(away, actor, (WEB, mine)) == visible_guests(away, without, (WEB, mine))
        listed = depends_on_list(away, actor, operation, 101)
        assert listed is depends_on_list(away, without, operation, 101)
        index = GuestIndex(Cluster((WEB, mine), (), 0.0))
        rows, its = (offered_rows(away, each, operation, index, read_only=False) for each in (actor, without))
        assert rows == its
        for guest in (WEB, mine, unknown_guest(999)):
            assert level_on(away, actor, guest) is level_on(away, without, guest)
        for asked, whole in product((WEB, mine, unknown_guest(999), None), (True, False)):
            refusals = [
                decide(away, each, operation, asked, guests=(mine,), whole=whole) for each in (actor, without)
            ]
            assert repr(refusals[0]) == repr(refusals[1])
    assert level_anywhere(away, with_roles(NARROW, user=2), (WEB, mine)) is Level.NONE
    assert level_on(away, with_roles(NARROW, user=2), WEB) is Level.NONE


@walked("operation", [Operation.MONITOR_TEST, Operation.MONITOR_MUTE])
def test_a_refusal_for_everything_names_the_persons_level(operation: Operation) -> None:
    """The refusal must not say that none of their roles counts, because that is false."""
    narrow, actor = rules([Scope(ScopeKind.TAG, "web")], Level.VIEWER), with_roles(NARROW)
    refusal = decide(narrow, actor, operation, guests=(WEB, DB), whole=True)
    assert isinstance(refusal, NotAllowed)
    assert (refusal.needed, refusal.level) == (OPERATIONS[operation].level, Level.VIEWER)


def test_roles_add_up() -> None:
    both = rules([Scope(ScopeKind.TAG, "web")], Level.OPERATOR)
    actor = with_roles(VIEWERS, NARROW)
    assert (level_on(both, actor, WEB), level_on(both, actor, DB)) == (Level.OPERATOR, Level.VIEWER)
    assert decide(both, actor, Operation.START, WEB) is None
    assert type(decide(both, actor, Operation.START, DB)) is NotAllowed


@every_operation
@walked("tag", ["owner-1", "OWNER-1"])
def test_the_owner_is_operator_of_that_guest(operation: Operation, tag: str) -> None:
    mine, right = replace(DB, tags=(tag,)), OPERATIONS[operation]
    for actor, its in ((with_roles(), True), (with_roles(user=2), False), (with_roles(user=11), False)):
        refusal = decide(rules(), actor, operation, mine)
        assert (refusal is None) is (its and right.level <= Level.OPERATOR)
        assert visible_guests(rules(), actor, (WEB, mine)) == ((mine,) if its else ())
        if right.level is not Level.NONE:
            assert (decide(rules(), actor, operation, guests=(WEB, mine)) is None) is (refusal is None)
            assert decide(rules(), actor, operation, whole=True) is not None


# --- protection, and no changes at all ---

CHANGES = [command.operation.value for command in COMMANDS if command.effect >= Effect.LIST]


@every_operation
@walked("role", LEVELS)
@walked(
    ("listed", "guest"),
    [
        ((101,), WEB),
        ((), replace(WEB, tags=("prod", "Protected"))),
        ((), replace(WEB, protected=True)),
    ],
)
def test_risky_actions_on_a_protected_guest_need_an_admin(
    operation: Operation, role: int, listed: tuple[int, ...], guest: Guest
) -> None:
    guarded, actor = replace(rules(), protected=frozenset(listed)), with_roles(role)
    before, refusal = decide(rules(), actor, operation, DB), decide(guarded, actor, operation, guest)
    if in_words(operation) in GUARDED and role == OPERATORS and before is None:
        # the operator level is enough for an unprotected guest
        assert TABLE[in_words(operation)] == Level.OPERATOR
        assert isinstance(refusal, NotAllowed)
        assert (refusal.needed, refusal.level, refusal.protected) == (Level.ADMIN, Level.OPERATOR, True)
    else:
        assert (refusal is None) is (before is None)
        assert not isinstance(refusal, NotAllowed) or not refusal.protected


@walked("tags", [("unprotected",), ("protected-not",), ("owner-protected",)])
def test_no_other_tag_protects(tags: tuple[str, ...]) -> None:
    assert not is_protected(rules(), replace(WEB, tags=tags))
    assert not is_protected(replace(rules(), protected=frozenset({10, 1010})), WEB)


@every_operation
@walked("role", [*LEVELS, OTHER])
def test_read_only_refuses_every_change_and_nothing_else(operation: Operation, role: int) -> None:
    actor, said = with_roles(role), ReadOnly("Emma", 1.0)
    for guest in (None, WEB):
        before = decide(rules(), actor, operation, guest)
        after = decide(rules(), actor, operation, guest, read_only=said)
        if before is None and operation.value in CHANGES:
            assert after is said
        else:
            assert type(after) is type(before)


# --- never ---

PLACES = st.builds(
    Place, st.sampled_from(GUILDS), st.sampled_from(CATEGORIES), st.sampled_from((30, 40, None))
)
ACTORS = st.builds(
    Actor,
    st.integers(1, 3),
    st.just("Akiko"),
    PLACES | st.just(HERE),
    st.frozensets(st.sampled_from((VIEWERS, OPERATORS, ADMINS, NARROW, OTHER))),
    st.sampled_from(InteractionKind),
)
SCOPES = st.lists(st.sampled_from([scope for scope, _ in COVERED + NOT_COVERED]), max_size=3)
GUESTS = st.builds(
    replace,
    st.sampled_from((WEB, DB)),
    tags=st.lists(st.sampled_from(("web", "prod", "owner-1", "owner-2")), max_size=3).map(tuple),
    pool=st.sampled_from((None, "lab", "lab/front", "labor")),
    node=st.sampled_from(("pve1", "pve2")),
)


@given(ACTORS, SCOPES, st.sampled_from((Level.VIEWER, Level.OPERATOR, Level.ADMIN)), GUESTS, st.data())
def test_hidden_guests_are_not_found_and_another_role_never_takes_rights_away(
    actor: Actor, scopes: list[Scope], level: Level, guest: Guest, data: st.DataObject
) -> None:
    narrow = AccessRules(10, 20, 30, LEVELS | {NARROW: level}, {NARROW: tuple(scopes)})
    operation = data.draw(st.sampled_from(Operation))
    refusal = decide(narrow, actor, operation, guest)
    if level_on(narrow, actor, guest) is Level.NONE and OPERATIONS[operation].reach is Reach.GUEST:
        assert type(refusal) in (GuestNotFound, NotHere)
    if refusal is None:
        assert level_anywhere(narrow, actor, (guest,)) >= OPERATIONS[operation].level
        more = replace(actor, roles=actor.roles | {data.draw(st.sampled_from((*LEVELS, NARROW, OTHER)))})
        assert decide(narrow, more, operation, guest) is None
    assert level_everywhere(narrow, actor) <= level_on(narrow, actor, guest)
    assert level_on(narrow, actor, guest) <= level_anywhere(narrow, actor, (guest,))
