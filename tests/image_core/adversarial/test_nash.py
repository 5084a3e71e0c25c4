"""Diagnoses: closed forms of gains and spectra, and no trace left in what was diagnosed."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from image_core.adversarial import parallel
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Game, Loss, Turn
from image_core.adversarial.nash import diagnose
from image_core.adversarial.spectrum import ritz_values
from tests.image_core.adversarial.toys import ToyGAN, adam, copied, points

RATE = 0.5


class Quadratic(Game):
    """min over a and b of a P a / 2 + a A b + r a and b Q b / 2 - a A b, in doubles."""

    def __init__(self, P, Q, A, rewarded=False):
        super().__init__()
        draw = torch.Generator().manual_seed(2)
        kind = {"generator": draw, "dtype": torch.float64}
        self.a = nn.Parameter(torch.randn(len(P), **kind))
        self.b = nn.Parameter(torch.randn(len(Q), **kind))
        self.P, self.Q, self.A, self.rewarded = P, Q, A, rewarded
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def players(self):
        return {"a": [self.a], "b": [self.b]}

    def turns(self):
        return [Turn("a", self.move_a), Turn("b", self.move_b, repeat=2)]

    def loss_a(self):
        return self.a @ self.P @ self.a / 2 + self.a @ self.A @ self.b

    def loss_b(self):
        return self.b @ self.Q @ self.b / 2 - self.a @ self.A @ self.b

    def move_a(self, batches):
        self.seen += next(batches)
        if self.rewarded:  # a surrogate of the same gradient, whose value says nothing
            loss = self.loss_a()
            yield Loss(loss - loss.detach(), {"reward": -loss})
        else:
            yield Loss(self.loss_a())

    def move_b(self, batches):
        yield Loss(self.loss_b())


def quadratic(n, m, *, bilinear=False, **options):
    """A game of n and m numbers, and its engine of gradient descent."""
    draw = np.random.default_rng(n + m)
    P, Q = (np.diag(1 + draw.random(k)) * (not bilinear) for k in (n, m))
    game = Quadratic(*map(torch.from_numpy, (P, Q, draw.normal(size=(n, m)))), **options)
    sgd = partial(torch.optim.SGD, lr=RATE)
    return game, Engine(game, {"a": sgd, "b": sgd})


def numbers(index):
    return torch.tensor(index)


def test_gains_of_a_bilinear_game_are_of_straight_ways():
    game, engine = quadratic(3, 2, bilinear=True)
    found = diagnose(engine, numbers, rounds=4)
    # A gradient that does not change: each step gains the rate times its square
    a, b = game.a.detach(), game.b.detach()
    gains = {
        "gain_a": 4 * RATE * float((game.A @ b).square().sum()),
        "gain_b": 8 * RATE * float((a @ game.A).square().sum()),
    }
    assert {name: found[name] for name in gains} == pytest.approx(gains)
    assert found["gap"] == pytest.approx(sum(gains.values()))


@pytest.mark.parametrize("rewarded", [False, True])
def test_gains_of_long_responses_are_those_of_the_best_ones(rewarded):
    game, engine = quadratic(3, 2, rewarded=rewarded)
    found = diagnose(engine, numbers, rounds=30, products=1, draws=1)
    # min over a of a P a / 2 + a g is -g P^-1 g / 2
    g, h = game.A @ game.b.detach(), -game.a.detach() @ game.A
    best_a, best_b = (
        -float(x @ torch.linalg.solve(M, x)) / 2 for x, M in ((g, game.P), (h, game.Q))
    )
    assert found["gain_a"] == pytest.approx(game.loss_a().item() - best_a, rel=1e-6)
    assert found["gain_b"] == pytest.approx(game.loss_b().item() - best_b, rel=1e-6)


def test_nothing_is_gained_where_no_gradient_is_left():
    game, engine = quadratic(3, 2)
    with torch.no_grad():
        game.a.zero_()
        game.b.zero_()
    found = diagnose(engine, numbers, rounds=3)
    assert found["gap"] == 0
    assert found["jacobian_least_real"] > 0


@pytest.mark.parametrize("bilinear", [False, True])
def test_the_spectrum_is_that_of_the_matrix(bilinear):
    game, engine = quadratic(3, 2, bilinear=bilinear)
    J = np.block([[game.P.numpy(), game.A.numpy()], [-game.A.numpy().T, game.Q.numpy()]])
    values = np.linalg.eigvals(J)
    found = diagnose(engine, numbers, rounds=0)
    assert found["jacobian_least_real"] == pytest.approx(values.real.min(), abs=1e-8)
    assert found["jacobian_most_real"] == pytest.approx(values.real.max(), abs=1e-8)
    assert found["jacobian_most_imaginary"] == pytest.approx(values.imag.max(), abs=1e-8)
    if bilinear:  # it turns in circles: singular values of A, and nothing real
        assert values.imag.max() == pytest.approx(np.linalg.svd(game.A.numpy())[1].max())
        assert abs(found["jacobian_least_real"]) < 1e-8


def test_few_products_find_the_outermost_eigenvalues():
    draw = np.random.default_rng(0)
    inner = draw.uniform(-1, 1, 196)
    A = np.zeros((200, 200))
    A[np.arange(4, 200), np.arange(4, 200)] = inner
    A[:2, :2], A[2, 2], A[3, 3] = [[2, 9], [-9, 2]], 7, -5
    basis, _ = np.linalg.qr(draw.normal(size=(200, 200)))
    matrix = torch.from_numpy(basis @ A @ basis.T)
    start = torch.from_numpy(draw.normal(size=200))
    values = ritz_values(lambda v: matrix @ v, start, 16).numpy()
    for wanted in (2 + 9j, 2 - 9j, 7, -5):
        assert abs(values - wanted).min() < 1e-6


def test_a_space_that_is_exhausted_ends_the_iteration():
    turn = torch.tensor([[0.0, 3.0], [-3.0, 0.0]], dtype=torch.float64)
    matrix = torch.block_diag(turn, turn, turn)
    values = ritz_values(lambda v: matrix @ v, torch.arange(1.0, 7.0, dtype=torch.float64), 6)
    assert sorted(values.imag.tolist()) == pytest.approx([-3, 3])


def test_the_jacobian_sees_through_fakes_without_a_graph():
    """The discriminator's loss has no graph of the generator; the exact Jacobian has its part."""
    torch.manual_seed(0)
    game = ToyGAN().double()
    engine = Engine(game, {"G": adam, "D": adam})

    def data(index):
        return {name: value.double() for name, value in points(index).items()}

    weights = dict(game.named_parameters())
    batch, count = data(0), sum(p.numel() for p in weights.values())
    sizes = [p.numel() for p in weights.values()]

    def field(flat):
        parts = zip(weights, flat.split(sizes), strict=True)
        w = {name: part.view_as(weights[name]) for name, part in parts}

        def call(name, x):
            own = {n[2:]: v for n, v in w.items() if n.startswith(name)}
            return torch.func.functional_call(game.get_submodule(name), own, (x,))

        fake = call("G", batch["noise"])
        loss_d = nn.functional.softplus(-call("D", batch["real"])).mean()
        loss_d = loss_d + nn.functional.softplus(call("D", fake)).mean()
        loss_g = nn.functional.softplus(-call("D", call("G", data(1)["noise"]))).mean()
        of = {"G": loss_g, "D": loss_d}
        slopes = [
            torch.autograd.grad(of[n[0]], w[n], create_graph=True)[0].flatten() for n in weights
        ]
        return torch.cat(slopes)

    at = torch.cat([p.detach().flatten() for p in weights.values()])
    values = torch.linalg.eigvals(torch.autograd.functional.jacobian(field, at))
    found = diagnose(engine, data, rounds=0, products=count)
    assert found["jacobian_least_real"] == pytest.approx(float(values.real.min()), abs=1e-5)
    assert found["jacobian_most_real"] == pytest.approx(float(values.real.max()), abs=1e-5)
    assert found["jacobian_most_imaginary"] == pytest.approx(float(values.imag.max()), abs=1e-5)


