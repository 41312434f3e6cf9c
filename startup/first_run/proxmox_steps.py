"""Ask for Proxmox' side: the hosts and their certificates, the token and its privileges, the node and the guests."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from adapters.settings.load import EntryPoint, Secret
from core.guest import Guest, State
from core.health.grants import Use, needs_of, token_commands
from core.health.result import Level, Result
from core.readiness import Problem
from startup.doctor.proxmox import ClusterCheck, check_entry_point
from startup.first_run.answers import (
    find_vmids,
    is_none,
    split_hosts,
    split_names,
    split_token,
    token_value,
    yes_or_no,
)
from startup.first_run.draft import Given
from startup.first_run.talk import Row, Talk
from ui.formatting import OK, STATE_EMOJI, more_word, plain
from ui.i18n import N_, Marked

UNTRUSTED = ("tls_untrusted", "tls_other_fingerprint")
GUESTS_SHOWN = 20
USES: tuple[tuple[Use, Marked], ...] = (
    (Use.WATCH, N_("watch only")),
    (Use.POWER, N_("watch, start, stop and reboot")),
    (Use.ALL, N_("everything: also snapshots, create, resize, delete")),
)


def ask_hosts(talk: Talk) -> None:
    """Ask for the hosts, and test name, connection and certificate of each."""
    t, draft = talk.t, talk.draft
    talk.say(
        t(
            "The name or IP address of a Proxmox node. Several nodes of one cluster: separate them with commas."
        )
    )
    before = ", ".join(label(point) for point in draft.points)
    while True:
        hosts = split_hosts(talk.ask(t("Proxmox host"), before))
        if not hosts:
            continue
        before = ", ".join(hosts)
        addresses = talk.parsed("PROXMOX_HOST", hosts)
        if addresses is None:
            continue
        pins = {(point.host, point.port): point.fingerprint for point in draft.points}
        draft.points = tuple(EntryPoint(host, port, pins.get((host, port))) for host, port in addresses)
        usable = [_test_host(talk, at) for at in range(len(draft.points))]
        if all(usable):
            return
        if any(usable) and talk.yes(t("Not all of them work. Keep them and go on?"), default=True):
            return
        if not talk.terminal.interactive:
            talk.wait("")
        talk.say(t("Enter tests them again."))


def _test_host(talk: Talk, at: int) -> bool:
    """Test a host, and ask about its certificate. Return whether it can be used.

    Raises: Back, Cancelled.
    """
    draft, told = talk.draft, set[str]()
    while True:
        point = draft.points[at]
        talk.say(talk.t("Testing {host} …", host=label(point)))
        results = talk.run(check_entry_point(draft.site, point))
        untrusted = next((result for result in results if result.word in UNTRUSTED), None)
        fresh = [result for result in results if result.word not in told and result is not untrusted]
        talk.tell(result for result in fresh if result.level is not Level.UNCHECKED)
        told |= {result.word for result in results if result.level is Level.OK}
        if untrusted is None:
            return all(result.level is not Level.ERROR for result in results)
        if not _trust(talk, at, untrusted.values["fingerprint"]):
            return False


def _trust(talk: Talk, at: int, fingerprint: str) -> bool:
    """Ask about a certificate that no known CA has signed. Return whether it is to be tested again."""
    t, draft = talk.t, talk.draft
    talk.say(
        t(
            "The certificate is not signed by a known CA, which is usual for Proxmox. Its SHA-256 fingerprint is:"
        )
    )
    talk.terminal.copy(f"  {fingerprint}")
    talk.say(
        t(
            "Compare it on the node: `pvenode cert info`, the line of pveproxy-ssl.pem (of pve-ssl.pem if there is "
            "none). Answer y only if they are the same. With a copy of /etc/pve/pve-root-ca.pem on this machine, "
            "type its path instead."
        )
    )
    while True:
        typed = talk.ask(t("Are they the same? [y/N or path]"))
        answer = yes_or_no(typed, default=False)
        if answer:
            points = list(draft.points)
            points[at] = replace(points[at], fingerprint=fingerprint)
            draft.points = tuple(points)
            return True
        if answer is False:
            talk.refuse(t("Then something else answers at this address. Check the address."))
            return False
        path = talk.parsed("PROXMOX_VERIFY_SSL", typed)
        if isinstance(path, Path):
            draft.verify = path.absolute()
            return True


def ask_use(talk: Talk) -> None:
    """Ask what the bot may do, and print the commands that create its token."""
    t, draft = talk.t, talk.draft
    rows = [Row(t(words), t(words)) for _, words in USES]
    uses = [use for use, _ in USES]
    draft.use = uses[talk.choose(t("What may the bot do in Proxmox?"), rows, uses.index(draft.use))]
    while version := talk.ask(
        t("Version of Proxmox VE, 8 or 9 (the web interface shows it)"), str(draft.version)
    ):
        number = re.match(r"\s*([89])(?:\.|\s*$)", version)
        if number:
            draft.version = int(number[1])
            break
        talk.refuse(t("Answer 8 or 9."))
    if draft.use is Use.ALL:
        names = talk.ask(t("Storages for new guests (with commas)"), ", ".join(draft.storages))
        draft.storages = tuple(
            name for name in split_names(names) if re.fullmatch(r"[A-Za-z][\w.-]*", name, re.A)
        )
    talk.say(
        t(
            "Run these commands as root on a node. One of them prints a table with the `value` of the token. "
            "Proxmox shows it only once, and you enter it in the next step:"
        )
    )
    talk.say()
    for line in token_commands(draft.use, draft.version, draft.user, draft.token_name, draft.storages):
        talk.terminal.copy(line)
    talk.say()
    talk.say(t("If a role or the user exists already, Proxmox says so, and the other commands still work."))


def ask_access(talk: Talk) -> None:
    """Ask for the token until Proxmox accepts it, and name what it lacks."""
    draft = talk.draft
    first, known = draft.token is None, draft.token
    while True:
        if not _ask_token(talk, first=first, known=known):
            continue
        first, known = False, None
        if _test_access(talk):
            return


def _ask_token(talk: Talk, *, first: bool, known: Given | None) -> bool:
    """Ask for the name and the value of the token. Return whether both could be right."""
    t, draft = talk.t, talk.draft
    typed = talk.ask(t("Token ID (user@realm!name)"), f"{draft.user}!{draft.token_name}")
    whole = split_token(typed)
    if whole is None:
        talk.refuse(t("That is not a token ID. It looks like {example}.", example="discord-bot@pve!bot"))
        return False
    given: Given | None
    if whole[2]:
        talk.say(t("The value was shown here. Clear the screen afterwards, or make a new value."))
        given = Given(Secret(token_value(whole[2])))
    else:
        kept = t("Token value (not shown; empty: keep it)") if known else t("Token value (not shown)")
        given = talk.secret("PROXMOX_TOKEN_VALUE", kept, first=first) or known
    if given is None:
        return False
    pasted = split_token(given.secret.reveal())
    if pasted is not None and pasted[2]:
        whole = pasted
        given = Given(Secret(pasted[2]), given.file)
    given = Given(Secret(token_value(given.secret.reveal())), given.file)
    parsed = [
        talk.parsed(name, value)
        for name, value in (
            ("PROXMOX_USER", whole[0]),
            ("PROXMOX_TOKEN_NAME", whole[1]),
            ("PROXMOX_TOKEN_VALUE", given.secret.reveal()),
        )
    ]
    if None in parsed:
        return False
    draft.user, draft.token_name, draft.token = parsed[0], parsed[1], given
    return True


def _test_access(talk: Talk) -> bool:
    """Test the token. Return whether it is taken, after the choice to mend what it lacks.

    Raises: Back, Cancelled.
    """
    t, draft = talk.t, talk.draft
    while True:
        results = _read_cluster(talk)
        talk.tell(results)
        wrong = [result for result in results if result.level is not Level.OK]
        if draft.cluster is None and not any(result.word == "token_refused" for result in wrong):
            talk.wait(t("Press Enter to try again"))
            continue
        if draft.cluster is None:
            if not talk.terminal.interactive:
                talk.wait("")
            return False
        if not wrong or not talk.terminal.interactive:
            return True
        if talk.wait(t("Press Enter to check again (s: go on as it is)")).casefold() == "s":
            return True


def _read_cluster(talk: Talk) -> list[Result]:
    """Return the doctor's results over the first host that works. The node is not chosen yet, so it is left out."""
    draft = talk.draft
    talk.say(talk.t("Testing the token …"))
    check, results = None, list[Result]()
    for point in draft.points:
        check = ClusterCheck(draft.site, point, needs_of(draft.use, draft.version))
        results = talk.run(check.run())
        if check.cluster is not None:
            break
    draft.cluster = check.cluster if check else None
    unasked = (Problem.NO_NODE, Problem.NODE_OFFLINE)
    return [
        result
        for result in results
        if not (result.finding and result.finding.problem in unasked) and result.level is not Level.UNCHECKED
    ]


