"""No docstring holds a formula or a sentence that a reflow of lines has broken.

Every rule is a function from two lines of a paragraph to a complaint, and is shown red on broken
ones. A second check reads the items of `Args:`, which say what an argument is in a noun phrase or
a sentence, with a capital.
"""

import ast
import functools
import inspect
import itertools
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FINISHED = ("image_core", "rl", "seqgan")
"""Folders whose items of `Args:` are checked."""
SOURCES = {
    folder: {
        file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8")
        for file in sorted((ROOT / folder).rglob("*.py"))
    }
    for folder in (*FINISHED, "benchmarks", "tests")
}
WIDTH = 100
TERM = r"(?:[^\s:`()]|\([^()]*\))+"
FORMULA = re.compile(rf"{TERM}(?:(?:,| /) {TERM})* +(?:=|<-|>=|<=) ")
"""A line that begins with symbols and a relation."""
SECTION = re.compile(r"(Args|Raises|Returns|Source):")
ITEM = re.compile(r"\S+: |[*-] |\d+\. |\||>>> ")
"""What begins an argument, an item, a row of a table, an example."""


@functools.cache
def docstrings(source: str) -> list[tuple[int, int, str]]:
    """Line, column and text of everything that stands as a docstring, those of constants too."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                first, *others = text.split("\n")
                lines = [first, *(line[node.col_offset :] for line in others)]
                found.append((node.lineno, node.col_offset, "\n".join(lines)))
    return found


def broken_lines(text: str, width: int = WIDTH) -> list[str]:
    """What is wrong with a docstring, one sentence a broken line."""
    lines, wrong, section = text.split("\n"), [], False
    for line, after in itertools.pairwise([*lines, ""]):
        section = section or SECTION.match(line) is not None
        block = line.startswith(" ") and not section  # of commands or formulas, set apart
        complaint = (
            split_code(line)
            or split_expression(line, after)
            or ("" if section else split_formula(line, after))
            or ("" if block else early_break(line, after, width))
        )
        if complaint:
            wrong.append(f"{complaint}: {line.strip()} / {after.strip()}")
    return wrong


def split_code(line: str) -> str:
    return "code is split" if line.count("`") % 2 and not line.strip().startswith("|") else ""


def split_expression(line: str, after: str) -> str:
    """Before or behind an operator, whatever the line is."""
    if not after.strip():
        return ""
    ends = re.search(r"(\s(=|<-|>=|<=|\+|-|\*|/|\^)|[(\[{])$", line)
    begins = re.match(r"\s*(=|<-|>=|<=|\+|/|\^)\s", after)
    return "an expression is split" if ends or begins else ""


def split_formula(line: str, after: str) -> str:
    """A formula ends where its line ends; below it stand others, or their source in brackets."""
    if not FORMULA.match(line.strip()):
        return ""
    if sum(map(line.count, "([{")) != sum(map(line.count, ")]}")):
        return "a bracket of a formula is open"
    if line.endswith((",", ";")):
        return "a formula ends in a comma"
    inside = after.strip()
    goes_on = inside and not inside.startswith("(") and not FORMULA.match(inside)
    return "a formula goes on below" if goes_on else ""


def early_break(line: str, after: str, width: int) -> str:
    """A sentence goes on below though the next words would fit: a quarter of the line is left."""
    indent, next_indent = (len(x) - len(x.lstrip()) for x in (line, after))
    body, inside = line.strip(), after.strip()
    same = indent == next_indent or (ITEM.match(body) and next_indent == indent + 4)
    if not (body and inside and same) or body.endswith((".", ":", ";", "!", "?", '"')):
        return ""
    if ITEM.match(inside) or "  " in body or FORMULA.match(body) or inside.startswith("`"):
        return ""
    return "a line is broken early" if len(line) < 0.75 * width else ""


@pytest.mark.parametrize("folder", SOURCES)
def test_no_docstring_is_broken(folder):
    assert SOURCES[folder]
    wrong = [
        (path, line, complaint)
        for path, source in SOURCES[folder].items()
        for line, column, text in docstrings(source)
        for complaint in broken_lines(text, WIDTH - column)
    ]
    assert wrong == []


EXAMPLES = {
    "a formula goes on below": """An LSTM.

    i, f, g, o = x W_x + h W_h + b;  c <- sigmoid(f) c + sigmoid(i) tanh(g);  h <- sigmoid(o)
    tanh(c) pi(. | y_<t) = softmax(h W_out + b_out)
    """,
    "a bracket of a formula is open": """Q_t = (1/N) sum_n f(D(y_1..y_t,
    Y^n_t+1..T))
    """,
    "a formula ends in a comma": """Attention.

    a_t = softmax_r(gamma s_tr),
    c_t = sum_r a_tr v_r
    """,
    "an expression is split": """The gradient is scaled, with the weight of a sample w =
    exp(log p - log q), so that it is one of p.
    """,
    "code is split": """The first argument may be shifted by any constant, for instance `log_prob
    behaviour_log_prob.detach()`, which does not matter.
    """,
    "a line is broken early": """SeqGAN is this game with rewards of rollouts; relatives
    differ in the
    reward or the estimator and are aliases.
    """,
}


@pytest.mark.parametrize("complaint", EXAMPLES)
def test_the_rules_find_what_is_broken(complaint):
    wrong = broken_lines(inspect.cleandoc(EXAMPLES[complaint]))
    assert {sentence.partition(": ")[0] for sentence in wrong} == {complaint}


def test_the_rules_leave_alone_what_is_whole():
    text = """Squared distance, low = alike.

    |m1 - m2|^2 + tr C1 + tr C2 - 2 tr (C1^(1/2) C2 C1^(1/2))^(1/2)           (Heusel et al. 2017)

    delta_t = r_t + gamma V(s_(t+1)) [not terminated_t] - V(s_t)
    A_t     = delta_t + gamma lam A_(t+1) [not ended_t]
                                                                (Schulman et al. 2016, eqs. 11-16)

        python benchmarks/one.py
        python benchmarks/other.py --and more

    | one | two |
    |-----|-----|

    * an item
    * another

    Args:
        one: features of samples, or their moments, which are read where it is cheap to do
            so; 0 = none.
        other: the same.
    """
    assert broken_lines(inspect.cleandoc(text)) == []


def test_docstrings_of_constants_are_read_too():
    source = '"""One."""\nX = 1\n"""Two."""\n\n\ndef f():\n    """Three."""\n'
    assert [text for _, _, text in docstrings(source)] == ["One.", "Two.", "Three."]


# ------------------------------------------------------------------------------- items of `Args:`

FRAGMENT = re.compile(
    r" {4}(\**\w+): "
    r"((?:of|for|by|in|at|to|from|with|on|as|how|what|whether|which|who|whose|where|when|most|least"
    r"|its|it|see)\b.*)"
)
"""An item that goes on from its name, as in `weight: of the penalty`."""


def fragments(source: str) -> list[str]:
    """Items under `Args:` that begin with a lower-case word that needs something before it."""
    wrong = []
    for line_number, _, text in docstrings(source):
        inside = False
        for line in text.split("\n"):
            if SECTION.match(line):
                inside = line.startswith("Args:")
            elif line.strip() and not line.startswith(" "):
                inside = False
            elif inside and (found := FRAGMENT.match(line)):
                wrong.append(f"line {line_number}: {found[1]}: {found[2]}")
    return wrong


@pytest.mark.parametrize("folder", FINISHED)
def test_arguments_are_described_by_noun_phrases(folder):
    wrong = [
        (path, found) for path, source in SOURCES[folder].items() if (found := fragments(source))
    ]
    assert wrong == []


def test_a_fragment_is_found():
    source = '''
class C:
    """A class.

    Args:
        weight: of the penalty.
        rounds: Number of rounds between two calls.
        seeds: whose accuracies are averaged.

    Raises:
        UserError: of no interest here.
    """

    def f(self, *parts, kept, target):
        """A method.

        Args:
            parts: at least one.
            kept: Whether rows stay,
                of whatever length: most of them do.
            target: t, in (0, 1].
        """
'''
    assert fragments(source) == [
        "line 3: weight: of the penalty.",
        "line 3: seeds: whose accuracies are averaged.",
        "line 15: parts: at least one.",
    ]


# ---------------------------------------------------------------------------- what must be said

SAME_FORM = ("/papers/", "/recipes/", "seqgan/commands/")
"""Where functions have the arguments of a form that is told once."""


def untold(source: str) -> list[str]:
    """Arguments of public functions of a module that no `Args:` names."""
    wrong = []
    for node in ast.parse(source).body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        held = node.args
        names = [a.arg for a in (*held.posonlyargs, *held.args, *held.kwonlyargs)]
        _, _, section = (ast.get_docstring(node) or "").partition("\nArgs:\n")
        told = set(re.findall(r"^ {4}(\w+): ", section, re.MULTILINE))
        wrong += [f"{node.name}: {name}" for name in names if name not in told]
    return wrong


@pytest.mark.parametrize("folder", FINISHED)
def test_every_argument_of_a_public_function_is_told(folder):
    wrong = {
        path: found
        for path, source in SOURCES[folder].items()
        if not any(part in path for part in SAME_FORM) and (found := untold(source))
    }
    assert wrong == {}


def test_an_argument_that_is_not_told_is_found():
    source = '''
def f(x, *others, y=1):
    """One.

    Args:
        x: Number.
    """


def g(x):
    """Two."""


def _h(x): ...
'''
    assert untold(source) == ["f: y", "g: x"]


# --------------------------------------------------------------------------------------- `Raises:`

NO_MISTAKES = (
    *("AssertionError", "AttributeError", "KeyboardInterrupt", "NotImplementedError"),
    *("StopIteration", "SystemExit", "TrialPruned", "Stopped"),
)
"""Exceptions that tell no mistake of the caller's."""
OF_ONE_FORM = ("game", "run", "main")
"""Functions of papers and commands, whose form is told once."""
MAKERS = ("__init__", "__post_init__", "__call__")
"""Methods that the docstring of their class tells of."""
Function = tuple[str, str]
"""Name of a class, or "", and of a function or method."""


