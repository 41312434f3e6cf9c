"""Provide a realistic Proxmox VE cluster on loopback, for tests and for the demo.

fakepve speaks Proxmox' API over HTTPS, but differs in places that would mislead a bot. `Pve` corrects them in
layers, one file each: http (rights, parameters, network faults), tasks, task_lists, guest_config, power, guests,
metrics, history, resources, node_facts, serving (start and stop), others (other people's actions), scenes (events in
the cluster), accounts (users, tokens, options of the datacenter, certificates). This file adds the bot's rights. The
cluster runs on a thread with its own event loop, so synchronous and asynchronous tests use it alike:

    with Pve(nodes=("pve1", "pve2")) as pve:
        secret = pve.give_bot()
        pve.add_vm(100, "web01", node="pve1", status="running")
        api = ProxmoxAPI(pve.host, port=pve.port, user="discordbot@pve", token_name="bot", token_value=secret,
                         verify_ssl=pve.ca_file)

With `time_scale` 0 (the default) every task has ended when its request is answered, unless next_task() says
otherwise. 1 is real time. Guests, tasks and faults may be changed from any thread while it runs.

add_listener("pve2") serves the same cluster at one more port, with that node's certificate. Each of `listeners` can
die, fall silent, hang and be slow: pve.call(pve.listeners[0].kill()).

From fakepve, with the configuration of a real guest added by guest_config: add_vm, add_ct.
From fakepve itself: add_node, grant, fail(method, path_end, status, message, times=…), snapshot_lock, unlock,
lose_quorum, regain_quorum, slow_network, flaky_network, time_scale, and the coroutine hold_config_lock:
pve.call(pve.hold_config_lock(100, None)).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from playground.pve.accounts import Accounts
from playground.pve.network.http import ON_8
from playground.pve.plan import TaskPlan

__all__ = ["BOT_PRIVILEGES", "BOT_TOKEN", "BOT_USER", "Pve", "TaskPlan"]

BOT_USER = "discordbot@pve"
BOT_TOKEN = "bot"
# The bot's privileges, as docs/proxmox.md tells people to grant them (all roles; a test compares them).
BOT_PRIVILEGES = (
    "VM.Audit",
    "VM.PowerMgmt",
    "VM.Snapshot",
    "VM.Clone",
    "VM.Allocate",
    "VM.Config.CPU",
    "VM.Config.Memory",
    "VM.GuestAgent.Audit",
    "VM.Backup",
    "Datastore.AllocateSpace",
    "SDN.Use",
    "Sys.Audit",
    "Datastore.Audit",
    "Pool.Audit",
)


class Pve(Accounts):
    """A cluster that serves during the `with` block (or between open() and close()).

    host, port: its address; port 0 takes a free one, known after open(). seed: for the usage of guests and nodes.
    old_ca: the root CA has no keyUsage, as on clusters installed before 2026-03. version: 8.4 and 9.x differ in some
    answers and in the privilege for the guest agent.
    """

    def give_bot(
        self,
        user: str = BOT_USER,
        token: str = BOT_TOKEN,
        value: str | None = None,
        *,
        privileges: Iterable[str] = BOT_PRIVILEGES,
        path: str = "/",
        privsep: bool = True,
    ) -> str:
        """Create a user and a token with the bot's privileges on `path`, and return the token's secret.

        With privilege separation (Proxmox' default) user and token both get the ACL. Call this again
        for other tokens. From the first call on, only root@pam and its tokens have rights without an ACL.
        """
        value = value or secrets.token_hex(16)
        if self.is_old:
            privileges = [ON_8.get(name, name) for name in privileges]
        tokenid = f"{user}!{token}"
        self.apitokens[tokenid] = value
        self.grant(user, path, *privileges)
        if privsep:
            self.grant(tokenid, path, *privileges)
        else:
            self.full_tokens.add(tokenid)
        return value
