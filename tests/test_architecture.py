"""The house's rules about its own shape: who may know whom, and where things stand."""

import ast
import re
import sys
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("core", "ui", "cogs", "parts")
SINGLE = (
    "bot",
    "connection",
    "data_lock",
    "heartbeat",
    "threads",
    "journal",
    "log_setup",
    "monitor_store",
    "proxmox_client",
    "read_only_file",
    "requisites",
    "settings",
    "start_check",
    "wiring",
)
ADAPTERS = set(SINGLE) - {"bot", "connection", "start_check"}
"""What stands in parts/ goes by its own name: each is a part of one adapter, and of nobody else's concern; but for
whole_file, of which all are that keep something in the data directory."""
MAY_KNOW = {
    "bot": {"cogs", "connection", "start_check", "ui", "core", *ADAPTERS},
    "start_check": {"settings", "ui", "core"},
    "wiring": {"ui", "core", *ADAPTERS},
    "connection": {"ui", "core"},
    "log_setup": {"settings"},
    "cogs": {"ui", "core"},
    "ui": {"core"},
    "core": set(),
    "proxmox_client": {
        "core",
        *("proxmox_addresses", "proxmox_backups", "proxmox_calls", "proxmox_lanes", "proxmox_lines"),
        *("proxmox_paths", "proxmox_refusals", "proxmox_rows"),
    },
    "proxmox_backups": {"core"},
    "proxmox_calls": {
        "core",
        *("proxmox_answers", "proxmox_lanes", "proxmox_lines", "proxmox_refusals", "proxmox_tls"),
    },
    "proxmox_lines": {"proxmox_answers", "proxmox_tls"},
    "proxmox_lanes": {"core"},
    "proxmox_answers": {"proxmox_refusals"},
    "proxmox_addresses": set(),
    "proxmox_paths": {"core"},
    "proxmox_refusals": {"core"},
    "proxmox_rows": {"core"},
    "proxmox_tls": {"core"},
    "monitor_store": {"core", "watch_list_format", "whole_file"},
    "read_only_file": {"core", "whole_file"},
    "whole_file": set(),
    "watch_list_format": {"core"},
    "journal": {"core", "journal_audit", "journal_file", "journal_text", "journal_watch"},
    "journal_watch": {"core", "journal_text"},
    "journal_audit": {"core", "journal_text"},
    "journal_text": set(),
    "journal_file": {"core", "journal_copy", "journal_schema", "whole_file"},
    "journal_copy": {"journal_schema"},
    "journal_schema": set(),
    "data_lock": {"whole_file"},
    "requisites": set(),
    "heartbeat": {"core"},
    "threads": set(),
    "settings": {"core", "setting_access", "setting_alerts", "setting_faults", "setting_values"},
    "setting_access": {"core", "setting_faults", "setting_values"},
    "setting_alerts": {"core", "setting_faults", "setting_values"},
    "setting_values": {"core", "setting_faults", "whole_file"},
    "setting_faults": {"core"},
}
FOR_TYPES_ONLY = {("ui/faults.py", name) for name in ("data_lock", "journal", "monitor_store", "settings")}
"""What a type checker alone may see across a border: the faults are told by the words of their enums."""
FOREIGN = {
    "aiohttp": {"connection", "heartbeat", "ui"},
    "discord": {"bot", "cogs", "connection", "start_check", "ui"},
    "proxmoxer": {"proxmox_lines"},
    "requests": {"proxmox_calls", "proxmox_lines", "proxmox_tls"},
    "urllib3": {"proxmox_tls"},
    "yarl": {"connection", "heartbeat"},
}
NEVER = {"playground", "tests", "tools", "bench", "simcord", "fakepve", "pytest", "hypothesis"}
LINES_MOST = 350


@dataclass(frozen=True)
class Module:
    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def room(self) -> str:
        """The first part of its import path, of what stands in parts/ its name."""
        return room_of(".".join(self.path.relative_to(ROOT).with_suffix("").parts))

    @property
    def tree(self) -> ast.Module:
        return _parsed(self.path)

    def imports(self) -> Iterator[tuple[str, bool]]:
        """Every imported module by its full name, and whether a type checker alone sees it."""
        hidden = {
            id(inner)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.If)
            and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
            for statement in node.body
            for inner in ast.walk(statement)
        }
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, id(node) in hidden) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name}: a relative import"
                yield node.module or "", id(node) in hidden


