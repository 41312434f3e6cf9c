"""Find the guest that an action or a view is about: on any node, and only for people who may know of it."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from core.access.authorizer import Check
from core.clock import Clock
from core.cluster.cache import FRESH_SECONDS, ClusterCache
from core.guest import Guest
from core.guest_errors import GuestNotFound
from core.proxmox import Proxmox
from core.proxmox_errors import GuestMoved, NodeUnreachable
from core.validation import checked_vmid

T = TypeVar("T")

REFUSAL_SECONDS = 3.0
"""Minimum seconds between two reads that only confirm a refusal: refused attempts must not keep Proxmox busy."""


class GuestFinder:
    """Find guests in the list, and read them on their node.

    A guest from the list is checked with the caller's `check` before it is returned or read.
    """

    def __init__(self, proxmox: Proxmox, cluster_cache: ClusterCache, clock: Clock) -> None:
        self._proxmox, self._cluster_cache, self._clock = proxmox, cluster_cache, clock
        self._refusal_read: float | None = None

    async def find(self, vmid: int, check: Check, *, max_age: float = FRESH_SECONDS) -> Guest:
        """Return the guest from the list. A list that permits the action is at most `max_age` seconds old.

        `max_age`: as in `ClusterCache.read`.
        A refused person does not cause a new read each time. A new permission takes effect within REFUSAL_SECONDS
        seconds.
        Raises: BadVmid, GuestNotFound, ProxmoxError, and the refusal of `check`.
        """
        checked_vmid(vmid)
        last, age, allowed = self._cluster_cache.last, max_age, None
        if last is not None and self._clock.monotonic() - last.read_at < FRESH_SECONDS:
            known = last.find(vmid)
            if known is None or check(known):
                age = self._refusal_age()
            else:
                allowed = known
        guest = (await self._cluster_cache.read(age)).find(vmid)
        if age > max_age and guest is not None and check(guest) is None:
            # it may come from a read that began before this call: enough for a refusal only
            guest = (await self._cluster_cache.read(max_age)).find(vmid)
        if guest is None:
            raise GuestNotFound(vmid)
        if guest is not allowed:
            ensure_allowed(check, guest)
        return guest

    def known(self, vmid: int, check: Check) -> Guest | None:
        """Return the guest as last listed, however long ago.

        It is for reads that begin before `find` decides access. Nothing that they read may be shown before that.
        None if it is not listed, its node is offline, or `check` refuses it.
        """
        last = self._cluster_cache.last
        guest = last.find(vmid) if last else None
        if last is None or guest is None or not last.node_online(guest.node) or check(guest):
            return None
        return guest

    def _refusal_age(self) -> float:
        """Return the maximum age in seconds of a list that refuses something.

        The guest or its tags may be new: the list is read again, but at most once in REFUSAL_SECONDS seconds.
        """
        now = self._clock.monotonic()
        if self._refusal_read is not None and now - self._refusal_read < REFUSAL_SECONDS:
            return REFUSAL_SECONDS
        self._refusal_read = now
        return 0.0

    async def run_unchecked(
        self, vmid: int, work: Callable[[Guest], Awaitable[T]], check: Check, max_age: float
    ) -> T:
        """Run `work` with the guest as it is now, on any node. If the guest moves meanwhile, find it once more.

        Only the listed guest is checked: `work` itself must check the guest that it gets, and change nothing.
        Raises: BadVmid, GuestNotFound, ProxmoxError, the refusal of `check`, and the errors of `work`.
        """
        guest = await self.find(vmid, check, max_age=max_age)
        try:
            return await work(await self.status(guest))
        except GuestMoved:
            return await work(await self.status(await self.find_moved(guest, check)))

    async def run_on_listed(self, vmid: int, work: Callable[[Guest], Awaitable[T]], check: Check) -> T:
        """Run `work` with the guest as listed, without reading its status. If the guest has moved, find it once more.

        `work` must change nothing, and must itself ask Proxmox about the guest.
        Raises: BadVmid, GuestNotFound, ProxmoxError, the refusal of `check`, and the errors of `work`.
        """
        guest = await self.find(vmid, check)
        self._ensure_online(guest)
        try:
            return await work(guest)
        except GuestMoved:
            return await work(await self.find_moved(guest, check))

    async def find_moved(self, guest: Guest, check: Check) -> Guest:
        """Read the list again to find a guest that has left its listed node.

        Raises: GuestNotFound, ProxmoxError, and the refusal of `check`.
        """
        self._cluster_cache.drop_overlay(guest.vmid)
        moved = (await self._cluster_cache.read(max_age=0)).find(guest.vmid)
        if moved is None or moved.node == guest.node:
            raise GuestNotFound(guest.vmid) from None
        ensure_allowed(check, moved)
        return moved

    async def locate(self, vmid: int, check: Check, *, max_age: float = FRESH_SECONDS) -> Guest:
        """Return the guest as it is now, on any node. `check` must allow it as listed and as it is now.

        Raises: BadVmid, GuestNotFound, ProxmoxError, and the refusal of `check`.
        """

        async def checked(guest: Guest) -> Guest:
            ensure_allowed(check, guest)
            return guest

        return await self.run_unchecked(vmid, checked, check, max_age)

    async def status(self, listed: Guest) -> Guest:
        """Return a listed guest as it is now.

        Raises: ProxmoxError; GuestMoved if it is not on its listed node, NodeUnreachable if that is offline.
        """
        self._ensure_online(listed)
        return await self._proxmox.status(listed)

    def _ensure_online(self, listed: Guest) -> None:
        if self._cluster_cache.last and not self._cluster_cache.last.node_online(listed.node):
            raise NodeUnreachable(listed.node)


def ensure_allowed(check: Check, guest: Guest) -> None:
    """Raise the refusal of `check`, if it refuses this guest."""
    if refusal := check(guest):
        raise refusal
