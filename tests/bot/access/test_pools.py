"""Test pools, which are visible only with Pool.Audit: scopes that name an invisible pool are reported."""

import logging

import pytest

from adapters.proxmox.resources import parse_cluster
from core.access.policy import AccessRules, Actor, Place, Scope, ScopeKind, unseen_pools
from core.guest import Cluster
from core.guest_errors import GuestNotFound
from core.levels import Level
from playground.pve.server import BOT_PRIVILEGES, Pve
from tests.support import stage
from tests.support.client_stage import SECRET, client_of
from tests.support.stage import Stage
from tests.support.walked import walked
from ui.i18n import Language, Texts
from ui.messages.startup import pools_unseen

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language

LANGUAGES: tuple[Language, ...] = ("ja", "en")


@pytest.fixture
def pooled(pve: Pve) -> Pve:
    """Put web01 (101) into the pool lab."""
    pve.pools["lab"] = {101}
    pve.guest(101).pool = "lab"
    return pve


@pytest.mark.parametrize("able", [True, False])
async def test_the_playground_hands_out_pools_as_proxmox_does(pooled: Pve, able: bool) -> None:
    pooled.give_bot(value=SECRET)
    if not able:
        pooled.deny("Pool.Audit", "/pool/lab")
    client = client_of(pooled)
    try:
        cluster = await client.cluster()
    finally:
        client.close()
    guest = cluster.find(101)
    assert guest is not None
    assert (guest.pool, "lab" in cluster.pools) == (("lab", True) if able else (None, False))


RULES = AccessRules(
    1,
    2,
    levels={5: Level.OPERATOR, 6: Level.VIEWER, 7: Level.ADMIN},
    scopes={
        5: (Scope(ScopeKind.POOL, "lab"), Scope(ScopeKind.TAG, "web"), Scope(ScopeKind.POOL, "home")),
        6: (Scope(ScopeKind.POOL, "lab/front"),),
    },
)


@walked(
    ("rows", "roles", "unseen"),
    [
        ([], None, ("home", "lab", "lab/front")),
        ([{"type": "pool", "pool": "lab"}], None, ("home", "lab/front")),
        ([{"type": "qemu", "vmid": 101, "node": "a", "pool": "home"}], None, ("lab", "lab/front")),
        ([{"type": "pool", "pool": "laboratory"}, {"type": "pool"}], None, ("home", "lab", "lab/front")),
        ([{"type": "pool", "pool": "lab"}], {6, 7}, ("lab/front",)),
        ([{"type": "pool", "pool": "lab"}], {7}, ()),
        ([{"type": "pool", "pool": name} for name in ("lab", "home", "lab/front")], None, ()),
    ],
)
def test_pools_that_are_seen_nowhere(
    rows: list[dict[str, object]], roles: set[int] | None, unseen: tuple[str, ...]
) -> None:
    cluster: Cluster = parse_cluster(rows, 0.0)
    actor = None if roles is None else Actor(1, "a", Place(1, 2), frozenset(roles))
    assert unseen_pools(RULES, cluster, actor) == unseen


def test_a_report_says_how_many_pools_it_leaves_out() -> None:
    names = [f"pool{n}" for n in range(7)]
    told = {language: pools_unseen(Texts(language).public, names) for language in LANGUAGES}
    assert "`pool4` … and 2 more. " in told["en"]
    assert "`pool4` …ほか 2 件" in told["ja"]
    assert "`pool5`" not in "".join(told.values())


async def start(scene: Stage) -> None:
    """Start the bot with akiko as an operator of the pool lab and emma as an admin of everything."""
    operator, admin = scene.guild.create_role("operator"), scene.guild.create_role("admin")
    scene.akiko = scene.server.person(scene.guild, "aki", locale="en-US", roles=[operator])
    scene.emma = scene.server.person(scene.guild, "em", locale="en-US", roles=[admin])
    await scene.start_bot(
        OPERATOR_ROLE_IDS=str(operator.id),
        ADMIN_ROLE_IDS=str(admin.id),
        ROLE_SCOPES=f'{{"{operator.id}": ["pool:lab"]}}',
    )
    await scene.delivered()


async def test_without_the_privilege_it_is_reported(
    bare_scene: Stage, pooled: Pve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    pooled.deny("Pool.Audit")
    await start(bare_scene)
    scene = bare_scene
    await scene.poll(2)
    await scene.delivered()
    told = [text for text in scene.alerts_told() if "Pool.Audit" in text]
    assert len(told) == 1
    assert "/pool/lab" in told[0]
    assert "Pool.Audit" in caplog.text
    for person in (scene.akiko, scene.emma):
        assert "Pool.Audit" in (await scene.say(person, "access")).text
    scene.assert_refused(await scene.say(scene.akiko, "info", vmid=101), scene.akiko, GuestNotFound(101))

    pooled.allow_again()
    await scene.poll()
    await scene.delivered()
    assert len([text for text in scene.alerts_told() if "Pool.Audit" in text]) == 1
    for person in (scene.akiko, scene.emma):
        assert "Pool.Audit" not in (await scene.say(person, "access")).text
    assert "web01" in (await scene.say(scene.akiko, "info", vmid=101)).text


@pytest.mark.usefixtures("pooled")
async def test_with_the_privilege_the_scope_works(bare_scene: Stage) -> None:
    assert "Pool.Audit" in BOT_PRIVILEGES
    await start(bare_scene)
    await bare_scene.poll()
    await bare_scene.delivered()
    assert bare_scene.alerts_told() == []
    assert "web01" in (await bare_scene.say(bare_scene.akiko, "info", vmid=101)).text