def functions(tree: ast.Module) -> dict[Function, ast.FunctionDef]:
    found: dict[Function, ast.FunctionDef] = {}
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name):
                found["", name] = node
            case ast.ClassDef(name=owner, body=body):
                methods = (each for each in body if isinstance(each, ast.FunctionDef))
                found |= {(owner, each.name): each for each in methods}
    return found


def raises(node: ast.FunctionDef) -> bool:
    """Whether its own body raises, or calls a check of another module, which is there to raise."""
    for each in ast.walk(node):
        match each:
            case ast.Raise(exc=ast.Call(func=ast.Name(id=name)) | ast.Name(id=name)):
                if name not in NO_MISTAKES:
                    return True
            case ast.Call(func=ast.Name(id=name)) if name.startswith("check_"):
                return True
    return False


def hidden_calls(owner: str, node: ast.FunctionDef) -> set[Function]:
    """The private functions of its module and methods of its class that a function calls."""
    called: set[Function] = set()
    for each in ast.walk(node):
        match each:
            case ast.Call(func=ast.Name(id=name)) if name.startswith("_"):
                called.add(("", name))
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name)):
                called |= {(owner, name)} if name.startswith("_") else set()
    return called


def unraised(source: str) -> list[str]:
    """Public functions, methods and classes that refuse something, of which no `Raises:` tells.

    What a private function of theirs raises is theirs, unless they may catch it.
    """
    tree = ast.parse(source)
    every = functions(tree)
    refusing = {key for key, node in every.items() if raises(node)}
    catching = {
        k for k, node in every.items() if any(isinstance(n, ast.Try) for n in ast.walk(node))
    }
    while (
        found := {
            (owner, name)
            for (owner, name), node in every.items()
            if hidden_calls(owner, node) & refusing
        }
        - refusing
        - catching
    ):
        refusing |= found
    classes = {
        each.name: ast.get_docstring(each) or ""
        for each in tree.body
        if isinstance(each, ast.ClassDef)
    }
    wrong = []
    for owner, name in sorted(refusing):
        told = ast.get_docstring(every[owner, name]) or ""
        if owner and name in MAKERS:
            told += classes[owner]
        elif name.startswith("_") or (owner and not told) or (not owner and name in OF_ONE_FORM):
            continue  # a method without words has those of the class that it is derived from
        if "\nRaises:\n" not in told and not owner.startswith("_"):
            wrong.append(f"{owner}.{name}".lstrip("."))
    return wrong


