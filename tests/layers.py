"""Who may import whom and who may call what, read from the sources.

A rule is a function from the sources to its violations. An import counts wherever it stands: in a
function, under TYPE_CHECKING, or as `import_module("name")`.
"""

import ast
import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("image_core", "rl", "seqgan")
Sources = Mapping[str, str]
"""Texts of files by their paths from the root."""

SOURCES: Sources = {
    file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8")
    for name in PACKAGES
    for file in sorted((ROOT / name).rglob("*.py"))
}

# -------------------------------------------------------------------------------------- imports


class Import(NamedTuple):
    """One import of one of our own modules.

    Args:
        path: the file that imports.
        name: full name of what is imported.
        lazy: whether it happens inside a function, or for a type checker alone.
    """

    path: str
    name: str
    lazy: bool

    def told(self) -> str:
        """As a violation."""
        return f"{self.path}: {self.name}"


class Facts(NamedTuple):
    """What the rules ask of a source.

    Args:
        imports: each imported module by its full name, and whether that is lazy.
        classes: names of the classes of the module itself.
        calls: calls of what only the engine may.
        pickled: switches and functions that might run a pickle.
    """

    imports: list[tuple[str, bool]]
    classes: list[str]
    calls: list[str]
    pickled: list[str]


SAFE = {"allow_pickle": "False", "weights_only": "True"}


@functools.cache
def facts(source: str, path: str) -> Facts:
    """The facts of a source, found in one walk."""
    package, tree = path.removesuffix(".py").split("/")[:-1], ast.parse(source)
    found = Facts([], [n.name for n in tree.body if isinstance(n, ast.ClassDef)], [], [])
    todo: list[tuple[ast.AST, bool]] = [(tree, False)]
    while todo:
        node, lazy = todo.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                lazy = True
            case ast.If():
                lazy = lazy or ast.unparse(node.test) == "TYPE_CHECKING"
            case ast.Import(names=names):
                found.imports.extend((alias.name, lazy) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = package[: len(package) - level + 1] if level else []
                name = ".".join([*base, *([module] if module else [])])
                found.imports.extend((f"{name}.{alias.name}", lazy) for alias in names)
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)):
                found.imports.extend((name, lazy) for name in imported_by(called, node.args))
                if moves(node, called):
                    found.calls.append(ast.unparse(node))
            case ast.keyword(arg=arg, value=value) if arg in SAFE:
                if ast.unparse(value) != SAFE[arg]:
                    found.pickled.append(f"{arg}={ast.unparse(value)}")
            case ast.Attribute(attr="read_pickle" | "to_pickle"):
                found.pickled.append(ast.unparse(node))
        todo += [(child, lazy) for child in ast.iter_child_nodes(node)]
    return found


def imported_by(called: str, args: list[ast.expr]) -> list[str]:
    """The module that a call imports by a name in quotes."""
    if called not in ("import_module", "__import__", "find_spec"):
        return []
    return [a.value for a in args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str)]


def moves(call: ast.Call, called: str) -> bool:
    """Whether a method differentiates a loss or moves weights; a policy's `step` has arguments."""
    if not isinstance(call.func, ast.Attribute):
        return False
    if called != "step":
        return called in ("backward", "zero_grad")
    owner = ast.unparse(call.func.value).lower()
    return not call.args or any(word in owner for word in ("optim", "sched", "scaler"))


