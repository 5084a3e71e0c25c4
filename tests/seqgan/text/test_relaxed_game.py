"""The relaxed game, its relational memory and its critic of many embeddings."""

import math

import pytest
import torch
import torch.nn.functional as F

from image_core.adversarial import losses
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from image_core.adversarial.penalties import r1
from seqgan.lm.policies import LSTMPolicy
from seqgan.lm.relational import RelationalPolicy
from seqgan.text.discriminators import CNNDiscriminator
from seqgan.text.games.relaxed import RelaxedGame, concrete, tiny
from seqgan.text.papers.relgan import ManyEmbeddingsDiscriminator, relgan
from tests.seqgan.lm.enumeration import counted, everything, too_far


def adam(parameters):
    return torch.optim.Adam(parameters, lr=1e-2)


def relational(end=2, **options):
    torch.manual_seed(0)
    policy = RelationalPolicy(6, 4, 8, slots=2, end=end, start=1, **options).eval()
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.mul_(2).add_(0.1 * torch.randn_like(parameter))
    return policy


def test_the_temperature_ends_exactly_at_beta_max():
    """A geometric schedule over all policy moves, whatever the rounds are made of."""
    game, data = tiny()
    game.moves, game.g_steps = 6, 2
    engine = Engine(game, {"G": adam, "D": adam})
    seen = [float(logs["G/beta"]) for logs in engine.rounds(lambda index: data, 3)]
    expected = [10 ** (n / 6) for n in range(1, 7)]
    assert seen == pytest.approx([(a + b) / 2 for a, b in zip(expected[::2], expected[1::2])])
    assert float(game.beta()) == pytest.approx(10.0, abs=1e-5)
    list(engine.rounds(lambda index: data, 1))
    assert float(game.beta()) == pytest.approx(10.0, abs=1e-5)


def test_relaxed_samples_are_drawn_from_the_policy_at_any_temperature():
    """Their argmax tokens come as often as the policy's exact probabilities say."""
    torch.manual_seed(0)
    G = LSTMPolicy(5, 3, 4, start=1, end=2, pad=0, init_std=1.2).eval()
    game = RelaxedGame(G, CNNDiscriminator(5, 4, ((1, 2),), end=2), 3, moves=1, beta_max=2.0)
    sequences, probability = everything(G, 3)
    for beta in (0.5, 20.0):
        x, mask = game.write(4_000, torch.tensor(beta))
        tokens = torch.where(mask, x.argmax(-1), 0)
        assert too_far(counted(tokens, sequences), probability.detach()) < 4


def test_relaxed_samples_become_one_hot():
    game, _ = tiny()
    hot = game.write(64, torch.tensor(1000.0))[0].amax(-1).mean()
    soft = game.write(64, torch.tensor(1.0))[0].amax(-1).mean()
    assert hot > 0.99 > 0.7 > soft


