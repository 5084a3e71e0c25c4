"""Going on as if never stopped, whatever happened to the disk; and no pickle is ever run."""

import io
import json
import pickle
from functools import partial
from pathlib import Path

import pytest
import torch

from image_core.adversarial import checkpoint
from image_core.adversarial.callbacks import checkpoint as checkpoint_callback
from image_core.adversarial.callbacks import every
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from tests.full_disk import files_up_to
from tests.image_core.adversarial.toys import ToyGAN, adam, points, rounds

FILES = ["game.safetensors", "ema.G.safetensors", "optim.pt", "rng.0.pt"]


class NoisyGAN(ToyGAN):
    """With dropout, noise of its own and a buffer that moves."""

    def __init__(self, hidden_seed=0, optim=("G", "D")):
        torch.manual_seed(hidden_seed)
        super().__init__(dropout=0.5)
        self.register_buffer("k", torch.zeros(()))

    def generator_move(self, batches):
        yield from super().generator_move(iter([{"noise": torch.randn(8, 2)}]))
        self.k += torch.rand(())


def new(seed=0, optim=("G", "D"), **options):
    """An engine with all that can be saved: Adam, a schedule, an average, dropout, notes."""
    game = NoisyGAN(seed)
    decay = partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.9)
    options = {"ema": {"G": 0.9}, "schedule": {"G": decay}} | options
    return Engine(game, dict.fromkeys(optim, adam), **options)


def everything(engine):
    """All state of an engine, as plain values and tensors in one flat mapping."""
    optim = {n: o.state_dict() for n, o in engine.optimizers.items()}
    lasting = {
        "game": engine.game.state_dict(),
        "ema": engine.ema["G"].state_dict(),
        "optim": optim,
        "schedule": {n: s.state_dict() for n, s in engine.schedules.items()},
        "counts": (engine.round, engine.drawn, engine.steps, engine.notes),
        "next": torch.get_rng_state(),
    }
    return flat("", lasting)


def flat(name, value):
    if isinstance(value, dict):
        return {k: v for key, part in value.items() for k, v in flat(f"{name}.{key}", part).items()}
    if isinstance(value, (list, tuple)):
        return flat(name, dict(enumerate(value)))
    return {name: value}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        same = torch.equal(value, other[name]) if torch.is_tensor(value) else value == other[name]
        assert same, name


@pytest.fixture
def saved(tmp_path):
    """A checkpoint after three rounds, in `run`."""
    engine = new()
    rounds(engine, 3, data=points)
    engine.notes["phase"] = {"name": "warm-up", "best": 0.25}
    engine.save(tmp_path / "run")
    return tmp_path / "run"


# ----------------------------------------------------------------------------------------- resuming


@pytest.mark.parametrize("data", [points, [points(i) for i in range(4)]], ids=["function", "list"])
def test_going_on_is_bit_equal_to_not_stopping(data, tmp_path):
    engine = new()
    rounds(engine, 3, data=data)
    engine.notes["phase"] = {"name": "warm-up", "best": 0.25}
    engine.save(tmp_path / "run")
    undisturbed = rounds(engine, 3, data=data)

    again = new(seed=1)
    rounds(again, 1, data=data)  # whatever it was doing
    again.load(tmp_path / "run")
    assert (again.round, again.drawn, again.steps) == (3, 6, {"G": 3, "D": 6})
    assert again.notes == {"phase": {"name": "warm-up", "best": 0.25}}
    assert again.saved == tmp_path / "run"
    for one, other in zip(undisturbed, rounds(again, 3, data=data), strict=True):
        assert_same(one, other)
    assert_same(everything(engine), everything(again))
    assert again.schedules["G"].get_last_lr() == [pytest.approx(0.01 * 0.9**6)]


def test_notes_with_numbers_as_keys(tmp_path):
    """They come back as strings, as JSON has them."""
    engine = new()
    engine.notes["best"] = {2: 0.5, 10: 0.25}
    engine.save(tmp_path / "run")
    engine.load(tmp_path / "run")
    assert engine.notes == {"best": {"2": 0.5, "10": 0.25}}


def test_saving_does_not_disturb(tmp_path):
    one, other = new(), None
    rounds(one, 4, data=points)
    other = new()
    other.run(points, 4, callbacks=[every(1, checkpoint_callback(tmp_path / "run"))])
    assert_same(everything(one), everything(other))
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


