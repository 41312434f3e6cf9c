"""Test that a clone or a rollback announces the tags it would restore, if they decide who may do what."""

import pytest

from core.access.policy import AccessRules, Scope, ScopeKind
from core.access.tag_authority import TagAuthority, authority_of
from core.levels import Level
from playground.pve.server import Pve
from tests.support import stage
from tests.support.stage import Stage, post_of
from tests.support.walked import walked

scene, bare_scene, pve, language = stage.scene, stage.bare_scene, stage.pve, stage.language

RULES = AccessRules(
    1,
    2,
    levels={5: Level.OPERATOR},
    scopes={5: (Scope(ScopeKind.TAG, "Web"), Scope(ScopeKind.POOL, "prod"))},
    protected=frozenset({105}),
)


@walked(
    ("tags", "authority"),
    [
        ((), TagAuthority()),
        (("prod", "owned", "owner-", "owner-x", "owner-7x", "protected2"), TagAuthority()),
        (("owner-7", "Owner-8"), TagAuthority(frozenset({7, 8}))),
        (("PROTECTED",), TagAuthority(protected=True)),
        (("WEB", "web2"), TagAuthority(scope_tags=frozenset({"web"}))),
    ],
)
def test_tags_that_decide(tags: tuple[str, ...], authority: TagAuthority) -> None:
    assert authority_of(RULES, tags) == authority
    assert authority_of(RULES, tags, protection=True).protected
    assert authority_of(RULES, tags, vmid=105).protected


# -- clones


async def test_a_clone_of_a_tagged_template_is_asked_about(scene: Stage, pve: Pve) -> None:
    pve.guest(9000).config["tags"] = "debian;owner-123456789012345678;protected"
    before = scene.cluster()
    asked = await scene.say(scene.emma, "create", template_id=9000, name="new")
    assert "<@123456789012345678> will own the clone" in asked.text
    assert "The clone will be protected" in asked.text
    assert scene.cluster() == before
    done = await scene.press(scene.emma, asked, post_of(asked).buttons[0].label)
    assert "was created" in done.text
    assert "<@123456789012345678> will own the clone" in done.text
    assert len(scene.cluster()) == len(before) + 1


async def test_a_clone_of_a_template_with_proxmox_protection_is_asked_about(scene: Stage, pve: Pve) -> None:
    pve.guest(9100).config["protection"] = 1
    asked = await scene.say(scene.emma, "create", template_id=9100, name="new")
    assert "The clone will be protected" in asked.text
    assert "The clone will have no owner" in asked.text
    assert scene.changes() == []


async def test_a_clone_that_hands_nothing_on_is_made_at_once(scene: Stage, pve: Pve) -> None:
    pve.guest(9000).config["tags"] = "debian;owner"
    assert "was created" in (await scene.say(scene.emma, "create", template_id=9000, name="new")).text


async def test_a_tag_that_comes_after_the_plan_was_shown_is_no_surprise(scene: Stage, pve: Pve) -> None:
    pve.guest(9000).config["tags"] = "protected"
    asked = await scene.say(scene.emma, "create", template_id=9000, name="new")
    pve.guest(9000).config["tags"] = "protected;owner-7"
    done = await scene.press(scene.emma, asked, post_of(asked).buttons[0].label)
    assert "Nothing was done" in done.text
    assert scene.changes() == []


# -- rollbacks


async def snapshot_with(scene: Stage, pve: Pve, vmid: int, tags: str, now: str) -> str:
    """Take a snapshot while the guest has `tags`, change them to `now`, and return the question of a rollback."""
    guest = pve.guest(vmid)
    guest.config["tags"] = tags
    assert "was created" in (await scene.say(scene.emma, "snapshot create", vmid=vmid, name="then")).text
    guest.config["tags"] = now
    await scene.poll()
    return (await scene.say(scene.emma, "snapshot rollback", vmid=vmid, name="then")).text


@pytest.mark.parametrize("vmid", [101, 201], ids=["qemu", "lxc"])
async def test_a_rollback_names_new_owners_and_lost_protection(scene: Stage, pve: Pve, vmid: int) -> None:
    text = await snapshot_with(scene, pve, vmid, "prod;owner-7", "prod;owner-8;protected")
    assert "<@7> will own the guest" in text
    assert "<@8> will no longer own the guest" in text
    assert "will no longer be protected" in text
    assert "could not be read" not in text


async def test_a_rollback_that_changes_none_of_them_says_nothing(scene: Stage, pve: Pve) -> None:
    text = await snapshot_with(scene, pve, 101, "prod;owner-7", "web;OWNER-7")
    for word in ("own the guest", "protected", "ROLE_SCOPES", "be read"):
        assert word not in text, text


async def test_proxmox_protection_comes_and_goes_with_a_rollback(scene: Stage, pve: Pve) -> None:
    pve.guest(101).config["protection"] = 1
    await scene.say(scene.emma, "snapshot create", vmid=101, name="then")
    pve.guest(101).config.pop("protection")
    assert (
        "The guest will be protected"
        in (await scene.say(scene.emma, "snapshot rollback", vmid=101, name="then")).text
    )


async def test_unreadable_tags_of_a_snapshot_are_mentioned(scene: Stage, pve: Pve) -> None:
    await scene.say(scene.emma, "snapshot create", vmid=101, name="then")
    pve.fail("GET", "/snapshot/then/config", 500, "unable to read", times=5)
    text = (await scene.say(scene.emma, "snapshot rollback", vmid=101, name="then")).text
    assert "tags in the snapshot could not be read" in text


async def test_tags_of_scopes_are_mentioned_too(bare_scene: Stage, pve: Pve) -> None:
    role, admin = bare_scene.guild.create_role("web"), bare_scene.guild.create_role("admin")
    bare_scene.emma = bare_scene.server.person(bare_scene.guild, "em", locale="en-US", roles=[admin])
    await bare_scene.start_bot(
        VIEWER_ROLE_IDS=str(role.id),
        ADMIN_ROLE_IDS=str(admin.id),
        ROLE_SCOPES=f'{{"{role.id}": ["tag:web", "tag:lab"]}}',
    )
    text = await snapshot_with(bare_scene, pve, 101, "web", "lab")
    assert "Tags used by ROLE_SCOPES that will be added: `web`" in text
    assert "Tags used by ROLE_SCOPES that will be removed: `lab`" in text