def inside(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def ours(sources: Sources) -> Iterator[Import]:
    """Every import of our own modules."""
    for path, source in sources.items():
        for name, lazy in facts(source, path).imports:
            if inside(name, *PACKAGES):
                yield Import(path, name, lazy)


# ------------------------------------------------------------------------- rules 1 to 6: packages

CORE, RUNS = "image_core.adversarial", "image_core.runs"
FILES = ("image_core.archives", "image_core.packed")
DOMAINS = tuple(
    f"seqgan.{name}"
    for name in ("text", "discrete", "dialogue", "retrieval", "text2image", "decipher", "vqa")
)
FRONT = ("seqgan.commands", "seqgan.cli", "seqgan.__main__", "seqgan.games", "seqgan")
"""Who may name a domain or rl, lazily; `seqgan` is `seqgan/__init__.py`."""

SHARED = {
    "seqgan.metrics": ("seqgan.metrics",),
    "seqgan.data": ("seqgan.data",),
    "seqgan.lm": ("seqgan.lm", "seqgan.data", "seqgan.metrics"),
    "seqgan.judges": ("seqgan.judges", "seqgan.lm", "seqgan.data", "seqgan.metrics"),
}
"""Rooms of seqgan that the domains share, and what of seqgan each may import."""


def core_stands_alone(sources: Sources) -> list[str]:
    """1. The core imports only itself; runs the core, itself, and memory.py and student.py."""
    allowed = {CORE: (CORE,), RUNS: (CORE, RUNS, "image_core.memory", "image_core.student")}
    return [
        i.told()
        for i in ours(sources)
        for room, others in allowed.items()
        if inside(module_of(i.path), room) and not inside(i.name, *others)
    ]


def image_core_is_layered(sources: Sources) -> list[str]:
    """2. data, nets, metrics < games < recipes; only recipes use runs; no other package."""
    low = tuple(f"image_core.{name}" for name in ("data", "nets", "metrics"))
    allowed = {
        **dict.fromkeys(low, (CORE, *FILES, *low)),
        "image_core.games": (CORE, *low, "image_core.games"),
        "image_core.recipes": ("image_core",),
        "image_core.memory": (),
        "image_core.student": (),
        **dict.fromkeys(FILES, (CORE, *FILES)),
    }
    return [
        i.told()
        for i in ours(sources)
        for room, others in allowed.items()
        if inside(module_of(i.path), room) and not inside(i.name, *others)
    ]


def rl_knows_the_core(sources: Sources) -> list[str]:
    """3. rl imports core, itself, archives.py and packed.py; its recipes runs too."""
    wrong = []
    for i in ours(sources):
        if inside(module_of(i.path), "rl.recipes"):
            allowed = inside(i.name, "rl", CORE, RUNS)
        elif inside(module_of(i.path), "rl"):
            allowed = inside(i.name, "rl", CORE, *FILES) and not inside(i.name, "rl.recipes")
        else:
            continue
        if not allowed:
            wrong.append(i.told())
    return wrong


def shared_rooms_are_layered(sources: Sources) -> list[str]:
    """4. data < lm < judges; metrics imports none of these."""
    return [
        i.told()
        for i in ours(sources)
        for room, others in SHARED.items()
        if inside(module_of(i.path), room)
        and inside(i.name, "seqgan")
        and not inside(i.name, *others)
    ]


def domains_know_each_other_not(sources: Sources) -> list[str]:
    """5. A domain imports no other domain, and not rl."""
    return [
        i.told()
        for i in ours(sources)
        for domain in DOMAINS
        if inside(module_of(i.path), domain)
        and inside(i.name, "rl", *DOMAINS)
        and not inside(i.name, domain)
    ]


def only_the_front_names_domains(sources: Sources) -> list[str]:
    """6. Only commands, cli, games and the facade name a domain or rl; nobody imports them."""
    rooms = {
        path.split("/")[1].removesuffix(".py") for path in SOURCES if path.startswith("seqgan")
    }
    wrong = []
    for i in ours(sources):
        module = module_of(i.path)
        front = module in FRONT or inside(module, "seqgan.commands")
        names = inside(i.name, "rl", *DOMAINS)
        at_home = inside(module, "rl", *DOMAINS)  # rules 3 and 5
        facade = i.name == "seqgan" or (
            inside(i.name, "seqgan") and i.name.split(".")[1] not in rooms
        )
        above = facade or inside(i.name, "seqgan.commands", "seqgan.cli", "seqgan.games")
        if (names and not at_home and not (front and i.lazy)) or (above and not front):
            wrong.append(i.told())
    return wrong


# ------------------------------------------------------------------------ rule 7: within a domain

ORDERED = (
    *DOMAINS,
    *(f"image_core.recipes.{name}" for name in ("image", "study", "translate", "attack")),
    "rl.recipes.imitate",
)
LAYERS = {
    # Whatever is not named here is the domain's library
    **dict.fromkeys(("game", "games", "estimation", "controls"), "game"),
    **dict.fromkeys(("fit_game", "fitting", "baseline_rows"), "game"),
    "config": "config",
    **dict.fromkeys(("papers", "build", "soft_build"), "papers"),
    **dict.fromkeys(("report", "card", "suite", "measures", "translated", "drawn"), "report"),
    **dict.fromkeys(("recipe", "oracle_recipe", "run", "work", "warmup"), "recipe"),
    **dict.fromkeys(("sample", "compare", "serve", "loaded", "look", "rivals"), "above"),
}
"""Files and folders of a domain by the layer that they are of."""

ORDER = ("library", "game", "config", "papers", "report", "recipe", "above")


def layer(name: str, domain: str) -> int:
    """The place in `ORDER` of a module of a domain, or of something in it."""
    part = name.removeprefix(domain).removeprefix(".").split(".")[0]
    return ORDER.index(LAYERS.get(part, "library"))


def domains_are_layered(sources: Sources) -> list[str]:
    """7. Within a domain: library < game < config < papers < report < recipe."""
    return [
        i.told()
        for i in ours(sources)
        for domain in ORDERED
        if inside(module_of(i.path), domain)
        and inside(i.name, domain)
        and layer(i.name, domain) > layer(module_of(i.path), domain)
    ]


# --------------------------------------------------------------------- rules 8 and 9: whole tree

Graph = Mapping[str, set[str]]


def circles(graph: Graph) -> list[list[str]]:
    """The strongly connected components of two members or more (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(one: str) -> None:
        index[one] = low[one] = len(index)
        stack.append(one)
        for other in sorted(graph.get(one, ())):
            if other not in index:
                visit(other)
                low[one] = min(low[one], low[other])
            elif other in stack:
                low[one] = min(low[one], index[other])
        if low[one] == index[one]:
            place = stack.index(one)
            if len(stack) - place > 1:
                found.append(sorted(stack[place:]))
            del stack[place:]

    for one in sorted(graph):
        if one not in index:
            visit(one)
    return found


def edges(sources: Sources) -> Iterator[tuple[str, str]]:
    """(a file, a file that it imports), where both are among the sources."""
    files = {module_of(path): path for path in sources}
    for path, name, _ in ours(sources):
        while name not in files and "." in name:
            name = name.rpartition(".")[0]
        if name in files and files[name] != path:
            yield path, files[name]


def folder(path: str) -> str:
    """The folder of a file; what lies within a domain is the domain's."""
    name = path.rpartition("/")[0]
    homes = (domain.replace(".", "/") for domain in DOMAINS)
    return next((home for home in homes if path.startswith(f"{home}/")), name)


def linked(pairs: Iterable[tuple[str, str]]) -> Graph:
    graph: dict[str, set[str]] = defaultdict(set)
    for one, other in pairs:
        if one != other:
            graph[one].add(other)
    return graph


def no_circle(sources: Sources) -> list[str]:
    """8. No circle of files, and none of folders."""
    pairs = list(edges(sources))
    files = circles(linked(pairs))
    folders = circles(linked((folder(one), folder(other)) for one, other in pairs))
    return [f"circle: {' '.join(circle)}" for circle in (*files, *folders)]


SHARED_NAMES = ("Config", "Run", "Options")
"""Each recipe has its `Config` and `Run`, each paper its `Options`."""


def one_class_a_name(sources: Sources) -> list[str]:
    """9. No public class name in two files."""
    places: dict[str, list[str]] = defaultdict(list)
    for path, source in sources.items():
        for name in facts(source, path).classes:
            if not name.startswith("_"):
                places[name].append(path)
    return [
        f"class {name}: {' '.join(paths)}"
        for name, paths in places.items()
        if len(paths) > 1 and name not in SHARED_NAMES
    ]


# ----------------------------------------------------------------------------- what may be called


def wrong_steps(sources: Sources) -> list[str]:
    """Only the engine differentiates a loss and moves weights."""
    return [
        f"{path}: {call}"
        for path, source in sources.items()
        if path != "image_core/adversarial/engine.py"
        for call in facts(source, path).calls
    ]


PICKLES = ("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve")


def pickles(sources: Sources) -> list[str]:
    """Whatever might run a pickle: its modules, and the switches that allow it elsewhere."""
    wrong = []
    for path, source in sources.items():
        found = facts(source, path)
        wrong += [f"{path}: {n}" for n, _ in found.imports if n.split(".")[0] in PICKLES]
        wrong += [f"{path}: {told}" for told in found.pickled]
    return wrong


RULES = (
    core_stands_alone,
    image_core_is_layered,
    rl_knows_the_core,
    shared_rooms_are_layered,
    domains_know_each_other_not,
    only_the_front_names_domains,
    domains_are_layered,
    no_circle,
    one_class_a_name,
    wrong_steps,
    pickles,
)
