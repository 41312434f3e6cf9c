"""Test that every request of the bot keeps the contract of Proxmox VE: the hand-written one and the published ones.

The published schemas are not part of the project. If a directory with them exists (PVE_CONTRACTS, or
../shared/contracts beside the checkout), the requests and the hand-written table are checked against them too.
"""

import gzip
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.proxmox.health_reads import HealthReads
from core.clock import Clock
from core.entry_point import EntryPoint
from core.errors import BotError
from playground.pve.server import BOT_TOKEN, BOT_USER, Pve
from proxmox_client import Endpoint, ProxmoxClient
from tests.support.client_stage import (
    CHANGES,
    CT,
    READS,
    SECRET,
    UPID,
    VM,
    VM_CHANGES,
    changes_of,
    client_of,
    fill,
    until,
)
from tests.support.pve_contract import (
    ALL_VERSIONS,
    CONTRACT,
    PLACES,
    ContractRow,
    ValueForm,
    complaints,
    row_of,
)
from tests.support.walked import walked

Request = tuple[str, str, dict[str, Any]]

SCHEMAS = sorted(
    Path(os.environ.get("PVE_CONTRACTS") or Path(__file__).parents[3] / "shared" / "contracts").glob(
        "pve-*.json.gz"
    )
)


async def everything_sent() -> list[Request]:
    """Return the requests of every method for both kinds of guest, also with other options and extreme values."""
    with Pve(nodes=("pve1", "pve2")) as pve:
        fill(pve)
        client = client_of(pve)
        for guest in (VM, CT):
            for call in (READS | changes_of(guest)).values():
                await _sent(call(client, guest))
            for extra in (
                client.clone(guest, 999_999_999, "a.b-c.example.jp", target=None, full=False),
                client.clone(guest, 100, "x", target="pve2", full=False),
                client.clone(guest, 100, "x", target=None, full=True),
                client.resize(guest, 1, None, None),
                client.resize(guest, 8192, None, "0" * 40),
                client.resize(guest, None, 16, None),
                client.resize(guest, None, 4_178_944, None),
                client.snapshot_create(guest, "ab", "", False),
                client.snapshot_create(guest, "A" * 40, "説明 & \n", False),
                client.snapshot_delete(guest, "a-_9"),
                client.recent_tasks(replace(guest, node="pve2"), 500),
            ):
                await _sent(extra)
        for upid in (UPID, UPID.replace("100", ""), UPID.replace("C3D4E5", "C3D4E5F")):
            await _sent(client.task_log(upid, 0, 1))
            await _sent(client.task_log(upid, 100_000, 500))
        reads = HealthReads(
            Endpoint((EntryPoint(pve.host, pve.port),), BOT_USER, BOT_TOKEN, SECRET, Path(pve.ca_file))
        )
        for read in (reads.version, reads.rights, reads.options, reads.account):
            await _sent(read())
        point = EntryPoint(pve.host, pve.port)
        several = Endpoint((point, point), BOT_USER, BOT_TOKEN, SECRET, Path(pve.ca_file))
        await ProxmoxClient(several, Clock()).cluster()
        await until(lambda: pve.requests[-1][1] == "/version")  # the check of the other address
        return list(pve.requests)


async def _sent(call: Any) -> None:
    try:
        await call
    except BotError:
        return


@pytest.fixture
async def requests() -> list[Request]:
    return await everything_sent()


async def test_every_request_of_every_method_keeps_the_contract(requests: list[Request]) -> None:
    calls = 2 * (len(READS) + len(CHANGES)) + len(VM_CHANGES)
    assert len(requests) == calls + 2 * 12 + 6 + 4 + 2  # backups ask twice
    assert [complaint for request in requests for complaint in complaints(*request)] == []


async def test_the_contract_has_no_row_that_is_not_used(requests: list[Request]) -> None:
    used = {(method, path, name) for method, path, values in requests for name in ["", *values]}
    for row in CONTRACT:
        for name in ["", *row.parameters]:
            assert any(row.match(m, p) is not None and name == n for m, p, n in used), (row, name)


