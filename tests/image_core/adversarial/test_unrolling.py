"""Unrolled steps: closed form, nothing changed, and equality with steps that were really taken."""

import copy
import functools

import pytest
import torch

from image_core.adversarial import losses
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.unrolling import AdamAhead, descent, unrolled
from image_core.games.coupling import unroll
from image_core.games.unrolled import tiny, zero_sum


@pytest.mark.parametrize(("steps", "value"), [(0, -0.4), (1, -0.077), (5, 0.7072467)])
def test_closed_form(steps, value):
    # f = theta psi - psi^2 / 2, psi climbs: psi_K = theta + (1 - e)^K (psi_0 - theta)
    theta, start, e = torch.tensor(1.3, dtype=torch.float64, requires_grad=True), -0.4, 0.1

    def f(psi):
        return theta * psi - psi**2 / 2

    psi = unrolled(
        {"psi": torch.tensor(start, dtype=torch.float64)},
        lambda w: -f(w["psi"]),
        steps=steps,
        step=descent(e),
    )["psi"]
    left = (1 - e) ** steps
    assert psi.item() == pytest.approx(1.3 + left * (start - 1.3), abs=1e-12)
    (slope,) = torch.autograd.grad(f(psi), theta)
    assert slope.item() == pytest.approx(psi.item() + (1.3 - psi.item()) * (1 - left), abs=1e-12)
    assert slope.item() == pytest.approx(value, abs=1e-7)


@pytest.mark.parametrize(("steps", "rate"), [(-1, 0.1), (1, 0.0)])
def test_refused(steps, rate):
    with pytest.raises(UserError, match="unrolled steps"):
        unrolled({}, lambda w: torch.zeros(()), steps=steps, step=descent(rate))


def test_the_discriminator_ahead_is_the_one_that_steps_make():
    game, real = tiny()
    fake = game.G(game.draw(len(real)))

    def loss_d(D):
        return losses.non_saturating.d(D(real), D(fake))

    before = copy.deepcopy(game.D.state_dict())
    ahead = unroll(game.D, loss_d, steps=2, step=descent(0.1))(fake)
    for name, value in game.D.state_dict().items():
        assert torch.equal(value, before[name]), name
    real_steps = copy.deepcopy(game.D)
    optimizer = torch.optim.SGD(real_steps.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        losses.non_saturating.d(real_steps(real), real_steps(fake.detach())).backward()
        optimizer.step()
    torch.testing.assert_close(ahead, real_steps(fake))


def test_the_generator_sees_what_its_change_does_to_the_discriminator():
    """Against differences of a loss whose discriminator really answers."""
    game, real = tiny()
    game.double()
    real, z = real.double(), game.draw(6).double()

    def answered(shift):
        fake = game.G(z) + shift

        def loss_d(D):
            return losses.non_saturating.d(D(real), D(fake))

        D = unroll(game.D, loss_d, steps=3, step=descent(0.5))
        return losses.non_saturating.g(D(real), D(fake))

    shift = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(answered(shift), shift)
    h = 1e-6
    with torch.enable_grad():
        difference = (answered(torch.tensor(h)) - answered(torch.tensor(-h))) / (2 * h)
    assert slope.item() == pytest.approx(difference.item(), rel=1e-4)
    # The plain game's slope is another
    fake = game.G(z) + shift
    (plain,) = torch.autograd.grad(losses.non_saturating.g(game.D(real), game.D(fake)), shift)
    assert abs(plain.item() - slope.item()) > 1e-3 * abs(slope.item())


def answers(fused):
    """A small network, data for its loss, and its Adam after three steps."""
    torch.manual_seed(4)
    net = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1))
    net.double()
    adam = torch.optim.Adam(net.parameters(), 0.03, betas=(0.5, 0.9), eps=1e-6, fused=fused)
    x = torch.randn(7, 3, dtype=torch.float64)
    for _ in range(3):
        adam.zero_grad()
        net(x).square().mean().backward()
        adam.step()
    adam.zero_grad()
    return net, adam, x


