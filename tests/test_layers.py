"""Who may import whom, who may call what, and what stays unloaded. Read from the sources.

Every rule is a function from the sources to its violations, and is shown red on offending ones. An
import counts wherever it stands: in a function, under TYPE_CHECKING, or as `import_module("name")`.
"""

import ast
import functools
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("image_core", "rl", "seqgan")
Sources = Mapping[str, str]
"""Texts of files by their paths from the root."""

SOURCES: Sources = {
    file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8")
    for package in PACKAGES
    for file in sorted((ROOT / package).rglob("*.py"))
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


@functools.cache
def imports(source: str, path: str) -> tuple[tuple[str, bool], ...]:
    """Each imported module by its full name, and whether that is lazy."""
    package = path.removesuffix(".py").split("/")[:-1]

    def visit(node: ast.AST, lazy: bool) -> Iterator[tuple[str, bool]]:
        lazy = lazy or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        lazy = lazy or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        match node:
            case ast.Import(names=names):
                yield from ((alias.name, lazy) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = package[: len(package) - level + 1] if level else []
                name = ".".join([*base, *([module] if module else [])])
                yield from ((f"{name}.{alias.name}", lazy) for alias in names)
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=args):
                if called in ("import_module", "__import__", "find_spec"):
                    for arg in args[:1]:
                        if isinstance(arg, ast.Constant) and isinstance(arg.value, str):
                            yield arg.value, lazy
        for child in ast.iter_child_nodes(node):
            yield from visit(child, lazy)

    return tuple(visit(ast.parse(source), False))


def inside(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def ours(sources: Sources) -> Iterator[Import]:
    """Every import of our own modules."""
    for path, source in sources.items():
        for name, lazy in imports(source, path):
            if inside(name, *PACKAGES):
                yield Import(path, name, lazy)


# ------------------------------------------------------------------------- rules 1 to 6: packages

CORE, RUNS = "image_core.adversarial", "image_core.runs"
DOMAINS = tuple(
    f"seqgan.{name}"
    for name in ("text", "discrete", "dialogue", "retrieval", "text2image", "decipher")
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
        **dict.fromkeys(low, (CORE, *low)),
        "image_core.games": (CORE, *low, "image_core.games"),
        "image_core.recipes": ("image_core",),
        "image_core.memory": (),
        "image_core.student": (),
    }
    return [
        i.told()
        for i in ours(sources)
        for room, others in allowed.items()
        if inside(module_of(i.path), room) and not inside(i.name, *others)
    ]


def rl_knows_the_core(sources: Sources) -> list[str]:
    """3. rl imports the core and itself, its recipes runs too; only recipes import recipes."""
    wrong = []
    for i in ours(sources):
        if inside(module_of(i.path), "rl.recipes"):
            allowed = inside(i.name, "rl", CORE, RUNS)
        elif inside(module_of(i.path), "rl"):
            allowed = inside(i.name, "rl", CORE) and not inside(i.name, "rl.recipes")
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
    *(f"image_core.recipes.{name}" for name in ("image", "study", "translate")),
    "rl.recipes.imitate",
)
LAYERS = {
    # Whatever is not named here is the domain's library
    **dict.fromkeys(("game", "games", "estimation", "controls"), "game"),
    **dict.fromkeys(("fit_game", "fitting", "baseline_rows"), "game"),
    "config": "config",
    **dict.fromkeys(("papers", "build", "soft_build"), "papers"),
    **dict.fromkeys(("report", "card"), "report"),
    **dict.fromkeys(("recipe", "oracle_recipe", "run", "work", "warmup"), "recipe"),
    **dict.fromkeys(("sample", "compare", "serve", "loaded", "look"), "above"),
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
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path)
    return [
        f"class {name}: {' '.join(paths)}"
        for name, paths in places.items()
        if len(paths) > 1 and name not in SHARED_NAMES
    ]


# ----------------------------------------------------------------------------- what may be called


def wrong_steps(sources: Sources) -> list[str]:
    """Only the engine differentiates a loss and moves weights.

    A policy and an environment have a `step` too, with arguments; an optimizer's has none.
    """
    wrong = []
    for path, source in sources.items():
        if path == "image_core/adversarial/engine.py":
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name, owner = node.func.attr, ast.unparse(node.func.value).lower()
                optimizer = any(word in owner for word in ("optim", "sched", "scaler"))
                steps = name == "step" and (optimizer or not node.args)
                if name in ("backward", "zero_grad") or steps:
                    wrong.append(f"{path}: {ast.unparse(node)}")
    return wrong


PICKLES = ("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve")
SAFE = {"allow_pickle": "False", "weights_only": "True"}


def pickles(sources: Sources) -> list[str]:
    """Whatever might run a pickle: its modules, and the switches that allow it elsewhere."""
    wrong = []
    for path, source in sources.items():
        names = (name for name, _ in imports(source, path))
        wrong += [f"{path}: {name}" for name in names if name.split(".")[0] in PICKLES]
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.keyword):
                value = ast.unparse(node.value)
                if value != SAFE.get(node.arg or "", value):
                    wrong.append(f"{path}: {node.arg}={value}")
            if isinstance(node, ast.Attribute) and node.attr in ("read_pickle", "to_pickle"):
                wrong.append(f"{path}: {ast.unparse(node)}")
    return wrong


