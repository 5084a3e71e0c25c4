"""The pages of the documentation site: docstrings as its reference reads them, tutorials run."""

import re
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
TUTORIALS = sorted(p for p in (DOCS / "tutorials").glob("*.md") if p.stem != "index")


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
    said = ["Mean |x| of a_ and `a*b`.", "", "loss = -sum_(b,t) r * log_prob", "", "Args:"]
    said += ["    x: Rows *N*.", "        none: No baseline;", "            unbiased."]
    assert docstrings.as_rst(said) == [
        "Mean \\|x\\| of a\\_ and ``a*b``.",
        "",
        "::",
        "",
        "    loss = -sum_(b,t) r * log_prob",
        "",
        "Args:",
        "    x: Rows \\*N\\*.",
        "",
        "        * none: No baseline;",
        "          unbiased.",
        "",
    ]


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


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_tutorials_run_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)):
        exec(compile(block, f"{page.name}, block {number + 1}", "exec"), names)
