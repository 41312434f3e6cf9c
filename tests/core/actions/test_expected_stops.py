"""Test expected stops: expected from before the request until they are seen, or for a while after the action."""

import pytest

from core.actions.expected_stops import GRACE_SECONDS, LAG_SECONDS, ExpectedStops
from core.actions.order import Order, Plan
from core.guest_errors import GuestLocked
from core.operations import ACTIONS, OPERATIONS, Operation
from tests.support.fakes import AKIKO, STRANGER, FakeClock, guest
from tests.support.walked import walked


def plan(operation: Operation = Operation.SHUTDOWN, vmid: int = 101) -> Plan:
    return Plan(Order(operation, vmid, AKIKO), guest(vmid))


async def carried_out(
    stops: ExpectedStops, operation: Operation = Operation.SHUTDOWN, *, over: bool = False
) -> None:
    async with stops.expect_stop(plan(operation)) as expectation:
        expectation.sent = True
        expectation.running_again = over


@walked("operation", ACTIONS)
async def test_only_stopping_operations_are_expected_stops(operation: Operation) -> None:
    stops = ExpectedStops(FakeClock())
    async with stops.expect_stop(plan(operation)) as expectation:
        expectation.sent = True
        assert stops.current() == ({101: "Akiko"} if OPERATIONS[operation].stops else {})
    assert stops.current() == ({101: "Akiko"} if OPERATIONS[operation].stops else {})


async def test_a_stop_is_expected_during_the_whole_action_and_a_while_after() -> None:
    clock = FakeClock()
    stops = ExpectedStops(clock)
    async with stops.expect_stop(plan()) as expectation:
        clock.advance(3 * 3600)
        expectation.sent = True
        assert stops.current() == {101: "Akiko"}
    clock.advance(GRACE_SECONDS)
    assert stops.current() == {101: "Akiko"}
    clock.advance(0.1)
    assert stops.current() == {}


async def test_the_wall_clock_does_not_matter() -> None:
    clock = FakeClock()
    stops = ExpectedStops(clock)
    await carried_out(stops)
    clock.unix += 3600
    assert stops.current() == {101: "Akiko"}
    clock.unix -= 7200
    clock.advance(GRACE_SECONDS + 1)
    assert stops.current() == {}


async def test_once_the_guest_runs_again_its_stop_is_expected_only_while_the_list_lags() -> None:
    clock = FakeClock()
    stops = ExpectedStops(clock)
    await carried_out(stops, Operation.REBOOT, over=True)
    clock.advance(LAG_SECONDS)
    assert stops.current() == {101: "Akiko"}
    clock.advance(0.1)
    assert stops.current() == {}


@pytest.mark.parametrize("error", [GuestLocked(101, "web101", "backup"), RuntimeError()])
async def test_refused_stops_are_not_expected(error: Exception) -> None:
    stops = ExpectedStops(FakeClock())
    with pytest.raises(type(error)):
        async with stops.expect_stop(plan()):
            raise error
    assert stops.current() == {}


async def test_a_stop_that_failed_after_sending_is_expected() -> None:
    stops = ExpectedStops(FakeClock())
    with pytest.raises(RuntimeError):  # noqa: PT012  # the block itself fails
        async with stops.expect_stop(plan()) as expectation:
            expectation.sent = True
            raise RuntimeError
    assert stops.current() == {101: "Akiko"}


async def test_a_seen_stop_is_used_up() -> None:
    stops = ExpectedStops(FakeClock())
    await carried_out(stops)
    stops.on_stop_seen(102)
    assert stops.current() == {101: "Akiko"}
    stops.on_stop_seen(101)
    assert stops.current() == {}
    stops.on_stop_seen(101)


async def test_a_stop_seen_while_the_action_runs_is_used_up_with_it() -> None:
    """A shutdown's task may end well after a poll saw the guest stopped. The next stop is a crash."""
    stops = ExpectedStops(FakeClock())
    async with stops.expect_stop(plan()) as expectation:
        expectation.sent = True
        stops.on_stop_seen(101)
        assert stops.current() == {101: "Akiko"}
    assert stops.current() == {}


async def test_a_refused_second_order_leaves_the_first_one_expected() -> None:
    """A guest that did not obey /shutdown in time may still do so after a /stop was refused."""
    stops = ExpectedStops(FakeClock())
    await carried_out(stops)
    second = Plan(Order(Operation.STOP, 101, STRANGER), guest())
    with pytest.raises(GuestLocked):  # noqa: PT012  # the block itself fails
        async with stops.expect_stop(second):
            assert stops.current() == {101: "Stranger"}
            raise GuestLocked(101, "web101", "backup")
    assert stops.current() == {101: "Akiko"}


async def test_guests_do_not_share_an_expectation() -> None:
    clock = FakeClock()
    stops = ExpectedStops(clock)
    await carried_out(stops)
    clock.advance(GRACE_SECONDS / 2)
    async with stops.expect_stop(plan(Operation.STOP, 102)) as expectation:
        expectation.sent = True
        assert stops.current() == {101: "Akiko", 102: "Akiko"}
    clock.advance(GRACE_SECONDS / 2 + 1)
    assert stops.current() == {102: "Akiko"}
