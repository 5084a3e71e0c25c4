import gc
import os
from collections import Counter
from contextlib import contextmanager, nullcontext
from pathlib import Path

import jaxtyping
import pytest
import torch

from tests.typecheck import checked

# No test cuts the power, and else what is written is read again without it: 9 ms a file
os.fsync = lambda descriptor: None
# What is imported stays: it is not looked through while more of it comes, nor afterwards
gc.disable()
# Found by the import hook of --jaxtyping-packages, before the first module of ours is imported
jaxtyping.jaxtyped = lambda *, typechecker: checked

# Without a device each keeps the stack of every call, 1 ms a test, for the day that there is one
for absent in (torch.cuda, torch.mtia, torch.xpu):
    if not absent.is_available():
        absent.manual_seed_all = lambda seed: None

# Processes that tests start compute as this one does: with two threads sums end differently.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True)
def _seed_and_one_thread():
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_modules_of_one():
    """A test's module named as the user's own makes all of `tests` the user's, until its end."""
    from image_core.runs import outside

    yield
    outside._OWN.clear()


DOT = (
    "89504e470d0a1a0a0000000d4948445200000001000000010100000000376ef924"
    "0000000a4944415478016360000000020001737501180000000049454e44ae426082"
)
EMPTY = {"png": bytes.fromhex(DOT), "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>'}


def _unpainted(patched: pytest.MonkeyPatch) -> None:
    """Figures are made, and written as one dot, nowhere laid out."""
    from matplotlib.figure import Figure

    def savefig(self, target, *, format=None, **options):
        if isinstance(target, str | Path):
            Path(target).write_bytes(EMPTY[format or Path(target).suffix[1:]])
        else:
            target.write(EMPTY[format])

    patched.setattr(Figure, "savefig", savefig)
    patched.setattr(Figure, "draw_without_rendering", lambda self: None)


@pytest.fixture(autouse=True, scope="module")
def painted(request):
    """To paint a tiny run's figures takes most of its time, so none is painted but in `painted()`.

    Those of tests marked `pictures` are, and those of modules so marked, with the runs they share.
    """
    always = request.node.get_closest_marker("pictures")

    @contextmanager
    def inside():
        patched.undo()
        yield
        if not always:
            _unpainted(patched)

    with pytest.MonkeyPatch.context() as patched:
        if not always:
            _unpainted(patched)
        yield inside


@pytest.fixture(autouse=True)
def _figures_of_one(request, painted):
    with painted() if request.node.get_closest_marker("pictures") else nullcontext():
        yield


@pytest.fixture(scope="module")
def unsynced():
    """SQLite does not wait for the disk either, which it does at every commit."""
    from sqlalchemy import Engine, event

    def off(connection, record):
        connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", off)
    yield
    event.remove(Engine, "connect", off)


@pytest.fixture
def heard(monkeypatch):
    """How often each line of the moves has waited for the device that stands in for a GPU."""
    from image_core.adversarial.engine import Engine
    from tests.stand_in import stand_in

    found, play = Counter(), Engine.play

    def listening(engine, turn, batches):
        stand_in.waits.clear()
        logs = play(engine, turn, batches)
        found.update(stand_in.waits)
        return logs

    monkeypatch.setattr(Engine, "play", listening)
    return found


LONGEST = (
    *("test_paper_option", "test_kill_and_resume", "test_every_game", "test_site"),
    *(
        "test_parallel_games",
        "test_every_game_elsewhere",
        "test_image_recipe",
        "test_presets",
        "test_two_processes",
    ),
    *("test_without_bfloat16", "test_imitate_recipe", "test_bad_input", "test_text_recipe"),
    *("test_dialogue_recipe", "test_retrieve_recipe", "test_discrete_recipe"),
    *("test_translate_recipe", "test_text2image_recipe", "test_judge", "test_judging"),
    *("test_image_options", "test_no_waiting", "test_gpu_bench", "test_on_device"),
)
"""Files that take more than eight seconds, the longest first."""


def pytest_collection_modifyitems(items):
    """The longest files first, then those with slow tests: no worker is left alone with one."""
    place = {name: i for i, name in enumerate(LONGEST)}
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (place.get(item.path.stem, len(place)), item.path not in slow))


def pytest_collection_finish():
    gc.freeze()
    gc.set_threshold(10_000, 20, 10)  # by default 2 % of the time goes into looks at young objects
    gc.enable()


def pytest_make_parametrize_id(val, argname):
    """Bytes get their argument's name: gzip's hold the time, and all workers must collect alike."""
    return argname if isinstance(val, bytes) else None
