"""The pages of the documentation site: docstrings as its reference reads them, tutorials run."""

import contextlib
import os
import pydoc
import re
import shlex
import signal
import sys
import time
import warnings
from importlib.util import find_spec
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

import seqgan as sg
from seqgan.cli import main
from seqgan.commands.list import paper_entries
from tests.forked import forked

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = sorted(
    page
    for folder in ("tutorials", "howto")
    for page in (DOCS / folder).glob("*.md")
    if page.stem != "index"
)
NUMBER = re.compile(r"(?<![\w])[-+]?\d[\d,.]*(e[-+]?\d+)?|\bnan\b")


def follow(text: str, name: str, capsys) -> None:
    """Do what a page says, as its reader does, and compare what it shows with what comes out.

    A block of Python whose first line is `# NAME.SUFFIX` is a file; one that begins with
    `# needs PACKAGE` is run where that is installed. Of a block `sh`, the lines that call seqgan
    are run, those that end in & as processes that `kill -SIGNAL $!` and `wait $!` mean. Every line
    of a block `text` must have come out since the one before, but for numbers.
    """
    names: dict[str, object] = {"__name__": "__main__"}
    with Background() as background:
        follow_blocks(text, name, names, background, capsys)


def follow_blocks(text, name, names, background, capsys) -> None:
    """The blocks of a page one after another."""
    for number, (kind, block) in enumerate(re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL), 1):
        where = f"{name}, block {number}"
        first = block.partition("\n")[0]
        if file := re.fullmatch(r"# (\w+\.\w+)", first):
            Path(file[1]).write_text(block.partition("\n")[2], encoding="utf-8")
        elif needs := re.match(r"# needs (\w+)", first):
            if find_spec(needs[1]):
                with warnings.catch_warnings(action="ignore"):  # other packages' own
                    exec(compile(block, where, "exec"), names)
        elif kind == "python":
            exec(compile(block, where, "exec"), names)
        elif kind == "sh":
            for line in block.replace("\\\n", " ").splitlines():
                run_line(line, where, background)
        elif kind == "text":
            shown = bare("".join(capsys.readouterr()))
            for line in block.splitlines():
                assert line == "..." or bare(line) in shown, (
                    f"{where}: not shown by what stands before it: {line}\n{shown}"
                )


class Background(contextlib.ExitStack):
    """The process that a line of a shell has left in the background."""

    process: BaseProcess

    def start(self, words: list[str]) -> None:
        """Start seqgan, and come back when its run is being trained."""
        out = Path(words[words.index("--out") + 1])
        self.process = forked(main, words)
        self.callback(self.process.kill)
        while not (out / "log.jsonl").exists():
            assert self.process.exitcode is None, f"seqgan {shlex.join(words)} has ended"
            time.sleep(0.05)

    def wait(self) -> int | None:
        """The exit code of the process."""
        self.process.join(60)
        return self.process.exitcode


def run_line(line: str, where: str, background: Background) -> None:
    """A line of a shell: seqgan's are run, and end with the exit code that a comment says."""
    command, _, comment = line.partition(" #")
    wanted = re.search(r"exit code (\d+)", comment)
    words = shlex.split(command)
    if words[:1] == ["seqgan"] and words[-1] == "&":
        background.start(words[1:-1])
        return
    if words[:1] == ["kill"]:
        os.kill(background.process.pid, signal.Signals[f"SIG{words[1].removeprefix('-')}"])
        return
    if words == ["wait", "$!"]:
        code = background.wait()
    elif words[:1] == ["seqgan"]:
        code = main(words[1:])
    else:
        return
    assert code == (int(wanted[1]) if wanted else 0), f"{where}: exit code {code} of {command}"


def bare(text: str) -> str:
    """Text whose numbers and blanks do not count, those inside of brackets of an array neither."""
    return re.sub(r"(?<=\[) | (?=\])", "", " ".join(NUMBER.sub("#", text).split()))


@pytest.fixture(scope="module")
def docstrings():
    """The module that turns docstrings into reStructuredText."""
    sys.path.insert(0, str(DOCS))
    try:
        import docstrings

        yield docstrings
    finally:
        sys.path.remove(str(DOCS))


def test_formulas_are_blocks_and_signs_stay_signs(docstrings):
    said = ["Mean |x| of a_ and `a*b`.", "", "loss = -sum_(b,t) r * log_prob", ""]
    said += ["r is the reward of a row.", "", "Args:"]
    said += ["    x: Rows *N*.", "        none: No baseline;", "            unbiased."]
    assert docstrings.as_rst(said) == [
        "Mean \\|x\\| of a\\_ and ``a*b``.",
        "",
        "::",
        "",
        "    loss = -sum_(b,t) r * log_prob",
        "",
        "r is the reward of a row.",
        "",
        "Args:",
        "    x: Rows \\*N\\*.",
        "",
        "        * none: No baseline;",
        "          unbiased.",
        "",
    ]


def test_formulas_that_end_in_a_bracket_are_blocks(docstrings):
    source = "E_r[e] + E_f[max(0, m - e)]                     (Zhao, Mathieu & LeCun 2017, eq. 1)"
    two = "E_s in R^(V x S),  h_s = max over time of relu(conv(E_s y))"
    below = ["L = E_z[g(D(G(z)))] + E_x[mean (x - G(E(x)))^2]", " " * 30 + "(Che et al. 2017, 3.1)"]
    for formula in ([two], ["D(y) = sum_t f(phi(y_<t), y_t)"]):
        assert docstrings.block(formula) == ["::", "", *(f"    {line}" for line in formula)]
    near = ["::", "", f"    {source.replace(' ' * 21, ' ' * 4)}"]  # or it would be cut off
    assert docstrings.block([source]) == near
    assert docstrings.block(below) == ["::", "", f"    {below[0]}", f"        {below[1].strip()}"]
    for text in ("Weights of A = B, as in the paper (Li et al. 2016).", "* one  two = (3)"):
        assert docstrings.block([text])[0] != "::"


