"""Who may import whom, who may call what, and what stays unloaded. Read from the sources.

Every rule is a function from a source text to its violations, and is shown red on an offending one.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("image_core", "rl", "seqgan")
SOURCES = {
    file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8")
    for package in PACKAGES
    for file in sorted((ROOT / package).rglob("*.py"))
}
LAZY = ("seqgan/commands/", "seqgan/cli.py", "seqgan/__init__.py")
"""Files of seqgan that may import rl, inside functions only."""


def imports(source: str, path: str) -> Iterator[tuple[str, bool]]:
    """Each imported module by its full name, and whether that happens inside a function."""
    package = path.removesuffix(".py").split("/")[:-1]

    def visit(node: ast.AST, lazy: bool) -> Iterator[tuple[str, bool]]:
        lazy = lazy or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        # What only a type checker reads is imported by nobody
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

    yield from visit(ast.parse(source), False)


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def wrong_imports(source: str, path: str) -> list[str]:
    """image_core.adversarial <- image_core <- {rl, seqgan}; rl and seqgan know each other not."""
    wrong = []
    for module, lazy in imports(source, path):
        if not any(inside(module, package) for package in PACKAGES):
            continue
        if path.startswith("image_core/adversarial/"):
            allowed = inside(module, "image_core.adversarial")
        elif path.startswith("image_core/"):
            allowed = inside(module, "image_core")
        elif path.startswith("rl/"):
            allowed = not inside(module, "seqgan")
        else:
            allowed = not inside(module, "rl") or (lazy and path.startswith(LAZY))
        if not allowed:
            wrong.append(module)
    return wrong


def wrong_steps(source: str, path: str) -> list[str]:
    """Only the engine differentiates a loss and moves weights.

    A policy and an environment have a `step` too, with arguments; an optimizer's has none.
    """
    if path == "image_core/adversarial/engine.py":
        return []
    wrong = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name, owner = node.func.attr, ast.unparse(node.func.value).lower()
            optimizes = not node.args or any(word in owner for word in ("optim", "sched", "scaler"))
            if name in ("backward", "zero_grad") or (name == "step" and optimizes):
                wrong.append(ast.unparse(node))
    return wrong


def pickles(source: str, path: str) -> list[str]:
    """Whatever might run a pickle: its modules, and the switches that allow it elsewhere."""
    wrong = []
    for module, _ in imports(source, path):
        first = module.split(".")[0]
        if first in ("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve"):
            wrong.append(module)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword):
            value = ast.unparse(node.value)
            forbidden = {"allow_pickle": "False", "weights_only": "True"}
            if value != forbidden.get(node.arg or "", value):
                wrong.append(f"{node.arg}={value}")
        if isinstance(node, ast.Attribute) and node.attr in ("read_pickle", "to_pickle"):
            wrong.append(ast.unparse(node))
    return wrong


RULES = (wrong_imports, wrong_steps, pickles)


@pytest.mark.parametrize("rule", RULES)
def test_sources_keep_the_rules(rule):
    assert len(SOURCES) > 40
    violations = {path: rule(source, path) for path, source in SOURCES.items()}
    assert {path: wrong for path, wrong in violations.items() if wrong} == {}


@pytest.mark.parametrize(
    ("rule", "path", "source", "wrong"),
    [
        (wrong_imports, "image_core/adversarial/x.py", "import image_core.runs.batches", True),
        (wrong_imports, "image_core/adversarial/x.py", "from image_core import data", True),
        (wrong_imports, "image_core/adversarial/x.py", "from ..data import Batches", True),
        (wrong_imports, "image_core/adversarial/x.py", "from . import losses", False),
        (wrong_imports, "image_core/adversarial/x.py", "def f():\n import seqgan.data", True),
        (wrong_imports, "image_core/x.py", "from .adversarial import losses", False),
        (wrong_imports, "image_core/x.py", "import torch, rl", True),
        (wrong_imports, "image_core/x.py", "from seqgan.lm.policies import LSTMPolicy", True),
        (wrong_imports, "image_core/x.py", "from seqgan_of_others import x", False),
        (wrong_imports, "rl/x.py", "from image_core.adversarial import losses", False),
        (wrong_imports, "rl/x.py", "def f():\n from seqgan import data", True),
        (wrong_imports, "rl/x.py", "import_module('seqgan.data')", True),
        (wrong_imports, "seqgan/x.py", "def f():\n import rl", True),
        (wrong_imports, "seqgan/games/x.py", "import rl.policies", True),
        (wrong_imports, "seqgan/commands/x.py", "def f():\n import rl.policies", False),
        (wrong_imports, "seqgan/recipes/x.py", "import rl.policies", True),
        (wrong_imports, "seqgan/commands/x.py", "if TYPE_CHECKING:\n import rl.policies", False),
        (wrong_imports, "seqgan/recipes/x.py", "if DEBUGGING:\n import rl.policies", True),
        (wrong_imports, "seqgan/games/x.py", "if TYPE_CHECKING:\n import rl.policies", True),
        (wrong_imports, "seqgan/recipes/x.py", "class C:\n from rl import ppo", True),
        (wrong_imports, "seqgan/__init__.py", "import rl", True),
        (wrong_imports, "seqgan/cli.py", "def f():\n return import_module('rl.ppo')", False),
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
    assert bool(rule(source, path)) is wrong


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


@pytest.mark.parametrize("command", [["--help"], ["train", "--help"], ["no such command"]])
def test_help_and_mistakes_load_nothing_heavy(command):
    assert loaded(f"from seqgan.cli import main; main({command!r})", HEAVY) == set()