def ahead(net, adam, x, steps):
    def loss(weights):
        return torch.func.functional_call(net, dict(weights), x).square().mean()

    return unrolled(dict(net.named_parameters()), loss, steps=steps, step=AdamAhead(adam))


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("begun", [False, True])
def test_steps_ahead_are_those_that_adam_takes(fused, begun):
    net, adam, x = answers(fused)
    if not begun:
        adam = torch.optim.Adam(net.parameters(), 0.03, betas=(0.0, 0.99), fused=fused)
    state = copy.deepcopy(adam.state_dict())
    before = copy.deepcopy(net.state_dict())
    found = ahead(net, adam, x, 4)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name
    torch.testing.assert_close(adam.state_dict(), state, rtol=0, atol=0)
    for _ in range(4):
        adam.zero_grad()
        net(x).square().mean().backward()
        adam.step()
    torch.testing.assert_close(found, dict(net.state_dict()), rtol=1e-9, atol=1e-12)
    assert not torch.equal(found["0.weight"], before["0.weight"])


def test_the_slope_through_adams_steps_against_differences():
    net, adam, x = answers(False)

    def answered(shift):
        return ahead(net, adam, x + shift, 3)["0.weight"].square().sum()

    shift = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(answered(shift), shift)
    h = 1e-5
    difference = (answered(torch.tensor(h)) - answered(torch.tensor(-h))) / (2 * h)
    assert slope.item() == pytest.approx(difference.item(), rel=1e-6)


def test_a_weight_without_any_slope_does_not_spoil_the_others():
    weights = {"used": torch.nn.Parameter(torch.ones(1)), "idle": torch.nn.Parameter(torch.ones(1))}
    adam = torch.optim.Adam(weights.values(), 0.1)
    theta = torch.ones((), requires_grad=True)
    psi = unrolled(
        weights,
        lambda w: (w["used"] * theta - 3).square().sum() + (theta * w["idle"] - 5).relu().sum(),
        steps=2,
        step=AdamAhead(adam),
    )
    assert psi["idle"].item() == 1.0
    assert psi["used"].item() == pytest.approx(1.2, abs=1e-3)  # two steps of the length
    (slope,) = torch.autograd.grad(psi["used"].sum() + psi["idle"].sum(), theta)
    assert slope.isfinite()


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, 0.1),
        lambda p: torch.optim.Adam(p, weight_decay=0.1),
        lambda p: torch.optim.Adam(p, amsgrad=True),
        lambda p: torch.optim.Adam(p, maximize=True),
        lambda p: torch.optim.Adam([{"params": [q]} for q in p]),
    ],
)
def test_optimizers_whose_steps_are_not_known(make):
    net, _, _ = answers(False)
    with pytest.raises(UserError, match="unrolled steps are to go on from"):
        AdamAhead(make(list(net.parameters())))


def test_the_engine_shows_a_game_its_optimizers_and_those_that_replace_them():
    game, real = tiny()
    game = type(game)(game.G, game.D, 4, unroll_steps=1, batch=6)
    engine = Engine(game, dict.fromkeys("GD", functools.partial(torch.optim.Adam, lr=0.01)))
    list(engine.rounds(lambda i: real, 2))
    first = game.optimizers["D"]
    assert first is engine.optimizers["D"]
    engine.reset("D")
    assert game.optimizers["D"] is engine.optimizers["D"] is not first
    list(engine.rounds(lambda i: real, 1))


def test_a_zero_sum_game_is_so_in_its_half_of_reals():
    """The generator's loss is minus the discriminator's, at weights that Adam really reaches."""
    game, real = tiny()
    game = type(game)(game.G, game.D, 4, unroll_steps=2, loss=losses.minimax, batch=6)
    adam = torch.optim.Adam(game.D.parameters(), 0.01)
    game.follow({"D": adam})
    torch.manual_seed(0)
    (found, _) = next(game.generator_move(iter([real])))
    torch.manual_seed(0)
    fake = game.G(game.draw(6)).detach()
    for _ in range(2):
        adam.zero_grad()
        losses.minimax.d(game.D(real), game.D(fake)).backward()
        adam.step()
    wanted = -losses.minimax.d(game.D(real), game.D(fake))
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert {n for n in losses.__all__ if zero_sum(getattr(losses, n))} == {"minimax", "wasserstein"}
