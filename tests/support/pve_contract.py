"""Define every request that the bot may send to Proxmox VE: only the endpoints it uses.

Written by hand from the API viewer of Proxmox VE 8.4, 9.1 and 9.2. Values are text, as they are sent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.guest import Kind
from tests.support.catalogue import words_of_power

ALL_VERSIONS = ("8.4.5", "9.1", "9.2")


@dataclass(frozen=True)
class ValueForm:
    """Describe a value as it is sent. `type` is the type name in Proxmox' schema."""

    type: str
    pattern: str
    required: bool = False


_DNS = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_NODE = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"  # JSONSchema.pm and UPID.pm set no maximum length
NODE = ValueForm("string", _NODE)
VMID = ValueForm("integer", r"[1-9]\d{2,8}")
SNAPSHOT = ValueForm("string", r"[a-zA-Z][a-zA-Z0-9_-]{1,39}", required=True)
UPID = ValueForm(
    "string",
    rf"UPID:{_NODE}:[0-9A-Fa-f]{{8}}:[0-9A-Fa-f]{{8,9}}:[0-9A-Fa-f]{{8}}(?::[^:\s/?#%]*){{2}}:[^:\s/]+:",
)
FLAG = ValueForm("boolean", "[01]")
COUNT = ValueForm("integer", r"\d{1,9}")
UNIX = ValueForm("integer", r"\d{1,11}")
CORES = ValueForm("integer", r"[1-9]\d{0,3}")
MEMORY = ValueForm("integer", r"1[6-9]|[2-9]\d|[1-9]\d{2,6}")
MEMORY_QEMU = ValueForm("string", MEMORY.pattern)
DIGEST = ValueForm("string", r"[0-9a-f]{40}")
NAME = ValueForm("string", rf"(?:{_DNS}\.)*{_DNS}")
TEXT = ValueForm("string", r"[\s\S]{1,8192}")
NEW_VMID = ValueForm("integer", VMID.pattern, required=True)


def word(*words: str, required: bool = False) -> ValueForm:
    return ValueForm("string", "|".join(words), required)


STORAGE = ValueForm("string", r"[a-zA-Z][a-zA-Z0-9._-]*[a-zA-Z0-9]")
HISTORY = {
    "timeframe": word("hour", "day", "week", "month", "year", required=True),
    "cf": word("AVERAGE"),
}
PLACES = {"storage": STORAGE, "node": NODE, "vmid": VMID, "snapname": SNAPSHOT, "upid": UPID}
"""Form of each placeholder in a path."""


@dataclass(frozen=True)
class ContractRow:
    """Describe a request. `path`: with placeholders. `versions`: those of Proxmox VE that have it."""

    method: str
    path: str
    parameters: Mapping[str, ValueForm] = field(default_factory=dict)
    versions: tuple[str, ...] = ALL_VERSIONS

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Return the values in the path, or `None` if the request is for another endpoint than this row's."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]*)", self.path)
        found = re.fullmatch(pattern, path, re.S) if method == self.method else None
        return found.groupdict() if found else None


def _guest_rows(kind: str) -> tuple[ContractRow, ...]:
    guest, qemu = f"/nodes/{{node}}/{kind}/{{vmid}}", kind == "qemu"
    clone = {"newid": NEW_VMID, "target": NODE, "full": FLAG, "name" if qemu else "hostname": NAME}
    snapshot = {"snapname": SNAPSHOT, "description": TEXT} | ({"vmstate": FLAG} if qemu else {})
    config = {"cores": CORES, "memory": MEMORY_QEMU if qemu else MEMORY, "digest": DIGEST}
    return (
        ContractRow("GET", f"{guest}/status/current"),
        ContractRow("GET", f"{guest}/rrddata", HISTORY),
        ContractRow("GET", f"{guest}/config", {"current": FLAG}),
        ContractRow("GET", f"{guest}/pending"),
        ContractRow("GET", f"{guest}/snapshot"),
        ContractRow("GET", f"{guest}/snapshot/{{snapname}}/config"),
        ContractRow("GET", f"{guest}/feature", {"feature": word("snapshot", required=True)}),
        ContractRow("GET", f"{guest}/agent/network-get-interfaces" if qemu else f"{guest}/interfaces"),
        *((ContractRow("GET", f"{guest}/agent/get-fsinfo"),) if qemu else ()),
        *(ContractRow("POST", f"{guest}/status/{action}") for action in words_of_power(Kind(kind))),
        ContractRow("POST", f"{guest}/clone", clone),
        ContractRow("POST" if qemu else "PUT", f"{guest}/config", config),
        ContractRow("DELETE", guest, {"purge": FLAG, "destroy-unreferenced-disks": FLAG}),
        ContractRow("POST", f"{guest}/snapshot", snapshot),
        ContractRow("POST", f"{guest}/snapshot/{{snapname}}/rollback"),
        ContractRow("DELETE", f"{guest}/snapshot/{{snapname}}"),
    )


CONTRACT: tuple[ContractRow, ...] = (
    ContractRow("GET", "/version"),
    ContractRow("GET", "/access/permissions"),
    ContractRow("GET", "/access/users", {"full": FLAG}),
    ContractRow("GET", "/cluster/options"),
    ContractRow("GET", "/cluster/resources"),
    ContractRow("GET", "/cluster/tasks"),
    ContractRow("GET", "/cluster/nextid"),
    ContractRow(
        "GET",
        "/nodes/{node}/tasks",
        {
            "vmid": VMID,
            "limit": COUNT,
            "source": word("archive", "active", "all"),
            "typefilter": word("vzdump"),
            "errors": FLAG,
            "since": UNIX,
        },
    ),
    ContractRow("GET", "/cluster/ha/status/current"),
    ContractRow("GET", "/nodes/{node}/status"),
    ContractRow(
        "GET",
        "/nodes/{node}/storage/{storage}/rrddata",
        {"timeframe": word("week", required=True), "cf": word("AVERAGE")},
    ),
    ContractRow("GET", "/nodes/{node}/rrddata", HISTORY),
    ContractRow("GET", "/nodes/{node}/tasks/{upid}/status"),
    ContractRow("GET", "/nodes/{node}/tasks/{upid}/log", {"start": COUNT, "limit": COUNT}),
    ContractRow("GET", "/nodes/{node}/storage", {"content": word("backup"), "enabled": FLAG}),
    ContractRow("GET", "/nodes/{node}/storage/{storage}/content", {"content": word("backup"), "vmid": VMID}),
    *_guest_rows("qemu"),
    *_guest_rows("lxc"),
)


def row_of(method: str, path: str) -> ContractRow | None:
    """Return the row that matches a request."""
    return next((row for row in CONTRACT if row.match(method, path) is not None), None)


def complaints(method: str, path: str, values: Mapping[str, object]) -> list[str]:
    """Return the faults of a request; an empty list if it keeps the contract."""
    row = row_of(method, path)
    if row is None:
        return [f"{method} {path}: not an endpoint of the bot"]
    here = f"{method} {row.path}"
    places = row.match(method, path) or {}
    found = [
        f"{here}: {name} in the path is {value!r}"
        for name, value in places.items()
        if not re.fullmatch(PLACES[name].pattern, value)
    ]
    for name, value in values.items():
        form = row.parameters.get(name)
        if form is None:
            found.append(f"{here}: no parameter {name}")
        elif not isinstance(value, str) or not re.fullmatch(form.pattern, value):
            found.append(f"{here}: {name} is {value!r}")
    found += [
        f"{here}: {name} is missing"
        for name, form in row.parameters.items()
        if form.required and name not in values
    ]
    return found