# ------------------------------------------------------------------------------------- the tests

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


@pytest.mark.parametrize("rule", RULES)
def test_sources_keep_the_rules(rule):
    assert len(SOURCES) > 200
    assert set(rule(SOURCES)) == set()


@pytest.mark.parametrize(
    ("rule", "path", "source", "wrong"),
    [
        (core_stands_alone, "image_core/adversarial/x.py", "import image_core.runs.batches", True),
        (core_stands_alone, "image_core/adversarial/x.py", "from image_core import data", True),
        (core_stands_alone, "image_core/adversarial/x.py", "from ..data import Batches", True),
        (core_stands_alone, "image_core/adversarial/x.py", "from . import losses", False),
        (core_stands_alone, "image_core/adversarial/x.py", "import torch", False),
        (core_stands_alone, "image_core/adversarial/x.py", "def f():\n import seqgan.lm", True),
        (core_stands_alone, "image_core/adversarial/x.py", "if TYPE_CHECKING:\n import rl", True),
        (core_stands_alone, "image_core/runs/x.py", "from image_core.memory import f", False),
        (core_stands_alone, "image_core/runs/x.py", "import_module('seqgan.text')", True),
        (core_stands_alone, "image_core/runs/x.py", "from image_core.data import idx", True),
        (image_core_is_layered, "image_core/nets/x.py", "from ..games import plain", True),
        (image_core_is_layered, "image_core/games/x.py", "from ..nets import dcgan", False),
        (image_core_is_layered, "image_core/games/x.py", "from ..runs import options", True),
        (image_core_is_layered, "image_core/games/x.py", "import image_core.recipes", True),
        (image_core_is_layered, "image_core/recipes/image/x.py", "import image_core.runs", False),
        (image_core_is_layered, "image_core/recipes/image/x.py", "import torch, rl", True),
        (image_core_is_layered, "image_core/data/x.py", "from seqgan.lm import policies", True),
        (image_core_is_layered, "image_core/data/x.py", "from seqgan_of_others import x", False),
        (image_core_is_layered, "image_core/memory.py", "import image_core.data.idx", True),
        (rl_knows_the_core, "rl/x.py", "from image_core.adversarial import losses", False),
        (rl_knows_the_core, "rl/games/x.py", "from image_core.runs import options", True),
        (rl_knows_the_core, "rl/recipes/x.py", "from image_core.runs import options", False),
        (rl_knows_the_core, "rl/x.py", "from rl.recipes import expert", True),
        (rl_knows_the_core, "rl/recipes/x.py", "from image_core.nets import dcgan", True),
        (rl_knows_the_core, "rl/x.py", "def f():\n from seqgan import data", True),
        (rl_knows_the_core, "rl/recipes/x.py", "import_module('seqgan.data')", True),
        (shared_rooms_are_layered, "seqgan/data/x.py", "from seqgan.lm import oracle", True),
        (shared_rooms_are_layered, "seqgan/lm/x.py", "from seqgan.data import encode", False),
        (shared_rooms_are_layered, "seqgan/lm/x.py", "from ..judges import judge", True),
        (shared_rooms_are_layered, "seqgan/judges/x.py", "from seqgan.lm import fit", False),
        (shared_rooms_are_layered, "seqgan/metrics/x.py", "import seqgan.data.source", True),
        (shared_rooms_are_layered, "seqgan/metrics/x.py", "import image_core.runs", False),
        (domains_know_each_other_not, "seqgan/text/x.py", "import seqgan.dialogue.turns", True),
        (domains_know_each_other_not, "seqgan/text/games/x.py", "import rl.policies", True),
        (domains_know_each_other_not, "seqgan/text/x.py", "from .games import policy", False),
        (domains_know_each_other_not, "seqgan/text2image/x.py", "import seqgan.text", True),
        (domains_know_each_other_not, "seqgan/text/x.py", "if TYPE_CHECKING:\n import rl", True),
        (domains_know_each_other_not, "seqgan/text/x.py", "if DEBUGGING:\n import rl", True),
        (domains_know_each_other_not, "seqgan/discrete/x.py", "import seqgan.metrics", False),
        (only_the_front_names_domains, "seqgan/x.py", "def f():\n import rl", True),
        (only_the_front_names_domains, "seqgan/lm/x.py", "def f():\n import seqgan.text", True),
        (only_the_front_names_domains, "seqgan/text/x.py", "import seqgan.text.report", False),
        (only_the_front_names_domains, "seqgan/commands/x.py", "import rl.policies", True),
        (only_the_front_names_domains, "seqgan/commands/x.py", "def f():\n import rl", False),
        (only_the_front_names_domains, "seqgan/__init__.py", "import seqgan.text", True),
        (
            only_the_front_names_domains,
            "seqgan/__init__.py",
            "if TYPE_CHECKING:\n import seqgan.text",
            False,
        ),
        (only_the_front_names_domains, "seqgan/cli.py", "f = import_module('rl.ppo')", True),
        (
            only_the_front_names_domains,
            "seqgan/cli.py",
            "def f():\n return import_module('rl.ppo')",
            False,
        ),
        (only_the_front_names_domains, "seqgan/text/x.py", "from seqgan import Engine", True),
        (only_the_front_names_domains, "seqgan/text/x.py", "from seqgan import metrics", False),
        (only_the_front_names_domains, "seqgan/text/x.py", "import seqgan", True),
        (only_the_front_names_domains, "rl/x.py", "def f():\n import seqgan.commands.list", True),
        (only_the_front_names_domains, "seqgan/text/x.py", "from seqgan.games import irgan", True),
        (domains_are_layered, "seqgan/text/report.py", "from seqgan.text.recipe import Run", True),
        (
            domains_are_layered,
            "seqgan/text/report.py",
            "if TYPE_CHECKING:\n from seqgan.text import recipe",
            True,
        ),
        (domains_are_layered, "seqgan/text/report.py", "from . import config, papers", False),
        (domains_are_layered, "seqgan/text/papers/x.py", "from seqgan.text import config", False),
        (domains_are_layered, "seqgan/text/config.py", "import seqgan.text.papers.x", True),
        (domains_are_layered, "seqgan/text/games/x.py", "import seqgan.text.config", True),
        (domains_are_layered, "seqgan/text/x.py", "def f():\n import seqgan.text.games", True),
        (domains_are_layered, "seqgan/text/games/x.py", "from seqgan.text import rollout", False),
        (domains_are_layered, "seqgan/retrieval/recipe.py", "from .serve import rank", True),
        (domains_are_layered, "seqgan/retrieval/serve.py", "from .recipe import Run", False),
        (domains_are_layered, "seqgan/text/x.py", "import seqgan.dialogue.recipe", False),
        (wrong_steps, "rl/x.py", "loss.mean().backward()", True),
        (wrong_steps, "rl/x.py", "torch.autograd.backward([loss])", True),
        (wrong_steps, "rl/x.py", "model.zero_grad(set_to_none=True)", True),
        (wrong_steps, "rl/x.py", "self.adam.step()", True),
        (wrong_steps, "rl/x.py", "self.optimizers['D'].step(closure)", True),
        (wrong_steps, "rl/x.py", "hidden, state = policy.step(tokens, state)", False),
        (wrong_steps, "rl/x.py", "env.step(action)", False),
        (wrong_steps, "rl/x.py", "torch.autograd.grad(loss, x)", False),
        (wrong_steps, "rl/x.py", "def backward(ctx, up):\n '''loss.backward()'''", False),
        (wrong_steps, "image_core/adversarial/engine.py", "loss.backward()", False),
        (pickles, "rl/x.py", "import pickle", True),
        (pickles, "rl/x.py", "def f():\n from cloudpickle import loads", True),
        (pickles, "rl/x.py", "np.load(file, allow_pickle=True)", True),
        (pickles, "rl/x.py", "np.load(file, allow_pickle=False)", False),
        (pickles, "rl/x.py", "torch.load(file, weights_only=False)", True),
        (pickles, "rl/x.py", "torch.load(file, weights_only=flag)", True),
        (pickles, "rl/x.py", "torch.load(file, weights_only=True)", False),
        (pickles, "rl/x.py", "pandas.read_pickle(file)", True),
        (pickles, "rl/x.py", "'no pickle is run'", False),
    ],
)
def test_the_rules_themselves(rule, path, source, wrong):
    assert bool(rule({path: source})) is wrong


