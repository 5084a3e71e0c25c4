"""A paper of the user's own on images: two generators, two discriminators, two streams, a pool."""

import sys
from pathlib import Path

import pytest

from tests.recipes.made import read_log, read_result
from tests.recipes.outside import assert_same_weights, command, died

ROOT = Path(__file__).resolve().parents[3]
CYCLE = '''"""TinyCycle (nobody 2026): even digits become odd ones and come back."""

from dataclasses import dataclass

import torch
from torch import nn

from image_core.adversarial import losses
from image_core.adversarial.game import Loss, Turn
from image_core.adversarial.replay import HistoryPool
from image_core.games.common import ImageGame, to_images
from image_core.recipes.image.config import AdamOptions
from image_core.runs.batches import Batches
from image_core.runs.players import Player, adam


@dataclass(kw_only=True)
class Options(AdamOptions):
    """TinyCycle.

    Args:
        cycle_weight: Weight of what is lost on the way there and back.
        pool: Number of earlier images of either domain that its discriminator is shown.
    """

    cycle_weight: float = 10.0
    pool: int = 12


def translator(channels):
    layers = nn.Conv2d(channels, 6, 3, 1, 1), nn.ReLU(), nn.Conv2d(6, channels, 3, 1, 1)
    return nn.Sequential(*layers, nn.Tanh())


def discriminator(channels):
    layers = nn.Conv2d(channels, 6, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(6, 1, 4, 2, 1)
    return nn.Sequential(*layers)


class CycleGame(ImageGame):
    def __init__(self, shown, o):
        channels, row = shown.shape[1], {"image": shown[0]}
        super().__init__(translator(channels))
        self.back = translator(channels)
        self.D_even, self.D_odd = discriminator(channels), discriminator(channels)
        self.even, self.odd = HistoryPool(o.pool, row), HistoryPool(o.pool, row)
        self.register_buffer("shown", shown)
        self.weight, self.steps = o.cycle_weight, o.d_steps

    def players(self):
        both = [*self.G.parameters(), *self.back.parameters()]
        one, other = list(self.D_even.parameters()), list(self.D_odd.parameters())
        return {"G": both, "D_even": one, "D_odd": other}

    def turns(self):
        even, odd = (Turn(n, getattr(self, n.lower()), self.steps) for n in ("D_even", "D_odd"))
        return [even, odd, Turn("G", self.translate)]

    def inputs(self, count):
        return (self.shown[torch.arange(count, device=self.device) % len(self.shown)],)

    def d_even(self, batches):
        batch = next(batches)
        yield self.told_apart(self.D_even, self.even, self.back, batch["even"], batch["odd"])

    def d_odd(self, batches):
        batch = next(batches)
        yield self.told_apart(self.D_odd, self.odd, self.G, batch["odd"], batch["even"])

    def told_apart(self, D, pool, G, real, source):
        with torch.no_grad():
            fake = pool.mix({"image": G(to_images(source))})["image"]
        total = losses.least_squares.d(D(to_images(real)), D(fake))
        return Loss(total, {"adversarial": total})

    def translate(self, batches):
        batch = next(batches)
        even, odd = to_images(batch["even"]), to_images(batch["odd"])
        to_odd, to_even = self.G(even), self.back(odd)
        fooled = sum(
            losses.least_squares.g(logits, logits)
            for logits in (self.D_odd(to_odd), self.D_even(to_even))
        )
        lost = (self.back(to_odd) - even).abs().mean() + (self.G(to_even) - odd).abs().mean()
        yield Loss(fooled + self.weight * lost, {"lost": lost})


def domains(images):
    return images.images[images.labels % 2 == 0], images.images[images.labels % 2 == 1]


def game(o, images):
    return CycleGame(to_images(domains(images)[0][:16]), o)


def players(o):
    betas = (o.beta1, o.beta2)
    rates = {"G": o.g_lr, "D_even": o.d_lr, "D_odd": o.d_lr}
    return [Player(name, adam(lr, betas), o.max_grad_norm) for name, lr in rates.items()]


def data(o, images):
    streams = [Batches(d, o.batch, seed=o.seed + i) for i, d in enumerate(domains(images))]
    return lambda index: {name: some(index) for name, some in zip(("even", "odd"), streams)}


PRESETS = {"tiny": {"pool": 10}}
'''
TRAIN = ("train", "image", "--preset", "tiny", "--paper", "mypkg.mycycle", "--threads", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a package of one paper."""
    made = tmp_path_factory.mktemp("own")
    (made / "mypkg").mkdir()
    (made / "mypkg" / "__init__.py").write_text("")
    (made / "mypkg" / "mycycle.py").write_text(CYCLE)
    return made


@pytest.mark.slow
def test_two_domains_train_sample_and_evaluate(folder):
    done = command(folder, *TRAIN, "--out", "whole", "--cycle_weight", "5")
    assert done.returncode == 0, done.stderr
    result, log = read_result(folder / "whole"), read_log(folder / "whole")
    assert set(result["table"]) == {"TinyCycle", "real again"}
    assert (result["config"]["cycle_weight"], result["config"]["pool"]) == (5.0, 10)
    assert result["steps"] == {"G": 4, "D_even": 4, "D_odd": 4}
    norms = [f"{name}/grad_norm" for name in ("G", "D_even", "D_odd")]
    assert all(row[name] > 0 for row in log for name in norms)
    samples = folder / "whole" / "samples"
    assert {"grid.png", "real.png"} <= {file.name for file in samples.iterdir()}
    assert not (samples / "interpolation.png").exists()  # it reads no latents
    sampled = command(folder, "sample", "whole", "--n", "9", "--out", "nine.png")
    assert sampled.returncode == 0, sampled.stderr
    assert (folder / "nine.png").read_bytes().startswith(b"\x89PNG")
    assert command(folder, "evaluate", "whole").returncode == 0
    assert read_result(folder / "whole")["table"] == result["table"]
    assert "--cycle_weight" in command(folder, *TRAIN, "--help").stdout


@pytest.mark.slow
def test_dead_with_a_full_pool_it_ends_the_same(folder, monkeypatch):
    words = (*TRAIN, "--rounds", "20", "--evaluate_every", "20")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    died((*words, "--out", "killed"), lambda record: record["round"] == 7)
    assert len(read_log(folder / "killed")) == 7
    resumed = command(folder, "resume", "killed")
    assert resumed.returncode == 0, resumed.stderr
    assert command(folder, *words, "--out", "undisturbed").returncode == 0
    assert_same_weights(folder / "killed", folder / "undisturbed")
    assert_same_weights(folder / "killed", folder / "undisturbed", "ema.G")
    assert read_log(folder / "killed") == read_log(folder / "undisturbed")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"D_odd": o.d_lr}', '"D": o.d_lr}', "names the player 'D', but the game's are"),
        (', "D_odd": o.d_lr}', "}", "has no optimizer for the game's player 'D_odd'"),
        ("Options(AdamOptions)", "Options", "must be a dataclass derived from ImageOptions"),
        ("def game(", "def play(", "has no `game`"),
        ('{"pool": 10}', '{"hope": 1}', "PRESETS name 'hope'"),
    ],
)
def test_a_module_that_is_no_paper_is_one_sentence(tmp_path, monkeypatch, capsys, old, new, says):
    from seqgan.cli import main

    assert old in CYCLE
    name = f"cycle_{abs(hash(new))}"
    (tmp_path / f"{name}.py").write_text(CYCLE.replace(old, new))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    words = ["train", "image", "--preset", "tiny", "--paper", name, "--out", "run"]
    assert main(words) == 2
    said = capsys.readouterr().err.splitlines()
    said = [line for line in said if not line.startswith(("data: ", "train: "))]
    assert len(said) == 1, said
    assert says in said[0]
    assert not (tmp_path / "run").exists()