@pytest.mark.parametrize("folder", FINISHED)
def test_what_refuses_says_so(folder):
    wrong = {path: found for path, source in SOURCES[folder].items() if (found := unraised(source))}
    assert wrong == {}


def test_a_refusal_that_is_not_told_is_found():
    source = '''
def own(x):
    """Raise by itself."""
    raise UserError("x")


def hidden(x):
    """Raise by a private function."""
    _check(x)


def checked(x):
    """Raise by a check of another module."""
    check_tokens("", x)


def told(x):
    """Say so.

    Raises:
        UserError: Always.
    """
    _check(x)


def caught(x):
    """Catch it."""
    try:
        _check(x)
    except UserError:
        pass


def ended(x):
    """End an iterator, which is no mistake."""
    raise StopIteration


def _check(x):
    raise UserError("x")


class Options:
    """Values."""

    def __post_init__(self):
        self._refuse()

    def _refuse(self):
        raise UserError("x")

    def forward(self):
        raise UserError("of the class that it is derived from")
'''
    assert unraised(source) == ["checked", "hidden", "own", "Options.__post_init__"]


# ---------------------------------------------------------------------------------------- `Source:`

PUBLISHED = ("attacks", "estimators", "losses", "penalties")
"""Modules of the core whose every name stands for published work."""


@pytest.mark.parametrize("module", PUBLISHED)
def test_published_methods_name_their_year(module):
    held = import_module(f"image_core.adversarial.{module}")
    own = {"Victim", "total"}  # a classifier of the user's, and a sum
    wrong = [
        name
        for name in held.__all__
        if name not in own
        and not re.search(r"\b(19|20)\d\d\b", inspect.getdoc(getattr(held, name)) or "")
    ]
    assert wrong == []
