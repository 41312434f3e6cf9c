"""Test what counts as healthy."""

from dataclasses import replace

from core.watch.liveness import Vitals, find_ailments
from tests.support.walked import walked

WELL = Vitals(60.0, {"": 179.9}, 89.9, {"": 899.9})


@walked(
    ("vitals", "ailments"),
    [
        (WELL, ()),
        (replace(WELL, waiting={}), ()),
        (replace(WELL, read_ages={"": 180.0}), ("read",)),
        (replace(WELL, interval=5.0), ("read",)),
        (replace(WELL, gateway_age=90.0), ("gateway",)),
        (replace(WELL, gateway_age=None), ("gateway",)),
        (replace(WELL, waiting={"": 900.0}), ("delivery",)),
        (replace(WELL, read_ages={"home": 1.0, "colo": 200.0}), ("read:colo",)),
        (Vitals(60.0, {"home": 999.0}, None, {"home": 1e9}), ("read:home", "delivery:home", "gateway")),
    ],
)
def test_healthy_means_every_sign_of_life(vitals: Vitals, ailments: tuple[str, ...]) -> None:
    assert find_ailments(vitals) == ailments