def test_nothing_of_the_game_is_left_changed():
    torch.manual_seed(0)
    game = ToyGAN(dropout=0.5)
    engine = Engine(game, {"G": adam, "D": adam}, ema={"G": 0.9})
    list(engine.rounds(points, 2))
    before, drawn, chance = copied(game), engine.drawn, torch.get_rng_state()
    moments = {n: copied_optimizer(o) for n, o in engine.optimizers.items()}
    game.D[2].eval()
    found = diagnose(engine, points)
    assert all(math.isfinite(value) for value in found.values())
    assert not game.D[2].training
    assert game.D[3].training
    assert engine.drawn == drawn
    assert torch.equal(torch.get_rng_state(), chance)
    for name, value in game.state_dict().items():
        assert torch.equal(value, before[name]), name
    for name, optimizer in engine.optimizers.items():
        assert copied_optimizer(optimizer) == moments[name]
    assert all(p.grad is None and p.requires_grad for p in game.parameters())


def copied_optimizer(optimizer):
    return [
        {k: v.tolist() for k, v in state.items()}
        for state in optimizer.state_dict()["state"].values()
    ]


def test_more_than_one_process_is_refused(monkeypatch):
    _, engine = quadratic(2, 2)
    monkeypatch.setattr(parallel, "world", lambda: (0, 2))
    with pytest.raises(UserError, match=r"--diagnose .* there are 2"):
        diagnose(engine, numbers)
