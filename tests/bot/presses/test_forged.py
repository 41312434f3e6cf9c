"""Press buttons that no message of the bot has: forged fields, absurd numbers and lengths, wrong versions.

Nothing may raise: an error that was not foreseen is logged, and fails the test.
"""

from core.errors import QuestionOver
from core.wanted_errors import NoSuchDashboard, UnknownNode
from playground.pve.server import Pve
from tests.support import stage
from tests.support.scenes.people import Cast
from tests.support.stage import Stage, post_of

bare_scene, pve, language = stage.bare_scene, stage.pve, stage.language

UNKNOWN = (
    "c1:decade::g101", "c1:day:gpu:g101", "c1:day::x101", "c1:day::g1", "c1:day::g9999999999", "c1:day::npve_1",
    f"c1:day::n{'a' * 64}", "c1:day::n", "c2:home:day::g101", "c2:*:day::g101", "n1:chart:", "n1:chart:../..",
    "n9:chart:pve1", "n2:*:chart:pve1", "d1:remove:0123456789abcdef", "d1:refresh:0123456789ABCDEF",
    "d1:refresh:0", "d3:alerts:0123456789abcdef", "p1:nodes:refresh:100000:::", "p1:nodes:refresh:-1:::",
    "p1:capacity:refresh:0::", "p1:doctor:next:1000", "p1:list:next:0:::::::", "p3:l:n",
    f"p3:n:r:{'z' * 13}:::", "p2:*:s:r:x", "p1:nodes:refresh:0:::\u0660", "p1:list:next:\u0661:::", "g1:chart:0101",
    "g1:chart:\uff11\uff10\uff11", "g1:disks:101:x", f"a1:ack:{'9' * 17}", "a1:chart:0",
    "w1:remove", "x9:whatever", "p1:list:next:0:bogus::",
    "q1:yes:0", "f1:0123456789abcdef", "z9:" + "z" * 97,
)  # fmt: skip
"""Fields that no version ever wrote."""
BEYOND = (
    "p1:nodes:last:99999:::", "p1:capacity:refresh:99999:::", "p1:list:next:99999:running:qemu:pve1",
    "p1:watch:next:99999:::", "p1:history:last:99999:999999999", "p1:doctor:last:999",
    f"p1:audit:last:9999999:999999999:{'9' * 19}:{'z' * 24}:{'9' * 11}:{'9' * 9}:1",
    f"p1:audit:first:0::{'9' * 19}::::0", "p1:list:first:0:::~0123456789ab:cpu:~0123456789ab:~0123456789ab",
    f"p3:l:n:{'z' * 3}:::",
)  # fmt: skip
"""Pages, people and times far out of range. Each is answered with the nearest one that exists."""


async def test_forged_presses_are_refused_or_answered_and_never_fail(bare_scene: Stage, pve: Pve) -> None:
    scene, cast = bare_scene, Cast(bare_scene)
    await scene.start_bot(**cast.settings)
    admin = cast["admin"]
    post = post_of(await scene.say(admin, "status"))
    asked = len(pve.requests)
    for custom_id in UNKNOWN:
        reply = await scene.press(admin, post, custom_id, force=True)
        assert reply.text.endswith(scene.told(admin, QuestionOver())), custom_id
    for values in ([], ["101", "103"], ["a" * 100], ["0101"], ["pve1/101"], ["\ud800"]):
        for menu in ("s1:guest", "s1:node", "s2:*:guest"):
            reply = await scene.choose(admin, post, menu, values)
            assert reply.followups or reply.ephemeral, (menu, values)
    assert len(pve.requests) == asked
    for custom_id in BEYOND:
        reply = await scene.press(admin, post, custom_id, force=True)
        assert reply.text.startswith("### "), (custom_id, reply.text)
    for custom_id in ("c1:day::npve9", "n1:chart:pve9", "p1:nodes:refresh:0:::pve9"):
        reply = await scene.press(admin, post, custom_id, force=True)
        assert reply.text.endswith(scene.told(admin, UnknownNode("pve9"))), custom_id
    unknown = await scene.press(admin, post, "d1:refresh:0123456789abcdef", force=True)
    assert unknown.text.endswith(scene.told(admin, NoSuchDashboard("0123456789abcdef")))