# ----------------------------------------------------------------------------- cut and failed saves


class Cut(BaseException):
    """The process is killed here."""


def cut_at(monkeypatch, count):
    """Kill the process at the `count`-th of the operations that make a save."""
    left = [count]

    def dying(function):
        def call(*args, **kwargs):
            left[0] -= 1
            if left[0] < 0:
                raise Cut
            return function(*args, **kwargs)

        return call

    for owner, name in (
        *((checkpoint, name) for name in ("save_module", "save_tensors", "write_state", "_sync")),
        (checkpoint.shutil, "rmtree"),
        *((Path, name) for name in ("mkdir", "rename")),
    ):
        monkeypatch.setattr(owner, name, dying(getattr(owner, name)))


def test_a_save_cut_anywhere_leaves_a_checkpoint(saved, monkeypatch):
    """The old or the new one, whole; and the next save tidies up."""
    outcomes = []
    for count in range(100):
        engine = new()
        engine.load(saved)
        start = engine.round
        rounds(engine, 1, data=points)
        with monkeypatch.context() as patch:
            cut_at(patch, count)
            try:
                engine.save(saved)
                done = True
            except Cut:
                done = False
        after = new(seed=1)
        after.load(saved)
        outcomes.append(after.round - start)
        if outcomes[-1]:
            assert_same(everything(engine), everything(after))
        checkpoint.tidy(saved)
        left = {file.name for file in saved.parent.iterdir()}
        assert left == {"run"} or "run" not in left
        new(seed=2).load(saved)
        if done:
            break
        rounds(after, 1, data=points)
        after.save(saved)
        assert [file.name for file in saved.parent.iterdir()] == ["run"]
    assert count > 10
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {0, 1}
    assert outcomes.count(1) >= 2


def test_a_full_disk_is_one_sentence_and_the_previous_checkpoint_survives(saved):
    """A limit on the size of files, below each file of the checkpoint in turn."""
    sizes = sorted((saved / name).stat().st_size for name in [*FILES, "state.json"])
    before = {file.name: file.read_bytes() for file in saved.iterdir()}
    engine = new()
    engine.load(saved)
    rounds(engine, 1, data=points)
    for size in sizes:
        with files_up_to(size - 1), pytest.raises(UserError) as refused:
            engine.save(saved)
        said = str(refused.value)
        assert said.startswith(f"cannot write {saved}: ")
        assert "File too large" in said
        assert "previous checkpoint is untouched" in said
    assert {file.name: file.read_bytes() for file in saved.iterdir()} == before
    assert [file.name for file in saved.parent.iterdir()] == ["run"]
    new(seed=1).load(saved)


def test_a_folder_that_is_no_checkpoint_is_not_replaced(tmp_path):
    """`engine.save("results")` where "results" already holds something else."""
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="results"):
        new().save(folder)
    assert (folder / "thesis.txt").read_text() == "years of work"


def test_a_file_is_not_replaced_either(tmp_path):
    file = tmp_path / "results"
    file.write_text("years of work")
    with pytest.raises(UserError, match="results"):
        new().save(file)
    assert file.read_text() == "years of work"


# --------------------------------------------------------------------------------------- corruption


def rewrite_state(folder, **changes):
    """Make state.json believe in the files as they are, and in what is changed."""
    state = json.loads((folder / "state.json").read_text()) | changes
    (folder / "state.json").unlink()
    counts = ("round", "drawn", "steps", "notes", "processes", "versions")
    checkpoint.write_state(folder, {name: state[name] for name in counts})


