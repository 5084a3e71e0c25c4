"""The moves of the sequence game, written out: samples, scores, and what is minimised."""

import pytest
import torch

from image_core.adversarial import losses, penalties
from seqgan.text.games.sequence import tiny


@pytest.fixture
def game():
    """Without dropout, and remembering what the policy wrote."""
    game, _ = tiny()
    game.D.dropout = 0.0
    draw, game.written = game.G.sample, []

    def sample(*args, **kwargs):
        game.written.append(draw(*args, **kwargs))
        return game.written[-1]

    game.G.sample = sample
    return game


def sentences(index, rows=8):
    tokens = torch.randint(4, 12, (rows, 8), generator=torch.Generator().manual_seed(index))
    tokens[:, 4 + index % 3] = 2
    return game_padding(tokens)


def game_padding(tokens):
    ended = (tokens == 2).cumsum(1) - (tokens == 2).long()
    return torch.where(ended > 0, 0, tokens)


def batches():
    return map(sentences, iter(range(100)))


def played(move):
    """All losses of a move, without any step."""
    return list(move(batches()))


def gradients(loss, network):
    return torch.autograd.grad(loss, list(network.parameters()), retain_graph=True)


def assert_same_gradients(one, other, network):
    for a, b in zip(gradients(one, network), gradients(other, network)):
        assert torch.allclose(a, b, atol=1e-6)


def test_maximum_likelihood(game):
    (loss,) = played(game.mle_move)
    assert loss.total.item() == pytest.approx(game.G.nll(sentences(0)).item(), rel=1e-6)
    assert game.G.training


def test_policy_follows_the_rewards_of_its_own_samples(game):
    """-sum of reward times log-probability, its logged mean over tokens that count."""
    rewards = torch.rand(8, 8)
    with torch.no_grad():
        game.G.output_bias[2] += 2.0  # short sentences
    seen = []
    game.reward = lambda G, D, tokens: seen.append(tokens) or rewards[:, : tokens.shape[1]]
    (loss,) = played(game.policy_move)
    (tokens,) = game.written
    width = int(game.G.mask(tokens).sum(1).max())
    assert tokens.shape == (8, 8)
    assert 1 < width < 8
    assert torch.equal(seen[0], tokens[:, :width])
    mask = game.G.mask(seen[0])
    by_hand = -(rewards[:, :width] * game.G.log_prob(seen[0]))[mask].sum()
    assert_same_gradients(loss.total, by_hand, game.G)
    assert loss.logs["reward"].item() == pytest.approx(rewards[:, :width][mask].mean().item())


def test_several_updates_on_the_same_samples_see_the_ratio_to_the_first_policy(game):
    seen = []
    game.policy_updates = 3
    del game.estimator  # a module, which no function may replace
    game.estimator = lambda log_ratio, reward, mask: seen.append(log_ratio) or log_ratio.sum()
    before = None
    for _ in game.policy_move(batches()):
        before = game.G.log_prob(game.G.trim(game.written[0])) if before is None else before
        with torch.no_grad():
            game.G.output_bias[5:] += 0.5
    assert len(game.written) == 1
    assert len(seen) == 3
    assert (seen[0] == 0).all()
    now = game.G.log_prob(game.G.trim(game.written[0]))
    assert (seen[2] - seen[1]).abs().max() > 0.01
    assert (now - before - seen[2]).abs().max() > 0.01  # one more change came after


@pytest.mark.parametrize("loss", losses.__all__)
def test_critic_loss_by_hand(game, loss):
    """Half of E_real + E_fake, the regularizer, and the penalty between embedded sequences."""
    game.loss = getattr(losses, loss)
    game.negatives, game.d_steps = 4, 1
    game.penalty = penalties.r2(3.0)
    real, fake = sentences(0)[:4], game.sample(4)
    torch.manual_seed(7)
    (whole, *_) = played(game.discriminator_move)
    fake = game.written[-1]
    torch.manual_seed(7)
    game.G.__class__.sample(game.G, 4, 8)  # spends the draws that came before the shuffle
    fake = fake[torch.randperm(4)]
    expected = 0.5 * game.loss.d(game.D(real), game.D(fake)) + game.D.regularizer()
    lengths = torch.maximum(game.D.lengths(real), game.D.lengths(fake))
    embedded = game.D.embed(real), game.D.embed(fake)
    slope = game.penalty(lambda x: game.D.score(x, lengths), *embedded)
    assert slope > 1e-4
    assert whole.logs["penalty"].item() == pytest.approx(slope.item(), rel=1e-4)
    assert whole.total.item() == pytest.approx((expected + slope).item(), rel=1e-5)
    assert_same_gradients(whole.total, expected + slope, game.D)
    assert whole.logs["d_real"].item() == pytest.approx(game.D(real).mean().item(), abs=1e-5)
    assert whole.logs["d_fake"].item() == pytest.approx(game.D(fake).mean().item(), abs=1e-5)
    right = torch.cat([game.D(real) > 0, game.D(fake) < 0]).float().mean()
    assert whole.logs["accuracy"] == right


def test_each_epoch_shows_the_critic_every_negative_once(game):
    """Twenty negatives in halves of four: ten steps in two epochs, each half of a batch in turn."""
    game.negatives, game.d_epochs, game.d_steps = 20, 2, 10
    pairs = []
    game._discriminator_loss = lambda real, fake: pairs.append((real, fake))
    assert len(played(game.discriminator_move)) == 10
    (negatives,) = game.written
    as_rows = lambda tokens: sorted(map(tuple, tokens.tolist()))  # noqa: E731
    for epoch in (pairs[:5], pairs[5:]):
        assert as_rows(torch.cat([fake for _, fake in epoch])) == as_rows(negatives)
    assert not torch.equal(pairs[0][1], pairs[5][1])
    first = torch.cat([real for real, _ in pairs[:4]])
    assert torch.equal(first, torch.cat([sentences(0), sentences(1)]))
    assert all(len(real) == len(fake) == 4 for real, fake in pairs)


def test_the_baseline_stays_what_adversarial_training_started_from(game):
    with torch.no_grad():
        game.G.output_bias += 1
    assert not torch.equal(game.mle.output_bias, game.G.output_bias)
    game.keep_mle()
    assert torch.equal(game.mle.output_bias, game.G.output_bias)
    learning = {id(p) for parameters in game.players().values() for p in parameters}
    assert not any(id(p) in learning or p.requires_grad for p in game.mle.parameters())
    assert game.players()["mle"] == game.players()["G"] == list(game.G.parameters())


def test_samples_come_in_bounded_pieces(game):
    prompt = torch.tensor([7, 9])
    tokens = game.sample(2300, temperature=0.7, prompt=prompt)
    assert tokens.shape == (2300, 8)
    assert [len(part) for part in game.written] == [1000, 1000, 300]
    assert (tokens[:, :2] == prompt).all()
    assert game.sample(5, policy=game.mle).shape == (5, 8)
    assert len(game.written) == 3
