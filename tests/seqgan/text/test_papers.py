"""Relatives of SeqGAN: their rewards, weights and losses by hand, and a round of each."""

import math

import pytest
import torch
import torch.nn.functional as F

from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from image_core.adversarial.losses import density_ratio as ratio
from seqgan.lm.policies import LSTMPolicy
from seqgan.text.discriminators import CNNDiscriminator
from seqgan.text.papers.maligan import maligan
from seqgan.text.papers.maligan_mixed import maligan_mixed
from seqgan.text.papers.rankgan import Ranker, rankgan, ranking, ranking_d
from seqgan.text.teacher import Teacher

SIZES = {"samples": 8, "d_steps": 1, "d_epochs": 1, "negatives": 8}


def adam(parameters):
    return torch.optim.Adam(parameters, lr=1e-2)


def parts(dropout=0.0):
    torch.manual_seed(0)
    G = LSTMPolicy(12, 4, 4, start=1, end=2, pad=0)
    return G, CNNDiscriminator(12, 4, ((1, 3), (2, 3)), end=2, dropout=dropout)


def data():
    rows = torch.randint(4, 12, (8, 6), generator=torch.Generator().manual_seed(1))
    rows[:, 4], rows[:, 5] = 2, 0
    return rows


def one_round(game):
    engine = Engine(game, {"G": adam, "D": adam})
    (logs,) = engine.rounds(lambda index: data(), 1)
    assert all(math.isfinite(float(value)) for value in logs.values())
    assert float(logs["G/grad_norm"]) > 0
    return logs


# ------------------------------------------------------------------------------------------ MaliGAN


def test_maligans_gradient_by_hand():
    """sum_i (r_i / mean r - 1) d log G(y_i), over the tokens of a batch."""
    G, D = parts()
    game = maligan(G, D, 6, **SIZES)
    torch.manual_seed(3)
    tokens = G.trim(G.eval().sample(8, 6))
    r = torch.exp(D.eval()(tokens).detach())
    mask = G.mask(tokens)
    there = mask.float()
    mean = (r[:, None] * there).sum(0) / there.sum(0).clamp(min=1)
    weight = (r[:, None] / mean - 1) * there
    expected = -(weight * G.log_prob(tokens)).sum() / mask.sum()
    wanted = torch.autograd.grad(expected, list(G.parameters()))
    torch.manual_seed(3)
    loss = next(game.policy_move(iter([])))
    found = torch.autograd.grad(loss.total, list(G.parameters()))
    assert sum(float(g.abs().sum()) for g in wanted) > 0
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_maligans_ratio_is_bounded():
    logit = torch.tensor([-1.0, 0.0, 2.0, 500.0])
    d = torch.sigmoid(logit[:3])
    assert torch.allclose(ratio(logit)[:3], d / (1 - d), rtol=1e-5)
    assert float(ratio(logit)[3]) == pytest.approx(math.exp(10.0), rel=1e-5)


def test_maligan_plays():
    one_round(maligan(*parts(), 6, **SIZES))


# -------------------------------------------------------------------------------- mixed and teacher


def test_the_teacher_gives_less_and_less_and_its_prefixes_are_real():
    G, _ = parts()
    teacher, real = Teacher(6, moves=5, copies=2), data()
    expected = [5, 4, 3, 2, 1, 0, 0]
    for given in expected:
        tokens, found = teacher(G.eval(), 8, real)
        assert found == given
        assert tokens.shape == (8, 6)
        prompt = real[:4].repeat_interleave(2, 0)[:, :given]
        before = G.mask(real[:4].repeat_interleave(2, 0))[:, :given]
        assert torch.equal(tokens[:, :given][before], prompt[before])


