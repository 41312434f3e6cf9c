"""Test the shape of the project: which module may import which, names and sizes of files, ignores, docstrings."""

import ast
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOP = {"bot", "bootstrap", "monitor_store", "proxmox_client"}
FOLDERS = ("adapters", "startup", "core", "ui", "cogs")
MAY_KNOW = {
    "bot": {"bootstrap", "startup", "cogs", "ui", "adapters", "monitor_store", "proxmox_client", "core"},
    "bootstrap": {"startup.data_dir", "cogs", "ui", "adapters", "monitor_store", "proxmox_client", "core"},
    "startup": {"ui", "adapters.settings", "core"},
    "startup.health": {"startup", "ui", "adapters", "proxmox_client", "core"},
    "startup.first_run": {"startup", "ui", "adapters", "core"},
    "startup.data_dir": {"ui", "adapters.files", "adapters.journal", "monitor_store", "core"},
    "cogs": {"ui", "core"},
    "ui": {"core"},
    "proxmox_client": {"adapters.proxmox", "core"},
    "monitor_store": {"adapters.files", "core"},
    "adapters.logging_setup": {"adapters.settings", "core"},
    "adapters.heartbeat": {"core"},
    "adapters.charts": {"core"},
    "adapters.settings": {"adapters.files", "core"},
    "adapters.journal": {"adapters.files", "core"},
    "adapters.proxmox": {"core"},
    "adapters.files": {"core"},
    "core": set(),
}
"""The areas that each area may import besides itself. The longest name that fits a module counts."""
FOR_TYPES_ONLY = {
    ("ui.messages.faults", name)
    for name in (
        "adapters.files.data_lock",
        "adapters.files.stored_sites",
        "adapters.journal.store",
        "adapters.settings.load",
        "monitor_store",
    )
}
"""Pairs of a module and a module that it imports for type checkers only.

At run time ui/messages/faults.py finds its sentences by the values of enums, and needs none of these modules.
"""
FOREIGN = {
    "aiohttp": {"startup", "adapters.heartbeat", "ui"},
    "matplotlib": {"adapters.charts.figure"},
    "numpy": set(),
    "PIL": {"adapters.charts.figure"},
    "discord": {"bot", "startup", "cogs", "ui"},
    "proxmoxer": {"adapters.proxmox.transport.connections"},
    "requests": {
        f"adapters.proxmox.transport.{name}" for name in ("lean_requests", "exchange", "connections", "tls")
    },
    "urllib3": {"adapters.proxmox.transport.tls"},
    "msgspec": {"adapters.proxmox.resource_rows"},
    "prometheus_client": {"startup.operating.metrics"},
    "yarl": {"startup", "adapters.heartbeat"},
}
"""The areas or modules that may import a library."""
NEVER = {"playground", "tests", "tools", "bench", "simcord", "fakepve", "pytest", "hypothesis"}
LINES_MOST = 330
FILES_MOST = 15


@dataclass(frozen=True)
class Module:
    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def dotted(self) -> str:
        """The import path, such as `core.access.policy`."""
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def area(self) -> str:
        return area_of(self.dotted)

    @property
    def tree(self) -> ast.Module:
        return _parsed(self.path)

    @property
    def nodes(self) -> tuple[ast.AST, ...]:
        return _nodes(self.path)

    def imports(self) -> Iterator[tuple[str, bool]]:
        """Yield the module of every import, and whether only a type checker sees the import.

        `from a import b` is an import of `a`.
        """
        hidden = {
            id(inner)
            for node in self.nodes
            if isinstance(node, ast.If)
            and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
            for statement in node.body
            for inner in ast.walk(statement)
        }
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((alias.name, id(node) in hidden) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield "." * node.level + (node.module or ""), id(node) in hidden


def lies_in(name: str, area: str) -> bool:
    return name == area or name.startswith(f"{area}.")


def area_of(name: str) -> str:
    """Return the area of an import path: "" for a library, or a package that only holds areas."""
    return max((area for area in MAY_KNOW if lies_in(name, area)), key=len, default="")


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def _nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(_parsed(path)))


@cache
def _import_statements(path: Path) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """Return the imports of a file, and keep nothing else: the trees of all tests would take 180 MB."""
    tree = ast.parse(path.read_text("utf-8"))
    return tuple(node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))