def test_the_gradient_reaches_the_policy_through_each_counted_token():
    game, _ = tiny()
    x, mask = game.write(4, torch.tensor(2.0))
    x.retain_grad()
    loss = game._judge_relaxed(x, mask).sum()
    (slope,) = torch.autograd.grad(loss, x, retain_graph=True)
    assert (slope[~mask] == 0).all()
    gradients = torch.autograd.grad(loss, list(game.G.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert sum(float(gradient.abs().sum()) for gradient in gradients) > 0


def test_one_hot_relaxed_tokens_score_as_tokens_do():
    torch.manual_seed(0)
    tokens = torch.tensor([[5, 3, 4, 2, 0], [3, 2, 0, 0, 0], [4, 4, 5, 3, 3]])
    for D in (
        CNNDiscriminator(6, 8, ((1, 3), (2, 3)), end=2, dropout=0.0),
        ManyEmbeddingsDiscriminator(6, 8, 4, 5, end=2, dropout=0.0),
    ):
        G = LSTMPolicy(6, 3, 4, start=1, end=2, pad=0)
        game = RelaxedGame(G, D, 5, moves=1)
        relaxed = game._judge_relaxed(F.one_hot(tokens, 6).float(), G.mask(tokens))
        assert torch.allclose(relaxed, D(tokens), atol=1e-5)


def test_concrete_samples_by_hand(monkeypatch):
    logits = torch.tensor([[0.0, 1.0, -1.0]])
    monkeypatch.setattr("seqgan.text.games.relaxed.with_gumbel", lambda x: x + 0.5)
    found = concrete(logits, torch.tensor(3.0))
    assert torch.allclose(found, (3 * logits).softmax(-1))


@pytest.mark.parametrize("loss", ["relativistic", "relativistic_average", "hinge"])
def test_a_penalty_and_other_losses_play(loss):
    game, data = tiny()
    game.loss, game.penalty = getattr(losses, loss), r1(1.0)
    (logs,) = Engine(game, {"G": adam, "D": adam}).rounds(lambda index: data, 1)
    assert all(math.isfinite(float(value)) for value in logs.values())
    assert float(logs["D/penalty"]) > 0
    assert float(logs["G/grad_norm"]) > 0


def test_nonsense_is_refused():
    game, _ = tiny()
    with pytest.raises(UserError, match="moves"):
        relgan(game.G, game.D, 6, moves=0)
    with pytest.raises(UserError, match="beta_max"):
        relgan(game.G, game.D, 6, moves=1, beta_max=0.0)
    with pytest.raises(UserError, match="views"):
        ManyEmbeddingsDiscriminator(6, 10, 4)


# --------------------------------------------------------------------------- the relational memory


def test_the_relational_memory_by_hand():
    """One slot, two heads of two, against the formulas written with loops."""
    torch.manual_seed(0)
    policy = RelationalPolicy(5, 3, 4, heads=2).eval()
    token, memory = torch.tensor([3]), torch.randn(1, 1, 4)
    hidden, (found,) = policy.step(token, (memory,))
    x = policy.read(policy.embedding(token))
    seen = torch.cat([memory[0], x])
    query, key_value = policy.query(memory[0]), policy.key_value(seen)
    parts = []
    for head in (slice(0, 2), slice(2, 4)):
        key, value = key_value[:, :4][:, head], key_value[:, 4:][:, head]
        parts.append((query[:, head] @ key.T / math.sqrt(2)).softmax(-1) @ value)
    renewed = policy.norms[0](memory[0] + torch.cat(parts, 1))
    renewed = policy.norms[1](renewed + policy.mlp(renewed))
    gates = (policy.gate_read(x) + policy.gate_memory(memory[0].tanh())).sigmoid()
    expected = gates[:, 4:] * memory[0] + gates[:, :4] * renewed.tanh()
    assert torch.allclose(found[0], expected, atol=1e-6)
    assert torch.allclose(hidden, expected, atol=1e-6)


@pytest.mark.parametrize("end", [2, None])
def test_the_relational_policy_is_a_distribution_that_it_samples(end):
    policy = relational(end)
    sequences, probability = everything(policy, 3)
    assert float(probability.sum().detach()) == pytest.approx(1.0, abs=1e-4)
    torch.manual_seed(1)
    counts = counted(policy.sample(6_000, 3), sequences)
    assert too_far(counts, probability.detach()) < 4


def test_the_relational_policy_remembers():
    """What was read first changes the odds of the third token."""
    policy = relational(None)
    first = policy.log_prob(torch.tensor([[0, 3, 4], [5, 3, 4]]))
    assert (first[0, 2] - first[1, 2]).abs() > 1e-3


def test_the_relational_policy_learns_by_likelihood():
    policy = relational(dropout=0.0)
    data = torch.tensor([[3, 4, 5, 2], [3, 4, 5, 2]])
    D = ManyEmbeddingsDiscriminator(6, 4, 2, 3, end=2)
    game = relgan(policy, D, 4, moves=3)
    engine = Engine(game, {"mle": adam, "G": adam, "D": adam})
    before = float(policy.nll(data).detach())
    list(engine.rounds(lambda index: data, 40, turns=[Turn("mle", game.mle_move)]))
    assert float(policy.nll(data).detach()) < 0.5 * before
    (logs,) = engine.rounds(lambda index: data, 1)
    assert all(math.isfinite(float(value)) for value in logs.values())


def test_the_critic_of_many_embeddings_is_a_mean_over_views():
    torch.manual_seed(0)
    D = ManyEmbeddingsDiscriminator(6, 4, 2, 3, widths=(2,), dropout=0.0)
    tokens = torch.tensor([[1, 3, 5, 0]])
    logits = []
    for view in (slice(0, 2), slice(2, 4)):
        rows = D.embedding[tokens][:, :, view].transpose(1, 2)
        h = D.convolutions[0](rows).amax(2).relu()
        plain, gate = D.highway(h).chunk(2, 1)
        logits.append(D.last(gate.sigmoid() * plain.relu() + (1 - gate.sigmoid()) * h))
    assert torch.allclose(D(tokens), torch.stack(logits).mean().view(1), atol=1e-6)
    assert torch.allclose(D.scorer()(tokens), D(tokens), atol=1e-6)