def test_mixed_maligan_learns_prefixes_by_likelihood_and_completions_by_weight():
    G, D = parts()
    game = maligan_mixed(G, D, 6, moves=4, copies=2, **SIZES)
    real = data()
    torch.manual_seed(3)
    teacher = Teacher(6, 4, 2)
    teacher.load_state_dict({"played": torch.tensor(1)})
    tokens, given = teacher(G.eval(), 8, real)
    assert given == 3
    tokens = G.trim(tokens)
    r, log_prob = torch.exp(D.eval()(tokens).detach()), G.log_prob(tokens)
    mask = G.mask(tokens)
    written = mask.clone()
    written[:, :given] = False
    total = torch.zeros(())
    for item in range(4):
        rows = slice(2 * item, 2 * item + 2)
        there = written[rows].float()
        mean = (r[rows, None] * there).sum(0) / there.sum(0).clamp(min=1)
        weight = (r[rows, None] / mean.clamp(min=1e-30) - 1) * there
        total = total - (weight * log_prob[rows]).sum()
    expected = total / written.sum() - log_prob[:, :given].sum() / mask[:, :given].sum()
    wanted = torch.autograd.grad(expected, list(G.parameters()))
    torch.manual_seed(3)
    game.teacher.load_state_dict({"played": torch.tensor(1)})
    loss = next(game.policy_move(iter([real])))
    found = torch.autograd.grad(loss.total, list(G.parameters()))
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_mixed_maligan_goes_on_where_it_stood():
    game = maligan_mixed(*parts(), 6, moves=4, copies=2, **SIZES)
    engine = Engine(game, {"G": adam, "D": adam})
    list(engine.rounds(lambda index: data(), 3))
    assert int(game.state_dict()["teacher.played"]) == 3
    other = maligan_mixed(*parts(), 6, moves=4, copies=2, **SIZES)
    other.load_state_dict(game.state_dict())
    assert other.teacher(other.G.eval(), 8, data())[1] == game.teacher(game.G.eval(), 8, data())[1]


def test_a_teacher_without_enough_real_sequences_says_so():
    with pytest.raises(UserError, match="--samples"):
        Teacher(6, 2, 1)(parts()[0], 9, data())
    with pytest.raises(UserError, match="1 or more"):
        Teacher(6, 0, 1)


# ------------------------------------------------------------------------------------------ RankGAN


def test_the_ranking_loss_by_loops():
    real, fake = torch.tensor([0.3, -0.2, 0.9]), torch.tensor([0.1, -0.5, 0.4])
    ranks = []
    for own, others in ((real, fake), (fake, real)):
        rank = [math.log(math.exp(s) / (math.exp(s) + sum(map(math.exp, others)))) for s in own]
        ranks.append(sum(rank) / 3)
    assert float(ranking_d(real, fake)) == pytest.approx(ranks[1] - ranks[0], rel=1e-5)


def test_the_rankers_reward_is_the_rank_among_real_sequences():
    """With a pool of one sequence nothing is left to chance."""
    _, cnn = parts()
    real, tokens = data()[:1], data()[3:6]
    ranker = Ranker(cnn, lambda: real, references=2, compared=3, gamma=2.0).eval()
    features, reference = cnn.eval().represent(tokens), cnn.represent(real)
    a = 2.0 * F.cosine_similarity(features, reference)
    assert torch.allclose(ranker(tokens), a, atol=1e-5)
    expected = a.exp() / (a.exp() + 3 * math.exp(2.0))
    assert torch.allclose(ranking.reward(ranker.scorer()(tokens)), expected, atol=1e-6)


def test_the_ranker_averages_cosines_over_references():
    _, cnn = parts()
    ranker = Ranker(cnn.eval(), data).eval()
    tokens, given = data()[:3], data()[3:7]
    features, references = cnn.represent(tokens), cnn.represent(given)
    expected = F.cosine_similarity(features[:, None], references[None], dim=2).mean(1)
    assert torch.allclose(ranker._relevance(features, references), expected, atol=1e-6)


def test_rankgan_plays_and_its_pool_is_no_part_of_the_checkpoint():
    game = rankgan(*parts(dropout=0.2), 6, data, rollouts=2, **SIZES)
    logs = one_round(game)
    assert 0 < float(logs["G/reward"]) < 1
    assert not any("pool" in name for name in game.state_dict())


def test_the_ranker_learns_to_rank_real_first():
    G, cnn = parts()
    game = rankgan(G, cnn, 6, data, rollouts=2, **SIZES)
    engine = Engine(game, {"D": adam})
    turns = [Turn("D", game.discriminator_move)]
    logs = list(engine.rounds(lambda index: data(), 40, turns=turns))
    assert float(logs[-1]["D/d_real"]) > float(logs[-1]["D/d_fake"]) + 0.2
    assert float(logs[-1]["D/accuracy"]) > 0.8


def test_the_level_of_relevances_changes_no_loss():
    real, fake = torch.randn(2, 5, generator=torch.Generator().manual_seed(1)).unbind(0)
    for loss in (ranking.d, ranking.g):
        assert float(loss(real - 3, fake - 3)) == pytest.approx(float(loss(real, fake)), abs=1e-5)