def test_several_results_are_a_list(docstrings):
    said = [
        "Two.",
        "",
        "Returns:",
        "    low: Lower end;",
        "        in nats.",
        "    high: Upper end.",
    ]
    assert docstrings.as_rst(said)[3:] == [
        "",
        "    * low: Lower end;",
        "      in nats.",
        "",
        "    * high: Upper end.",
        "",
    ]


# ------------------------------------------------------------------------------- generated pages


@pytest.fixture(scope="module")
def systems():
    """The module that writes a page for each paper."""
    sys.path.insert(0, str(DOCS))
    try:
        import systems

        yield systems
    finally:
        sys.path.remove(str(DOCS))


def test_every_paper_has_a_page_with_its_command_and_links_that_lead_somewhere(systems, tmp_path):
    systems.write_systems(DOCS.parent, tmp_path)
    listed = {name for name, entry in paper_entries() if entry.recipes}
    assert {system.name for system in systems.systems()} == listed
    index = (tmp_path / "index.md").read_text(encoding="utf-8")
    for system in systems.systems():
        text = (tmp_path / f"{system.page}.md").read_text(encoding="utf-8")
        assert text.startswith(f"# {system.title}\n")
        assert f"\n{system.page}\n" in index
        for file, anchor in re.findall(r"\(\.\./papers/(\w+)\.md#([^)]+)\)", text):
            results = (DOCS / "papers" / f"{file}.md").read_text(encoding="utf-8")
            assert anchor in {systems.anchor(title) for title, _ in systems._sections(results)}


def test_the_page_of_a_paper_holds_what_it_needs_and_changes(systems):
    (gail,) = (system for system in systems.systems() if system.name == "gail")
    text = "\n".join(systems.lines_of(gail, DOCS.parent))
    assert "\nseqgan train imitate --paper gail --out DIR --env ID --demos FILE\n" in text
    assert "| `--penalty` | `r1=1` | Penalties of the discriminator, as in" in text
    assert "(../papers/imitation.md#the-relatives)" in text


def test_the_reference_holds_every_name_of_the_facade():
    sys.path.insert(0, str(DOCS))
    try:
        import reference
    finally:
        sys.path.remove(str(DOCS))
    packages = [package for row in reference.PACKAGES.values() for package in row]
    held = {module for package in packages for module in reference.modules(DOCS.parent, package)}
    homes = {vars(sg)["_NAMES"][name] for name in sg.__all__ if name in vars(sg)["_NAMES"]}
    homes |= {vars(sg.games)["_NAMES"][name] for name in sg.games.__all__}
    homes |= {vars(sg)["_MODULES"][name] for name in ("losses", "estimators", "rewards")}
    assert homes - held == set()
    shown = {f"{module}.{loss}" for module in held for loss in reference.losses_of(module)}
    assert {f"image_core.adversarial.losses.{name}" for name in sg.losses.__all__} <= shown
    assert "image_core.adversarial.fgan.f_pearson" in shown


def test_a_loss_tells_its_maths_and_a_name_its_meaning():
    shown = pydoc.render_doc(sg.losses.hinge, renderer=pydoc.plaintext)
    assert "E_r[max(0, 1 - d)] + E_f[max(0, 1 + d)]" in shown
    assert "Generator: Increase the logits of the fakes" in shown
    assert "Reward: none" in pydoc.render_doc(sg.losses.relativistic, renderer=pydoc.plaintext)
    assert "b = 1.0" in sg.losses.least_squares.__doc__
    assert "one adversarial loss" in sg.AdversarialLoss.__doc__.lower()
    names = [name for name in sg.__all__[1:] if not name.isupper()]
    undocumented = [name for name in names if not pydoc.getdoc(getattr(sg, name))]
    assert undocumented == []


# ------------------------------------------------------------------------------- pages that are run


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_pages_run_from_top_to_bottom(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as in a Python that was started there
    before = set(sys.modules)
    try:
        follow(page.read_text(encoding="utf-8"), page.name, capsys)
    finally:
        for name in set(sys.modules) - before:
            if str(vars(sys.modules[name]).get("__file__", "")).startswith(str(tmp_path)):
                del sys.modules[name]


def test_a_page_that_is_not_true_is_found(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    true = "```python\n# a.txt\nx\n```\n```python\nprint('x', 1.5)\n```\n"
    assert not Path("a.txt").exists()
    follow(f"{true}```text\nx\n 7\n...\n```", "page", capsys)
    assert Path("a.txt").read_text() == "x\n"
    with pytest.raises(AssertionError, match="not shown by what stands before it"):
        follow(f"{true}```text\ny 7\n```", "page", capsys)
    with pytest.raises(AssertionError, match="exit code 2"):
        follow("```sh\nseqgan nothing\n```", "page", capsys)
    follow("```sh\nseqgan nothing    # exit code 2\n```", "page", capsys)
    follow("```python\n# needs no_such_package\n1 / 0\n```", "page", capsys)


def test_every_tutorial_and_how_to_is_in_the_index():
    for folder in ("tutorials", "howto"):
        index = (DOCS / folder / "index.md").read_text(encoding="utf-8").splitlines()
        assert {page.stem for page in PAGES if page.parent.name == folder} <= set(index)