def damage(file, how):
    data = bytearray(file.read_bytes())
    if how == "truncated":
        data = data[: len(data) // 2]
    elif how == "empty":
        data = bytearray()
    elif how == "flipped":
        data[len(data) * 2 // 3] ^= 16
    else:
        file.unlink()
        return
    file.write_bytes(data)


@pytest.mark.parametrize("how", ["truncated", "flipped", "empty", "missing"])
@pytest.mark.parametrize("name", FILES)
def test_damaged_files_are_named(saved, name, how):
    damage(saved / name, how)
    engine = new(seed=1)
    before = everything(engine)
    with pytest.raises(UserError, match=f"{saved / name} is "):
        engine.load(saved)
    assert_same(before, everything(engine))


@pytest.mark.parametrize("how", ["truncated", "empty"])
@pytest.mark.parametrize("name", FILES)
def test_damage_that_the_fingerprint_hides_is_named_too(saved, name, how):
    damage(saved / name, how)
    rewrite_state(saved)
    with pytest.raises(UserError, match=f"{saved / name} cannot be read"):
        new(seed=1).load(saved)


@pytest.mark.parametrize("how", ["truncated", "empty", "missing"])
def test_damaged_state(saved, how):
    damage(saved / "state.json", how)
    with pytest.raises(UserError, match=r"state\.json is (corrupt|missing)"):
        new(seed=1).load(saved)


def test_any_flipped_bit_of_the_state_is_noticed(saved):
    file = saved / "state.json"
    whole, outcomes = file.read_bytes(), {}
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= 1
        file.write_bytes(data)
        try:
            checkpoint.read_state(saved)
            outcomes[place] = "passed"
        except Exception as error:
            outcomes[place] = type(error).__name__
    assert set(outcomes.values()) == {"UserError"}


def test_another_format(saved, monkeypatch):
    with monkeypatch.context() as later_version:
        later_version.setattr(checkpoint, "FORMAT", 99)
        rewrite_state(saved)
    with pytest.raises(UserError, match=r"state\.json has format 99"):
        new().load(saved)


def test_no_checkpoint(tmp_path):
    assert not checkpoint.has_checkpoint(tmp_path / "run")
    with pytest.raises(UserError, match=f"no checkpoint in {tmp_path / 'run'}"):
        new().load(tmp_path / "run")


# ------------------------------------------------------------------------------------- another game


def test_another_architecture(saved):
    engine = new()
    engine.game.G[0] = torch.nn.Linear(2, 5)
    with pytest.raises(UserError, match=r"game\.safetensors does not fit this game"):
        engine.load(saved)


def test_other_players(saved):
    with pytest.raises(UserError, match=r"optim.pt holds optimizers of \['D', 'G'\], not of \['D'"):
        new(optim=("D",), schedule={}).load(saved)


def test_other_numbers_of_processes_load_the_same_players(saved):
    same, fewer = new(), new(5)
    same.load(saved)
    rewrite_state(saved, processes=2)
    assert checkpoint.saved_processes(saved) == 2
    fewer.load(saved)
    ours, theirs = everything(fewer), everything(same)
    for found in (ours, theirs):  # random numbers are each process's own
        del found[".next"]
    assert_same(ours, theirs)


def test_other_averages_than_were_saved(saved):
    with pytest.raises(UserError, match=r"averages of \['G'\], not of \['D', 'G'\]; use the opt"):
        new(ema={"D": 0.9, "G": 0.9}).load(saved)
    with pytest.raises(UserError, match=r"averages of \['G'\], not of \[\]; use the options"):
        new(ema={}).load(saved)
    new(ema={}).load_learned(saved)  # to sample, without the average


@pytest.mark.parametrize("change", ["schedule", "parameters", "optimizer"])
def test_other_options_that_end_in_other_errors(saved, change):
    """The last one is found only when Adam misses its betas in the first step."""
    if change == "schedule":
        constant = torch.optim.lr_scheduler.ConstantLR
        engine = new(schedule={"G": constant, "D": constant})
    else:
        engine = new()
        parameters = engine.players["D"][:1] if change == "parameters" else engine.players["D"]
        kind = torch.optim.RMSprop if change == "optimizer" else torch.optim.Adam
        engine.optimizers["D"] = kind(parameters)
    with pytest.raises(UserError, match=r"optim\.pt"):
        engine.load(saved)


# ------------------------------------------------------------------------------------------ pickles


class Malicious:
    """Unpickling this runs a command of the attacker's choice."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (Path.touch, (self.file,))


@pytest.mark.parametrize("name", ["optim.pt", "rng.0.pt", "game.safetensors"])
def test_loading_never_unpickles(saved, name, tmp_path):
    mark = tmp_path / "was here"
    pickle.loads(pickle.dumps(Malicious(mark)))
    assert mark.exists(), "the attack works where pickles are run"
    mark.unlink()
    buffer = io.BytesIO()
    torch.save({"optimizers": Malicious(mark), "cpu": Malicious(mark)}, buffer)
    (saved / name).write_bytes(buffer.getvalue())
    rewrite_state(saved)
    with pytest.raises(UserError, match=f"{saved / name} cannot be read"):
        new().load(saved)
    assert not mark.exists()