@pytest.mark.parametrize(
    ("rule", "sources", "found"),
    [
        (
            no_circle,
            {"rl/a.py": "import rl.b", "rl/b.py": "import rl.c", "rl/c.py": "import rl.a"},
            ["circle: rl/a.py rl/b.py rl/c.py"],
        ),
        (
            no_circle,
            {"rl/a.py": "from rl.b import B", "rl/b.py": "if TYPE_CHECKING:\n from rl.a import A"},
            ["circle: rl/a.py rl/b.py"],
        ),
        (
            no_circle,
            {"rl/a.py": "from . import b", "rl/b.py": "def f():\n import_module('rl.a')"},
            ["circle: rl/a.py rl/b.py"],
        ),
        (no_circle, {"rl/a.py": "import rl.b, rl.c", "rl/b.py": "import rl.c", "rl/c.py": ""}, []),
        (
            no_circle,
            {"rl/a.py": "import rl.envs.b", "rl/envs/b.py": "", "rl/envs/c.py": "import rl.a"},
            ["circle: rl rl/envs"],
        ),
        (
            no_circle,
            {
                "seqgan/text/a.py": "",
                "seqgan/text/games/b.py": "import seqgan.text.a",
                "seqgan/text/config.py": "import seqgan.text.games.b",
            },
            [],
        ),
        (one_class_a_name, {"rl/a.py": "class A: ...", "rl/b.py": "class B: ..."}, []),
        (
            one_class_a_name,
            {"rl/a.py": "class A: ...", "seqgan/lm/b.py": "class A: ..."},
            ["class A: rl/a.py seqgan/lm/b.py"],
        ),
        (one_class_a_name, {"rl/a.py": "class _A: ...", "rl/b.py": "class _A: ..."}, []),
        (one_class_a_name, {"rl/a.py": "class Config: ...", "rl/b.py": "class Config: ..."}, []),
    ],
)
def test_the_rules_of_the_whole_tree(rule, sources, found):
    assert rule(sources) == found


def loaded(statement: str, names: tuple[str, ...]) -> set[str]:
    """Which of some modules a fresh interpreter has loaded after a statement."""
    code = f"import sys; {statement}; print('\\n:', *(n for n in {names!r} if n in sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition(":")[2].split())


HEAVY = ("torch", "gymnasium", "transformers", "datasets", "accelerate", "matplotlib")
NOT_FOR_TEXT = ("gymnasium", "transformers", "datasets")


def test_importing_the_toolkit_loads_nothing_heavy():
    assert loaded("import seqgan, seqgan.cli", HEAVY) == set()
    assert loaded("import seqgan; seqgan.Engine", HEAVY) == {"torch"}


def test_text_needs_no_environments_and_no_language_models():
    assert loaded("import seqgan.text.recipe", (*NOT_FOR_TEXT, "torch")) == {"torch"}
    assert "datasets" in loaded("import datasets", NOT_FOR_TEXT)


@pytest.mark.parametrize(
    "command",
    [["--help"], ["--version"], ["train", "--help"], ["no such command"], ["list", "papers"]],
)
def test_help_and_mistakes_load_nothing_heavy(command):
    assert loaded(f"from seqgan.cli import main; main({command!r})", HEAVY) == set()