def room_of(name: str) -> str:
    first, _, rest = name.partition(".")
    return rest if first == "parts" and rest != "__init__" else first


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


MODULES = [
    Module(path)
    for path in sorted(
        [ROOT / f"{name}.py" for name in SINGLE]
        + [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    )
]
IDS = [module.name for module in MODULES]
every_module = pytest.mark.parametrize("module", MODULES, ids=IDS)


def test_every_file_at_the_top_is_known_here() -> None:
    """A new file of the bot must be given its place in these rules."""
    assert {path.stem for path in ROOT.glob("*.py")} - {"config"} == set(SINGLE)


@every_module
def test_imports_go_one_way(module: Module) -> None:
    own = set(MAY_KNOW)
    for name, types_only in module.imports():
        room = room_of(name)
        if room in own and room != module.room:
            allowed = room in MAY_KNOW[module.room] or (types_only and (module.name, room) in FOR_TYPES_ONLY)
            assert allowed, f"{module.name} imports {name}"
        assert room not in NEVER, f"{module.name} imports {name}"
        if room in FOREIGN:
            assert module.room in FOREIGN[room], f"{module.name} imports {name}"


Graph = Mapping[str, Mapping[str, list[str]]]
"""Who imports whom, and what: the names, or for folders the imports between their files."""
ONE_FOLDER = {"core/watch": "core"}
"""Folders that count as one: the journal's port, the targets and the audit's posts still stand in core/, and are of
the watch."""


def graph_of_files() -> dict[str, dict[str, list[str]]]:
    """The imports between the product's files, those for types and inside of functions included."""
    files = {module.name.removesuffix(".py").removesuffix("/__init__"): module.name for module in MODULES}
    graph: dict[str, dict[str, list[str]]] = {name: {} for name in files.values()}
    for module in MODULES:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                wanted = [(alias.name, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                wanted = [(f"{node.module}.{alias.name}", alias.name) for alias in node.names]
            else:
                continue
            for path, name in wanted:
                file = files.get(path.replace(".", "/")) or files.get(
                    path.rpartition(".")[0].replace(".", "/")
                )
                if file is not None:
                    graph[module.name].setdefault(file, []).append(name)
    return graph


def graph_of_folders(files: Graph) -> dict[str, dict[str, list[str]]]:
    """The imports between folders. A file at the top is a folder of its own."""

    def folder_of(name: str) -> str:
        folder = name.rpartition("/")[0] or name
        return ONE_FOLDER.get(folder, folder)

    graph: dict[str, dict[str, list[str]]] = {folder_of(name): {} for name in files}
    for who, imported in files.items():
        for whom, names in imported.items():
            if folder_of(who) != folder_of(whom):
                told = f"{who} imports {', '.join(names)} from {whom}"
                graph[folder_of(who)].setdefault(folder_of(whom), []).append(told)
    return graph


def shortest_cycle(graph: Graph) -> list[str]:
    """The nodes of a shortest cycle, its first again at its end; empty where there is none."""
    shortest: list[str] = []
    for start in sorted(graph):
        paths = [[start, whom] for whom in graph[start]]
        seen = set(graph[start])
        for path in paths:  # grows as it is read: a search in breadth
            if path[-1] == start:
                shortest = min((shortest or path), path, key=len)
                break
            paths += [[*path, whom] for whom in graph[path[-1]] if whom not in seen]
            seen.update(graph[path[-1]])
    return shortest


def cycle_in(graph: Graph) -> str:
    """A shortest cycle and what is imported along it, or nothing."""
    links = pairwise(shortest_cycle(graph))
    return "".join(f"{who} -> {whom}\n    " + "\n    ".join(graph[who][whom]) + "\n" for who, whom in links)


def test_no_file_is_imported_in_a_circle() -> None:
    cycle = cycle_in(graph_of_files())
    assert not cycle, cycle


def test_no_folder_is_imported_in_a_circle() -> None:
    cycle = cycle_in(graph_of_folders(graph_of_files()))
    assert not cycle, cycle


def test_a_circle_is_found_and_told() -> None:
    graph = {
        "ui/a.py": {"ui/b.py": ["B"]},
        "ui/b.py": {"core/c.py": ["C"]},
        "core/c.py": {"core/d.py": ["D"], "ui/a.py": ["A", "Again"]},
        "core/d.py": {},
        "ui/e.py": {"ui/a.py": ["A"]},
    }
    told = " ".join(cycle_in(graph).split())
    assert told == "core/c.py -> ui/a.py A Again ui/a.py -> ui/b.py B ui/b.py -> core/c.py C"
    assert cycle_in(graph_of_folders(graph)).splitlines() == [
        "core -> ui",
        "    core/c.py imports A, Again from ui/a.py",
        "ui -> core",
        "    ui/b.py imports C from core/c.py",
    ]
    del graph["ui/b.py"]["core/c.py"]
    assert cycle_in(graph) == cycle_in(graph_of_folders(graph)) == ""


@every_module
def test_the_rules_need_the_standard_library_only(module: Module) -> None:
    if module.room != "core":
        return
    for name, _ in module.imports():
        room = name.split(".")[0]
        assert room == "core" or room in sys.stdlib_module_names, f"{module.name} imports {name}"


@every_module
def test_a_cog_knows_no_other_cog(module: Module) -> None:
    if module.room == "cogs":
        assert [name for name, _ in module.imports() if name.split(".")[0] == "cogs"] == []


@every_module
def test_nothing_is_imported_by_name_at_run_time(module: Module) -> None:
    """importlib and __import__ would go round these rules; the demo is a process of its own."""
    called = {ast.unparse(node.func) for node in ast.walk(module.tree) if isinstance(node, ast.Call)}
    assert not called & {"__import__", "import_module", "importlib.import_module", "runpy.run_module"}


def test_threads_are_made_in_one_place() -> None:
    places = [
        module.name
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in ("to_thread", "run_in_executor")
    ]
    assert places == ["parts/proxmox_calls.py"]


@every_module
def test_the_rules_have_no_clock_file_or_network_of_their_own(module: Module) -> None:
    if module.room != "core":
        return
    modules = {name for name, _ in module.imports()}
    assert not modules & {"os", "pathlib", "socket", "http", "urllib", "random", "datetime", "subprocess"}
    if module.name != "core/clock.py":
        assert "time" not in modules
        slept = [
            node
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "asyncio.sleep"
        ]
        assert slept == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    nothing = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
    files = [
        path
        for path in ROOT.rglob("*.py")
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    ]
    assert len(files) > 50
    assert [path for path in files if nothing & set(path.stem.lower().split("_"))] == []


@every_module
def test_no_file_is_too_long(module: Module) -> None:
    lines = len(module.path.read_text("utf-8").splitlines())
    assert lines <= LINES_MOST


def comments(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        yield from (
            token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT
        )


IGNORE = re.compile(r"#\s*(?:noqa|type:\s*ignore|pragma|pylint|nosec|pyright)", re.IGNORECASE)
NOQA = re.compile(r"#\s*noqa:\s*[A-Z]+[0-9]+(?:\s*,\s*[A-Z]+[0-9]+)*\s*(?:-|#|–)\s*\S.{7,}")
TYPE_IGNORE = re.compile(r"#\s*type:\s*ignore\[[a-z, -]+\]\s*#\s*\S.{7,}")


def test_every_ignore_names_its_rule_and_its_reason() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {comment}"
        for folder in (*ROOMS, "tests", "tools", "playground")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for comment in comments(path)
        if IGNORE.search(comment) and not (NOQA.search(comment) or TYPE_IGNORE.search(comment))
    ]
    for module in MODULES:
        wrong += [
            f"{module.name}: {comment}"
            for comment in comments(module.path)
            if IGNORE.search(comment) and not (NOQA.search(comment) or TYPE_IGNORE.search(comment))
        ]
    assert wrong == []


@every_module
def test_every_file_says_what_it_is_for(module: Module) -> None:
    assert ast.get_docstring(module.tree), module.name


def called_at_import(tree: ast.Module) -> Iterator[str]:
    """The calls that run when a module is imported, decorators and class bodies left out."""
    for statement in tree.body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            yield ast.unparse(statement.value.func)


@every_module
def test_nothing_happens_at_import(module: Module) -> None:
    assert list(called_at_import(module.tree)) == []