@walked(
    ("request_", "wrong"),
    [
        (("GET", "/access/roles", {}), "not an endpoint"),
        (("PUT", "/nodes/pve1/qemu/100/config", {}), "not an endpoint"),
        (("POST", "/nodes/pve1/lxc/100/config", {}), "not an endpoint"),
        (("POST", "/nodes/pve1/qemu/100/status/hibernate", {}), "not an endpoint"),
        (("GET", "/nodes/pve1/qemu/100/status/current/", {}), "not an endpoint"),
        (("GET", "/nodes//qemu/100/config", {}), "node in the path"),
        (("GET", "/nodes/pve1/qemu/99/config", {}), "vmid in the path"),
        (("GET", "/nodes/pve1/qemu/1e3/config", {}), "vmid in the path"),
        (("DELETE", "/nodes/pve1/qemu/100/snapshot/a b", {}), "snapname in the path"),
        (("GET", "/nodes/pve1/tasks/UPID:x/status", {}), "upid in the path"),
        (("GET", "/nodes/pve1/qemu/100/config", {"current": "True"}), "current is 'True'"),
        (("GET", "/nodes/pve1/qemu/100/config", {"current": 1}), "current is 1"),
        (("GET", "/nodes/pve1/qemu/100/config", {"current": ["1", "1"]}), "current is ['1', '1']"),
        (("POST", "/nodes/pve1/qemu/100/clone", {}), "newid is missing"),
        (("POST", "/nodes/pve1/qemu/100/clone", {"newid": "100", "hostname": "x"}), "no parameter hostname"),
        (("POST", "/nodes/pve1/lxc/100/clone", {"newid": "100", "name": "x"}), "no parameter name"),
        (
            ("POST", "/nodes/pve1/lxc/100/snapshot", {"snapname": "ab", "vmstate": "0"}),
            "no parameter vmstate",
        ),
        (("POST", "/nodes/pve1/qemu/100/config", {"memory": "2G"}), "memory is '2G'"),
        (("POST", "/nodes/pve1/qemu/100/config", {"memory": "15"}), "memory is '15'"),
        (("POST", "/nodes/pve1/qemu/100/config", {"cores": "None"}), "cores is 'None'"),
        (("POST", "/nodes/pve1/qemu/100/config", {"cores": "2.0"}), "cores is '2.0'"),
        (("DELETE", "/nodes/pve1/qemu/100", {"force": "1"}), "no parameter force"),
    ],
)
def test_the_contract_finds_faults(request_: Request, wrong: str) -> None:
    (complaint,) = complaints(*request_)
    assert wrong in complaint


if SCHEMAS:
    # Patterns of the formats of the bot's parameters (pve-common JSONSchema.pm).
    FORMATS = {
        "pve-node": r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?",
        "pve-vmid": r"[1-9][0-9]{2,8}",
        "pve-storage-id": r"(?i)[a-z][a-z0-9\-_.]*[a-z0-9]",
        "pve-storage-content": r"(?:images|rootdir|vztmpl|iso|backup|snippets|import|none)",
        "pve-storage-content-list": r"(?:images|rootdir|vztmpl|iso|backup|snippets|import|none)",
        "pve-configid": r"(?i)[a-z][a-z0-9_-]+",
        "dns-name": r"(?i)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?",
    }

    def published(file: Path) -> dict[str, Any]:
        paths: dict[str, Any] = json.loads(gzip.decompress(file.read_bytes()))["paths"]
        return paths

    def declared(paths: dict[str, Any], row: ContractRow) -> dict[str, Any]:
        parameters = paths[row.path][row.method]["parameters"]
        assert parameters.get("additionalProperties") == 0
        properties: dict[str, Any] = parameters.get("properties", {})
        return properties

    def check(name: str, schema: dict[str, Any], value: str) -> None:
        """Check a value as JSONSchema.pm check_prop does, for values sent as text."""
        kind = schema.get("type", "string")
        if kind == "boolean":
            assert value in ("0", "1"), name
        if kind == "integer":
            assert re.fullmatch(r"-?\d+", value), name
            assert int(schema.get("minimum", value)) <= int(value) <= int(schema.get("maximum", value)), name
        if "enum" in schema:
            assert value in schema["enum"], name
        if "pattern" in schema:
            assert re.fullmatch(schema["pattern"], value), name
        assert int(schema.get("minLength", 0)) <= len(value) <= int(schema.get("maxLength", 10**6)), name
        form = schema.get("format")
        if isinstance(form, dict):
            (default,) = (inner for inner in form.values() if inner.get("default_key"))
            check(name, default, value)
        elif form:
            assert re.fullmatch(FORMATS[form], value), name

    @pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.name)
    async def test_every_request_keeps_the_published_schema(file: Path, requests: list[Request]) -> None:
        paths = published(file)
        for method, path, values in requests:
            row = row_of(method, path)
            assert row is not None
            properties = declared(paths, row)
            given = {**values, **(row.match(method, path) or {})}
            for name, value in given.items():
                check(f"{method} {row.path} {name}={value}", properties[name], value)
            missing = {name for name, schema in properties.items() if not schema.get("optional")} - set(given)
            assert missing == set(), (method, path)

    @pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.name)
    def test_every_row_is_in_the_published_schema(file: Path) -> None:
        paths = published(file)
        version = file.name.removeprefix("pve-").removesuffix(".json.gz")
        assert version in ALL_VERSIONS
        for row in CONTRACT:
            assert row.versions == ALL_VERSIONS
            properties = declared(paths, row)
            places = {name: PLACES[name] for name in re.findall(r"\{(\w+)\}", row.path)}
            forms: dict[str, ValueForm] = {**row.parameters, **places}
            for name, form in forms.items():
                assert properties[name].get("type") == form.type, (row.path, name)
            required = {name for name, schema in properties.items() if not schema.get("optional")}
            assert required == set(places) | {n for n, form in row.parameters.items() if form.required}, (
                row.path
            )

    def test_there_is_a_schema_of_every_version() -> None:
        assert [file.name for file in SCHEMAS] == [f"pve-{version}.json.gz" for version in ALL_VERSIONS]
