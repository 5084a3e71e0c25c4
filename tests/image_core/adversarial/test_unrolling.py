"""Unrolled steps: closed form, nothing changed, and equality with steps that were really taken."""

import copy

import pytest
import torch

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.adversarial.unrolling import unrolled
from image_core.games.coupling import unroll
from image_core.games.unrolled import tiny


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
        learning_rate=e,
    )["psi"]
    left = (1 - e) ** steps
    assert psi.item() == pytest.approx(1.3 + left * (start - 1.3), abs=1e-12)
    (slope,) = torch.autograd.grad(f(psi), theta)
    assert slope.item() == pytest.approx(psi.item() + (1.3 - psi.item()) * (1 - left), abs=1e-12)
    assert slope.item() == pytest.approx(value, abs=1e-7)


@pytest.mark.parametrize(("steps", "rate"), [(-1, 0.1), (1, 0.0)])
def test_refused(steps, rate):
    with pytest.raises(UserError, match="unrolled steps"):
        unrolled({}, lambda w: torch.zeros(()), steps=steps, learning_rate=rate)


def test_the_discriminator_ahead_is_the_one_that_steps_make():
    game, real = tiny()
    fake = game.G(game.draw(len(real)))

    def loss_d(D):
        return losses.non_saturating.d(D(real), D(fake))

    before = copy.deepcopy(game.D.state_dict())
    ahead = unroll(game.D, loss_d, steps=2, learning_rate=0.1)(fake)
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

        D = unroll(game.D, loss_d, steps=3, learning_rate=0.5)
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
