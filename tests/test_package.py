"""What is published: declared dependencies, the version, types, and packages that hide ours."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

import seqgan
from seqgan import neighbours
from seqgan.cli import main

ROOT = Path(__file__).resolve().parents[1]
OURS = ("image_core", "rl", "seqgan")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DISTRIBUTIONS = {
    "PIL": "pillow",
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
    "mauve": "mauve-text",
    "mujoco": "gymnasium[mujoco]",
}
"""Name in a package index of a module, where it is not the module's own."""


def imported(source: str) -> set[str]:
    """Top-level names of every module that a source imports or looks for, lazily too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module)
            case ast.Call(
                func=ast.Name(id="import_module" | "find_spec") | ast.Attribute(attr="find_spec"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                found.add(name)
    return {name.partition(".")[0] for name in found}


def undeclared(modules: set[str], requirements: list[str]) -> set[str]:
    """The foreign modules that no requirement brings."""
    own = (*sys.stdlib_module_names, "compression", *OURS)  # the second is Python's from 3.14 on
    foreign = {m for m in modules if m not in own}
    names = {re.split(r"[>=<;\s]", requirement)[0].lower() for requirement in requirements}
    names |= {name.partition("[")[0] for name in names}
    return {m for m in foreign if DISTRIBUTIONS.get(m, m.replace("_", "-")).lower() not in names}


def requirements() -> list[str]:
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *(r for e, rs in extras.items() if e != "dev" for r in rs)]


def test_every_imported_package_is_declared():
    files = [file for name in OURS for file in sorted((ROOT / name).rglob("*.py"))]
    every = set().union(*(imported(file.read_text(encoding="utf-8")) for file in files))
    assert {"torch", "h5py", "PIL", "docstring_parser", "mujoco"} <= every
    assert undeclared(every, requirements()) == set()


def test_what_is_not_declared_is_found():
    source = "import a.b, os, rl.nets\ndef f():\n from PIL import x\n find_spec('c_d')"
    assert imported(source) == {"a", "os", "rl", "PIL", "c_d"}
    assert undeclared(imported(source), ["pillow>=11", "c-d>=1"]) == {"a"}
    assert undeclared({"mujoco"}, ["gymnasium[mujoco]>=1"]) == set()
    assert undeclared({"mujoco"}, ["gymnasium>=1"]) == {"mujoco"}


def test_the_extras_are_there_and_all_holds_the_domains():
    extras = PROJECT["project"]["optional-dependencies"]
    domains = {"rl", "dialogue", "images", "text2image", "retrieval"}
    assert domains <= set(extras)
    (everything,) = extras["all"]
    named = set(re.fullmatch(r"seqgan\[(.*)\]", everything).group(1).split(","))
    assert domains <= named <= set(extras)


def test_the_version_has_one_source(capsys):
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"seqgan {seqgan.__version__}\n"
    assert re.fullmatch(r"\d+\.\d+\.\d+", seqgan.__version__)


def test_python_m_is_the_command_line():
    done = subprocess.run(
        [sys.executable, "-m", "seqgan", "--version"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"seqgan {seqgan.__version__}\n")


def test_what_is_not_python_is_packaged():
    data = PROJECT["tool"]["setuptools"]["package-data"]
    for package in OURS:
        listed = {file for pattern in data[package] for file in (ROOT / package).glob(pattern)}
        every = (file for file in (ROOT / package).rglob("*") if file.is_file())
        there = {file for file in every if file.suffix not in (".py", ".pyc", ".so", ".c")}
        assert there == listed
        assert ROOT / package / "py.typed" in there


def test_the_source_distribution_holds_every_file_of_the_repository():
    """What setuptools takes by itself, packages and a few files, and what MANIFEST.in names."""
    asked = ["git", "-C", str(ROOT), "ls-files"]
    tracked = subprocess.run(asked, capture_output=True, text=True).stdout.split()
    if "MANIFEST.in" not in tracked:
        pytest.skip("no repository")
    by_itself = {"pyproject.toml", "setup.py", "README.md", "LICENSE", "MANIFEST.in"}
    named = {f for f in tracked if f in by_itself or f.partition("/")[0] in OURS}
    left_out = set()
    for line in (ROOT / "MANIFEST.in").read_text(encoding="utf-8").splitlines():
        command, *patterns = line.split()
        if command == "include":
            named |= {f for f in tracked for p in patterns if fnmatch(f, p)}
        elif command in ("graft", "prune"):
            found = {f for f in tracked if f.startswith(f"{patterns[0]}/")}
            (named if command == "graft" else left_out).update(found)
        else:
            assert command in ("global-exclude", "#"), line
    assert set(tracked) - named == set()
    assert left_out == set()


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """A folder, first on the path, with another package named rl."""
    (tmp_path / "rl").mkdir()
    (tmp_path / "rl" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "rl"]:
        monkeypatch.delitem(sys.modules, name)
    neighbours.check_neighbours.cache_clear()
    yield tmp_path
    neighbours.check_neighbours.cache_clear()


def test_a_package_that_hides_ours_is_named(foreign, capsys):
    assert main(["list", "papers"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    theirs = foreign / "rl" / "__init__.py"
    assert said.startswith(f"seqgan: {theirs} hides seqgan's own package rl; rename or uninstall")
    with pytest.raises(ImportError, match="hides seqgan's own package rl; rename"):
        seqgan.Engine  # noqa: B018
    (foreign / "rl" / "__init__.py").unlink()  # a folder of that name without code hides nothing
    importlib.invalidate_caches()
    assert main(["list", "papers"]) == 0