MODULES = [
    Module(path)
    for path in sorted(
        [ROOT / f"{name}.py" for name in TOP]
        + [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    )
]
BESIDE = [
    Module(path)
    for folder in ("playground", "tests", "tools")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
"""The modules that the bot itself never imports."""


def test_every_file_at_the_top_is_known_here() -> None:
    """Give a new file of the bot its place in TOP and MAY_KNOW."""
    assert {path.stem for path in ROOT.glob("*.py")} - {"config"} == TOP


def may_import(module: Module, name: str, types_only: bool) -> bool:
    if name.startswith("."):
        return False  # a relative name has no area
    area, library = area_of(name), name.partition(".")[0]
    if area and area != module.area and not any(lies_in(area, known) for known in MAY_KNOW[module.area]):
        return types_only and (module.dotted, name) in FOR_TYPES_ONLY
    if library in NEVER:
        return False
    return library not in FOREIGN or any(lies_in(module.dotted, place) for place in FOREIGN[library])


def test_imports_go_one_way() -> None:
    wrong = [
        f"{module.name} imports {name}"
        for module in MODULES
        for name, types_only in module.imports()
        if not may_import(module, name, types_only)
    ]
    assert not wrong, "\n".join(wrong)


Graph = Mapping[str, Mapping[str, list[str]]]
"""Who imports whom, and what: file -> imported file -> names, or folder -> imported folder -> sentences."""


def graph_of_files(modules: Sequence[Module] = MODULES) -> dict[str, dict[str, list[str]]]:
    """Return the imports between these files, including those for types and those inside functions."""
    files = {module.name.removesuffix(".py").removesuffix("/__init__"): module.name for module in modules}
    graph: dict[str, dict[str, list[str]]] = {name: {} for name in files.values()}
    for module in modules:
        for node in _import_statements(module.path):
            if isinstance(node, ast.Import):
                wanted = [(alias.name, alias.name) for alias in node.names]
            else:
                wanted = [(f"{node.module}.{alias.name}", alias.name) for alias in node.names]
            for path, name in wanted:
                file = files.get(path.replace(".", "/")) or files.get(
                    path.rpartition(".")[0].replace(".", "/")
                )
                if file is not None:
                    graph[module.name].setdefault(file, []).append(name)
    return graph


def graph_of_folders(files: Graph) -> dict[str, dict[str, list[str]]]:
    """Return the imports between folders. A file at the top is a folder of its own."""

    def folder_of(name: str) -> str:
        return name.rpartition("/")[0] or name

    graph: dict[str, dict[str, list[str]]] = {folder_of(name): {} for name in files}
    for who, imported in files.items():
        for whom, names in imported.items():
            if folder_of(who) != folder_of(whom):
                told = f"{who} imports {', '.join(names)} from {whom}"
                graph[folder_of(who)].setdefault(folder_of(whom), []).append(told)
    return graph


def shortest_cycle(graph: Graph) -> list[str]:
    """Return the nodes of a shortest cycle, with the first one again at the end. Empty if there is no cycle."""
    shortest: list[str] = []
    for start in sorted(graph):
        paths = [[start, whom] for whom in graph[start]]
        seen = set(graph[start])
        for path in paths:  # grows as it is read: a breadth-first search
            if path[-1] == start:
                shortest = min((shortest or path), path, key=len)
                break
            paths += [[*path, whom] for whom in graph[path[-1]] if whom not in seen]
            seen.update(graph[path[-1]])
    return shortest


def cycle_in(graph: Graph) -> str:
    """Describe a shortest cycle and the imports along it; "" if there is no cycle."""
    links = pairwise(shortest_cycle(graph))
    return "".join(f"{who} -> {whom}\n    " + "\n    ".join(graph[who][whom]) + "\n" for who, whom in links)


def test_no_file_is_imported_in_a_circle() -> None:
    cycle = cycle_in(graph_of_files([*MODULES, *BESIDE]))
    assert not cycle, cycle


def test_no_folder_is_imported_in_a_circle() -> None:
    cycle = cycle_in(graph_of_folders(graph_of_files([*MODULES, *BESIDE])))
    assert not cycle, cycle


def test_the_support_of_the_tests_imports_no_test() -> None:
    wrong = [
        f"{who} imports {', '.join(names)} from {whom}"
        for who, imported in graph_of_files(BESIDE).items()
        for whom, names in imported.items()
        if who.startswith("tests/support/")
        and whom.startswith("tests/")
        and not whom.startswith("tests/support/")
    ]
    assert not wrong, "\n".join(wrong)


def test_a_circle_is_found_and_reported() -> None:
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


def modules_of(area: str) -> list[Module]:
    found = [module for module in MODULES if module.area == area]
    assert found
    return found


def test_core_needs_the_standard_library_only() -> None:
    wrong = [
        f"{module.name} imports {name}"
        for module in modules_of("core")
        for name, _ in module.imports()
        if name.split(".")[0] not in ("core", *sys.stdlib_module_names)
    ]
    assert not wrong, "\n".join(wrong)


def test_a_cog_knows_no_other_cog() -> None:
    wrong = [
        f"{module.name} imports {name}"
        for module in modules_of("cogs")
        for name, _ in module.imports()
        if name.split(".")[0] == "cogs"
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_is_imported_by_name_at_run_time() -> None:
    """Find calls that import by name, which would get around the other tests of this file."""
    importing = ("__import__", "import_module", "importlib.import_module", "runpy.run_module")
    wrong = [
        f"{module.name}: {ast.unparse(node)}"
        for module in MODULES
        for node in module.nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func) in importing
    ]
    assert not wrong, "\n".join(wrong)


def test_the_loops_thread_pool_is_used_in_one_place() -> None:
    places = [
        module.name
        for module in MODULES
        for node in module.nodes
        if isinstance(node, ast.Attribute) and node.attr in ("to_thread", "run_in_executor")
    ]
    assert places == ["adapters/proxmox/transport/http.py"]


def test_core_uses_no_clock_file_or_network() -> None:
    world = {"os", "pathlib", "socket", "http", "urllib", "random", "datetime", "subprocess"}
    wrong = []
    for module in modules_of("core"):
        time = set() if module.name == "core/clock.py" else {"time"}
        wrong += [f"{module.name} imports {name}" for name, _ in module.imports() if name in world | time]
        wrong += [
            f"{module.name} sleeps"
            for node in module.nodes
            if time and isinstance(node, ast.Attribute) and ast.unparse(node) == "asyncio.sleep"
        ]
    assert not wrong, "\n".join(wrong)


def test_no_module_has_a_name_that_says_nothing() -> None:
    nothing = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc", "parts", "stuff"}
    files = [
        path
        for path in ROOT.rglob("*.py")
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    ]
    assert len(files) > 50
    assert [path for path in files if nothing & set(path.stem.lower().split("_"))] == []


def folders() -> dict[str, list[str]]:
    """Return the names of the modules in each folder of the project, without the beginning `test_`.

    `__init__` and `__main__` are left out.
    """
    found: dict[str, list[str]] = {}
    for folder in (*FOLDERS, "playground", "tests", "tools"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not path.stem.startswith("__"):
                found.setdefault(path.parent.relative_to(ROOT).as_posix(), []).append(
                    path.stem.removeprefix("test_")
                )
    return found


def test_no_folder_is_crowded() -> None:
    assert {folder: len(names) for folder, names in folders().items() if len(names) > FILES_MOST} == {}


def test_a_prefix_of_three_files_is_a_folder() -> None:
    prefixes = Counter(
        (folder, name.partition("_")[0]) for folder, names in folders().items() for name in names
    )
    assert [shared for shared, count in prefixes.items() if count > 2] == []


def test_no_file_of_the_bot_is_too_long() -> None:
    lines = {module.name: len(module.path.read_text("utf-8").splitlines()) for module in MODULES}
    long = {name: number for name, number in lines.items() if number > LINES_MOST}
    assert long == {}, "split them by idea, and name the parts by what they hold"


def comments(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        yield from (
            token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT
        )


IGNORE = re.compile(r"#\s*(?:noqa|type:\s*ignore|pragma|pylint|nosec|pyright)", re.IGNORECASE)
NOQA = re.compile(r"#\s*noqa:\s*[A-Z]+[0-9]+(?:\s*,\s*[A-Z]+[0-9]+)*\s*(?:-|#|–)\s*\S.{7,}")
TYPE_IGNORE = re.compile(r"#\s*type:\s*ignore\[[a-z, -]+\]\s*#\s*\S.{7,}")


def is_without_reason(text: str) -> bool:
    return bool(IGNORE.search(text)) and not (NOQA.search(text) or TYPE_IGNORE.search(text))


def test_every_ignore_names_its_rule_and_its_reason() -> None:
    ours = [path for folder in ("tests", "tools", "playground") for path in (ROOT / folder).rglob("*.py")]
    wrong = [
        f"{path.relative_to(ROOT)}: {comment}"
        for path in sorted([*ours, *(module.path for module in MODULES)])
        # token by token only where a line looks wrong, perhaps in a string: all files would take seconds
        if any(map(is_without_reason, path.read_text("utf-8").splitlines()))
        for comment in comments(path)
        if is_without_reason(comment)
    ]
    assert not wrong, "\n".join(wrong)


def test_every_file_of_the_bot_has_a_docstring() -> None:
    assert [module.name for module in MODULES if not ast.get_docstring(module.tree)] == []


def called_at_import(tree: ast.Module) -> Iterator[str]:
    """Yield the functions called by statements at the top of a module that are nothing but a call."""
    for statement in tree.body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            yield ast.unparse(statement.value.func)


def test_no_statement_at_the_top_of_a_module_is_a_call() -> None:
    called = [f"{module.name}: {name}()" for module in MODULES for name in called_at_import(module.tree)]
    assert not called, "\n".join(called)