def ask_node(talk: Talk) -> None:
    """Ask for the node of new guests, unless there is only one."""
    t, draft = talk.t, talk.draft
    names = [node.name for node in draft.cluster.nodes] if draft.cluster else []
    if len(names) == 1:
        draft.node = names[0]
    elif names:
        rows = [Row(name, plain(name)) for name in names]
        before = draft.node if draft.node in names else names[0]
        draft.node = names[talk.choose(t("Node for new guests"), rows, names.index(before))]
    else:
        typed = None
        while typed is None:
            typed = talk.parsed("NODE_NAME", talk.ask(t("Node for new guests"), draft.node))
        draft.node = typed
    talk.say(f"{OK} {t('Node: {name}', name=plain(draft.node))}")


def ask_guests(talk: Talk) -> None:
    """Show the guests that the token sees, and ask which of them to watch."""
    t, draft = talk.t, talk.draft
    guests = [guest for guest in draft.cluster.guests if not guest.template] if draft.cluster else []
    if not guests:
        talk.say(t("No guest is visible yet. Watch guests later with `/monitor add`."))
        draft.watched = ()
        return
    talk.say(t.plural("The bot sees {n} guest:", "The bot sees {n} guests:", len(guests)))
    for guest in guests[:GUESTS_SHOWN]:
        talk.say(f"  {_guest(guest)}", indent=4)
    if len(guests) > GUESTS_SHOWN:
        talk.say(f"  {more_word(t, len(guests) - GUESTS_SHOWN)}")
    running = [guest.vmid for guest in guests if guest.state is State.RUNNING]
    everything = [guest.vmid for guest in guests]
    talk.say(
        t(
            "Which of them should be watched from the start? Type VMIDs with commas, “running” for the {n} that "
            "run now, or - for none. Others can be added later with `/monitor add`.",
            n=len(running),
        )
    )
    default = ", ".join(map(str, draft.watched)) or t("running")
    while True:
        typed = talk.ask(t("Guests to watch"), default)
        if is_none(typed):
            draft.watched = ()
            return
        found = running if typed == t("running") else find_vmids(typed, everything)
        if found is not None:
            draft.watched = tuple(found)
            return
        talk.refuse(
            t("Type VMIDs from the list, such as {example}.", example=", ".join(map(str, everything[:2])))
        )


def _guest(guest: Guest) -> str:
    return f"{STATE_EMOJI[guest.state]} {guest.vmid} {plain(guest.name or '?', 40)} ({plain(guest.node, 30)})"


def label(point: EntryPoint) -> str:
    """Return an address as it is typed."""
    host = f"[{point.host}]" if ":" in point.host else point.host
    return host if point.port == 8006 else f"{host}:{point.port}"
