"""The game of answers: the discriminator's form, the losses, estimators against enumeration."""

import pytest
import torch
from torch.nn.functional import cross_entropy, logsigmoid, one_hot, softplus

from image_core.adversarial import losses, penalties
from image_core.adversarial.losses import density_ratio
from seqgan.vqa.config import SERVED, of_answers, reward_of
from seqgan.vqa.data import ask
from seqgan.vqa.game import tiny
from seqgan.vqa.measures import judge, people
from seqgan.vqa.nets import Reader


@pytest.fixture
def played():
    torch.manual_seed(0)
    game, rows = tiny()
    return game, rows, rows["pictures"].float() / 127.5 - 1, rows["words"]


def test_the_discriminator_reads_a_picture_once_for_all_answers(played):
    game, _, x, q = played
    seen = []
    game.D.reader.register_forward_hook(lambda *_: seen.append(1))
    answers = torch.eye(5).expand(6, 5, 5)
    logits = game.D(x, q, answers)
    assert len(seen) == 1
    f = game.D.reader(x, q)
    D = game.D
    expected = f @ D.by_answer.weight.T + D.by_answer.bias + f @ D.common.weight.T + D.common.bias
    assert torch.allclose(logits, expected, atol=1e-6)


def test_blanks_say_nothing_and_a_blind_reader_sees_nothing(played):
    game, _, x, q = played
    longer = torch.cat([q, torch.zeros(6, 2, dtype=torch.long)], 1)
    assert torch.equal(game.G(x, q), game.G(x, longer))
    assert torch.equal(game.blind(x, q), game.blind(x.flip(0), q))
    assert not torch.equal(game.G(x, q), game.G(x.flip(0), q))
    assert not any("picture" in name for name, _ in game.blind.named_parameters())
    with_picture = Reader(4, 7, 8, dropout=0.0)
    assert any("picture" in name for name, _ in with_picture.named_parameters())


def test_the_discriminators_loss_is_that_of_peoples_and_drawn_answers(played):
    game, batch, x, q = played
    torch.manual_seed(5)
    (loss,) = game.discriminator_move(iter([batch]))
    torch.manual_seed(5)
    p = game.G(x, q).softmax(1)
    drawn = (torch.rand(6, 4, 1) >= p.cumsum(1)[:, None, :-1]).sum(2)
    f = game.D.reader(x, q)
    each = game.D.by_answer(f) + game.D.common(f)
    real = each.gather(1, batch["answers"][:, None])
    expected = softplus(-real).mean() + softplus(each.gather(1, drawn)).mean()
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    game.penalty = penalties.r1(1.0)
    (with_penalty,) = game.discriminator_move(iter([batch]))
    slope = game.D.by_answer(f).square().sum(1).mean()
    assert with_penalty.logs["penalty"].item() == pytest.approx(slope.item() / 2, rel=1e-4)


def expectation(name, logit, own):
    """What an estimator samples, with the gradient it should have."""
    share = own.softmax(1)
    match name:
        case "importance":
            weight = (share * logit.exp()).detach()
            each = (weight * own.log_softmax(1)).sum(1) / weight.sum(1)
        case "boundary_seeking":
            each = ((logit + own).softmax(1).detach() * own.log_softmax(1)).sum(1)
        case _:
            each = (share * logsigmoid(logit)).sum(1)
    return -each.mean()


@pytest.mark.parametrize("name", SERVED)
def test_estimators_are_right_in_the_mean(played, name):
    game, batch, x, q = played
    with torch.no_grad():  # so that logits and rewards differ
        game.D.by_answer.weight.mul_(12)
        game.G.answers.weight.mul_(4)
    game.samples, game.estimator = 100_000, of_answers(name, 100_000)
    game.reward = reward_of(name, losses.non_saturating)
    (loss,) = game.generator_move(iter([batch]))
    found = torch.autograd.grad(loss.total, game.G.answers.bias)[0]
    f, own = game.D.reader(x, q), game.G(x, q)
    value = expectation(name, (game.D.by_answer(f) + game.D.common(f)).detach(), own)
    (expected,) = torch.autograd.grad(value, game.G.answers.bias)
    assert expected.abs().max() > 0.02
    assert torch.allclose(found, expected, atol=0.005)


def test_likelihood_is_a_term_of_its_own_weight(played):
    game, batch, x, q = played
    game.likelihood = 3.0
    torch.manual_seed(2)
    (both,) = game.generator_move(iter([batch]))
    nll = cross_entropy(game.G(x, q), batch["answers"])
    game.likelihood = 0.0
    torch.manual_seed(2)
    (alone,) = game.generator_move(iter([batch]))
    assert both.total.item() == pytest.approx(alone.total.item() + 3 * nll.item(), rel=1e-5)
    (own,) = game.likelihood_move(iter([batch]))
    assert own.logs["nll"].item() == pytest.approx(
        cross_entropy(game.rival(x, q), batch["answers"]).item()
    )


def test_what_estimators_read_of_a_logit():
    logit = torch.tensor([-1.0, 2.0])
    assert torch.equal(reward_of("importance", losses.hinge)(logit), density_ratio(logit))
    assert torch.equal(reward_of("boundary_seeking", losses.hinge)(logit), logit)
    assert torch.allclose(reward_of("reinforce", losses.non_saturating)(logit), logsigmoid(logit))


def test_judged_by_hand():
    asked = ask(400, 8, seed=0)
    certain = one_hot(asked.answers, asked.true.shape[1]).double()
    found = judge(certain, asked)
    # Where two answers are true, one drawn for certain is half as far from even as can be
    two = (asked.true.sum(1) == 2).double().mean().item()
    assert found.scores == {"accuracy": 1.0, "tv": pytest.approx(two / 2)}
    assert set(found.kinds.values()) == {1.0}
    even = torch.full_like(certain, 1 / certain.shape[1])
    gap = (even - people(asked.true)).abs().sum(1).mean().item() / 2
    assert judge(even, asked).scores["tv"] == pytest.approx(gap)
    low, high = found.ends["tv"]
    assert low < two / 2 < high
