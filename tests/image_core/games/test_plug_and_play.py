"""PPGN: a chain's step by hand, losses term by term, codes of the data, conditions of one's own."""

import pytest
import torch
from torch.nn.functional import softplus

import seqgan as sg
from image_core.adversarial.errors import UserError
from image_core.adversarial.input_search import ChainSteps, plug_and_play
from image_core.games.plug_and_play import PlugAndPlayGAN, tiny
from seqgan.cli import main
from tests.recipes.made import refusal

RUN = ("train", "image", "--preset", "tiny", "--rounds", "1", "--report", "none")


@pytest.fixture(scope="module")
def made():
    torch.manual_seed(0)
    return tiny()


def test_one_step_is_the_formula():
    """G(h) = A h, E(x) = B x, log C(x) = -|x - c|^2 / 2."""
    torch.manual_seed(1)
    A, B, c, h = torch.randn(4, 3), torch.randn(3, 4), torch.randn(4), torch.rand(5, 3)
    steps = ChainSteps(1, eps1=0.3, eps2=0.2, eps3=0.1)
    torch.manual_seed(2)
    found = plug_and_play(
        lambda h: h @ A.T, lambda x: x @ B.T, lambda x: -(x - c).square().sum(1) / 2, h, steps
    )
    torch.manual_seed(2)
    g = (c - h @ A.T) @ A
    moved = h + 0.3 * (h @ A.T @ B.T - h) + 0.2 * g / g.norm(dim=1, keepdim=True)
    torch.testing.assert_close(found, (moved + 0.1 * torch.randn(5, 3)).clamp(min=0))
    assert (found == 0).any()  # a code of the test is cut


def test_without_its_term_the_encoder_changes_nothing():
    h, steps = torch.rand(5, 3), ChainSteps(4, eps1=0.0, eps3=0.0)

    def ends(E, eps1):
        return plug_and_play(lambda h: h, E, lambda x: x[:, 0].sin(), h, steps._replace(eps1=eps1))

    assert torch.equal(ends(torch.zeros_like, 0.0), ends(torch.ones_like, 0.0))
    assert not torch.equal(ends(torch.zeros_like, 0.1), ends(torch.ones_like, 0.1))


def test_a_condition_gives_a_number_for_each_sample():
    with pytest.raises(UserError, match="one number per sample"):
        plug_and_play(lambda h: h, lambda x: x, lambda x: x, torch.rand(5, 3), ChainSteps(1))


def test_losses_are_the_sums_of_their_terms(made):
    game, batch = made
    game.train()
    x = batch["images"]
    loss_d, _ = next(game.discriminator_move(iter([batch])))
    loss_g, _ = next(game.generator_move(iter([batch])))
    h = game.E.trunk(x)
    h1, again1 = game.E.trunk[:8](x), game.E.trunk[:8](game.G(h))
    fake = game.G(h)
    r, f = game.D(x), game.D(fake)
    torch.testing.assert_close(loss_d, softplus(-r).mean() + softplus(f).mean())
    features = (again1 - h1).square().mean() + (game.E.trunk(fake) - h).square().mean()
    image = (fake - x).square().mean()
    torch.testing.assert_close(loss_g, 10 * image + 0.02 * features + 0.1 * softplus(-f).mean())


def test_chains_start_from_codes_of_the_datas_mean_and_covariance(made):
    game, batch = made
    game.keep_codes(batch["images"])
    codes = game.E.trunk(batch["images"]).detach()
    torch.testing.assert_close(game.code_mean, codes.mean(0))
    covariance = codes.T.cov(correction=0)
    torch.testing.assert_close(game.code_root @ game.code_root.T, covariance, atol=1e-6, rtol=1e-3)
    assert game.start(50).amin() >= 0


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("ppgn") / "run"
    assert main([*RUN, "--paper", "ppgn", "--out", str(out)]) == 0
    return out


def test_a_loaded_run_draws_classes_and_conditions_of_ones_own(run):
    loaded = sg.load(run)
    game = loaded._run.game
    assert isinstance(game, PlugAndPlayGAN)
    assert not torch.equal(game.code_root, torch.eye(64))  # kept with the run
    first = loaded.sample(2, labels=["3", "7"], seed=1)
    assert (first == loaded.sample(2, labels=[3, 7], seed=1)).all()
    assert first.shape == (4, 1, 16, 16)
    own = loaded.sample(2, labels=[3, 7], condition=lambda x: game.E(2 * x - 1), seed=1)
    assert abs(own.astype(int) - first.astype(int)).max() <= 1  # the run's own classifier
    told = loaded.sample(2, condition=lambda x: x.flatten(1)[:, :2] * 3, seed=1)
    assert told.shape == (2, 1, 16, 16)


@pytest.mark.parametrize(
    ("condition", "labels", "told"),
    [
        (lambda x: x.flatten(1).softmax(1), [0], "probabilities"),
        (lambda x: torch.ones(len(x), 2) * 3, [0], "no gradient"),
        (lambda x: x.flatten(1)[:, :2] * 3, [2], "numbered from 0"),
        (lambda x: x.flatten(1)[:, :2] * 3, ["odd"], "numbers from 0"),
        (lambda x: x @ torch.ones(3, 2), [0], "it fails on images of shape"),
    ],
)
def test_conditions_that_cannot_be_met_are_refused(run, condition, labels, told):
    with pytest.raises(UserError, match=told):
        sg.load(run).sample(1, labels=labels, condition=condition)


def test_what_means_nothing_here_is_refused(run, capsys, tmp_path):
    assert refusal(capsys, "sample", str(run), "--truncation", "1").count("no latents") == 1
    assert "module:name" in refusal(capsys, "sample", str(run), "--condition", "odd")
    words = ["train", "image", "--paper", "ppgn", "--out", str(tmp_path / "x")]
    assert "--eps1 2.0: it is a share" in refusal(capsys, *words, "--eps1", "2")
