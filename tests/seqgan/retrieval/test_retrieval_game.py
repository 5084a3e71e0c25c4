"""The retrieval game in a world whose truth is known, and its gradients against the definition."""

import functools

import pytest
import torch

from image_core.adversarial import estimators, losses
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from seqgan.retrieval.fit_game import RankingGame
from seqgan.retrieval.game import RetrievalGame, centred_sigmoid, draw, mixed
from seqgan.retrieval.papers.irgan import irgan
from seqgan.retrieval.papers.irgan_pairwise import irgan_pairwise
from seqgan.retrieval.ragged import Ragged
from seqgan.retrieval.scorers import FeatureMLP, MatrixFactorization
from seqgan.retrieval.split import Split
from tests.seqgan.retrieval.made import kl, low_rank_world
from tests.seqgan.retrieval.small import small


def gradient(game, move):
    (loss,) = list(move(iter([torch.arange(len(game.split))])))
    parts = torch.autograd.grad(loss.total, list(game.G.parameters()))
    return torch.cat([part.flatten() for part in parts]), loss


def by_definition(game, rewards):
    """-grad of mean_q sum_d p(d | q) r(q, d)."""
    policy = (game.G.query @ game.G.document.T + game.G.bias).div(game.temperature).softmax(1)
    total = -(policy * rewards).sum(1).mean()
    return torch.cat([g.flatten() for g in torch.autograd.grad(total, list(game.G.parameters()))])


@torch.no_grad()
def logits(game):
    return game.D.query @ game.D.document.T + game.D.bias


# ------------------------------------------------------------------------------------ the gradient


@pytest.mark.parametrize(
    "reward", [centred_sigmoid, losses.minimax.reward, losses.wasserstein.reward]
)
def test_exact_gradient_is_that_of_the_expected_reward(reward):
    game = small(exact=True, reward=reward, temperature=0.7)
    found, loss = gradient(game, game.generator_move)
    assert torch.allclose(found, by_definition(game, reward(logits(game))), atol=1e-6)
    policy = (game.G.query @ game.G.document.T + game.G.bias).div(0.7).softmax(1)
    expected = (policy * reward(logits(game))).sum(1).mean()
    assert loss.logs["reward"].item() == pytest.approx(expected.item(), abs=1e-6)


def test_exact_pairwise_gradient_is_a_mean_over_positives():
    game = small(paper=irgan_pairwise, exact=True)
    f, positives = logits(game), [[1, 4], [], [0], [2, 3, 5]]
    reward = torch.zeros(4, 7)
    for q, some in enumerate(positives):
        for d in some:
            reward[q] += torch.nn.functional.logsigmoid(f[q] - f[q, d]) / len(some)
    found, _ = gradient(game, game.generator_move)
    assert torch.allclose(found, by_definition(game, reward), atol=1e-6)


@pytest.mark.parametrize("paper", [irgan, irgan_pairwise])
@pytest.mark.parametrize(("mixture", "baseline"), [(0.0, False), (0.2, True), (0.6, False)])
def test_sampled_gradient_is_the_exact_one_in_the_mean(paper, mixture, baseline):
    """Queries without positives have no samples, so they are left out on both sides."""
    exact = small(paper=paper, exact=True)
    rows = torch.tensor([0, 2, 3])
    kept = Split(rows, 7, Ragged(torch.tensor([0, 2, 3, 6]), torch.tensor([1, 4, 0, 2, 3, 5])))
    exact.split = kept
    wanted, _ = gradient(exact, exact.generator_move)
    game = small(paper=paper, mixture=mixture, baseline=baseline, samples=400)
    game.split = kept
    game.load_state_dict(exact.state_dict())
    torch.manual_seed(2)
    found = torch.stack([gradient(game, game.generator_move)[0] for _ in range(40)])
    error = found.std(0) / 40**0.5
    assert ((found.mean(0) - wanted).abs() < 4.5 * error + 1e-5).all()
    assert float(error.mean()) < 0.1 * float(wanted.abs().mean())


def test_weights_average_one_whatever_the_mixture():
    for mixture in (0.0, 0.2, 0.9):
        game = small(mixture=mixture, samples=4000)
        _, loss = gradient(game, game.generator_move)
        assert loss.logs["weight"].item() == pytest.approx(1.0, abs=0.05)
        assert 0 < loss.logs["ess"].item() <= 1 + 1e-6


def test_a_baseline_lowers_the_variance_of_a_reward_that_is_offset():
    spread = []
    for baseline in (False, True):
        game = small(baseline=baseline, samples=8, reward=lambda logit: 5 + centred_sigmoid(logit))
        torch.manual_seed(3)
        found = torch.stack([gradient(game, game.generator_move)[0] for _ in range(60)])
        spread.append(float(found.var(0).sum()))
    assert spread[1] < 0.2 * spread[0]


def test_the_baseline_leaves_each_sample_out():
    game = small(samples=2, baseline=True)
    batch = game.split.batch(torch.arange(4))
    owner = batch.owner.repeat_interleave(2)
    earned = torch.arange(12.0)
    others = game._others(batch, owner, earned)
    for place, query in enumerate(owner.tolist()):
        rest = [float(earned[n]) for n in range(12) if owner[n] == query and n != place]
        assert others[place].item() == pytest.approx(sum(rest) / len(rest))


def test_any_estimator_of_the_core_can_take_the_samples():
    game = small(estimator=estimators.clipped(reduction="sum"), samples=4)
    found, _ = gradient(game, game.generator_move)
    assert torch.isfinite(found).all()
    assert float(found.abs().sum()) > 0


def test_kl_is_the_divergence_from_the_start():
    game = small(exact=True, kl_coef=2.0, temperature=0.5)
    with torch.no_grad():
        game.G.query.add_(0.3 * torch.randn_like(game.G.query))
    _, loss = gradient(game, game.generator_move)
    now, before = (
        (g.query @ g.document.T + g.bias).div(0.5).log_softmax(1) for g in (game.G, game.start)
    )
    assert loss.logs["kl"].item() == pytest.approx(kl(now.detach(), before), rel=1e-4)
    assert loss.total.item() == pytest.approx(
        -loss.logs["reward"].item() + 2 * loss.logs["kl"].item(), rel=1e-4
    )
    game.keep_start()
    _, loss = gradient(game, game.generator_move)
    assert loss.logs["kl"].item() == pytest.approx(0.0, abs=1e-6)


def test_candidates_that_are_not_there_earn_and_weigh_nothing():
    """Queries with lists of different length: the same gradient as each alone."""
    candidates = Ragged(torch.tensor([0, 5, 7]), torch.arange(7))
    positives = Ragged(torch.tensor([0, 1, 2]), torch.tensor([3, 1]))
    split = Split(torch.arange(2), 7, positives, candidates)
    for options in ({"exact": True}, {"exact": True, "kl_coef": 1.0}, {"samples": 500}):
        torch.manual_seed(0)
        features = torch.randn(7, 3)
        game = irgan(FeatureMLP(features, 4), FeatureMLP(features, 4), split, **options)
        found, loss = gradient(game, game.generator_move)
        assert torch.isfinite(found).all()
        assert torch.isfinite(loss.total)
    policy = game.split.batch(torch.arange(2)).log_policy(game.G, 1.0).exp()
    assert policy[1, 2:].abs().sum() == 0


# --------------------------------------------------------------------------------------- the draws


def test_draws_follow_the_rows_they_are_asked_of():
    probs = torch.tensor([[0.0, 0.5, 0.0, 0.5], [0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 0.0, 2.0]])
    owner = torch.tensor([2, 0, 1]).repeat_interleave(20_000)
    column = draw(probs, owner)
    for row in range(3):
        share = torch.bincount(column[owner == row], minlength=4) / 20_000
        assert torch.allclose(share, probs[row] / probs[row].sum(), atol=0.015)


def test_the_mixture():
    game = small()
    batch = game.split.batch(torch.arange(4))
    probs = torch.full((4, 7), 1 / 7)
    proposal = mixed(probs, batch, 0.3)
    assert torch.allclose(proposal.sum(1), torch.ones(4))
    assert torch.allclose(proposal[1], probs[1])  # without positives
    assert proposal[0, 1].item() == pytest.approx(0.7 / 7 + 0.3 / 2)
    assert proposal[2, 0].item() == pytest.approx(0.7 / 7 + 0.3)
    assert mixed(probs, batch, 0.0) is probs


def test_the_discriminator_sees_positives_and_what_the_generator_draws():
    game = small(d_steps=2, d_epochs=2, d_l2=0.1)
    with torch.no_grad():
        game.G.bias[6] = 50.0  # the generator draws document 6 alone
    moves = list(game.discriminator_move(iter([torch.arange(4)])))
    f, q, d = logits(game), torch.tensor([0, 0, 2, 3, 3, 3]), torch.tensor([1, 4, 0, 2, 3, 5])
    expected = losses.non_saturating.d(f[q, d], f[q, torch.full((6,), 6)])
    u, v = game.D.query[q].square().sum(1), game.D.document.square().sum(1)
    half = (u.mean() + v[d].mean() + u.mean() + v[6]) / 2
    assert len(moves) == 2
    assert moves[0].total.item() == pytest.approx((expected + 0.1 * half).item(), rel=1e-5)


def test_positives_are_no_negatives_of_the_pairwise_form():
    game = small(paper=irgan_pairwise)
    with torch.no_grad():
        game.G.bias[:6] += 20.0  # positives are what it likes
    batch = game.split.batch(torch.arange(4))
    for _ in range(20):
        drawn = game._negatives(batch)
        positive = game.split.gain(torch.arange(4))[batch.owner, drawn]
        assert not positive.any()


def test_a_query_of_positives_alone_still_gives_negatives():
    positives = Ragged(torch.tensor([0, 3]), torch.arange(3))
    split = Split(torch.arange(1), 3, positives)
    game = irgan_pairwise(MatrixFactorization(1, 3, 2), MatrixFactorization(1, 3, 2), split)
    assert game._negatives(split.batch(torch.arange(1))).shape == (3,)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mixture": 1.0}, "mixture"),
        ({"temperature": 0.0}, "temperatures"),
        ({"reduction": "max"}, "reduction"),
        ({"baseline": True, "samples": 1}, "samples"),
    ],
)
def test_refusals(options, said):
    with pytest.raises(UserError, match=said):
        small(**options)


def test_sum_is_the_mean_times_the_number():
    mean, total = small(exact=True), small(exact=True, reduction="sum")
    one, other = gradient(mean, mean.generator_move)[0], gradient(total, total.generator_move)[0]
    assert torch.allclose(4 * one, other, atol=1e-5)


# ---------------------------------------------------------------------- the world whose p is known


def play(game, rounds, *, lr=0.02):
    rows = torch.arange(len(game.split))
    optim = functools.partial(torch.optim.Adam, lr=lr)
    engine = Engine(game, dict.fromkeys(game.players(), optim))
    return list(engine.rounds(lambda index: rows, rounds))


@torch.no_grad()
def policy(scorer, split):
    return split.batch(torch.arange(len(split))).log_policy(scorer, 1.0)


@pytest.mark.parametrize("options", [{"exact": True}, {"mixture": 0.2, "baseline": True}])
def test_the_generator_comes_nearer_to_the_truth(options):
    """KL(p || p_theta) falls: the optimum of D is log p / p_theta, which G follows.

    The reward is the logit, whose expectation at that optimum is minus KL(p_theta || p).
    """
    log_p, split = low_rank_world(drawn=60)
    torch.manual_seed(0)
    game = irgan(
        MatrixFactorization(60, 80, 4, 0.1),
        MatrixFactorization(60, 80, 8, 0.1),
        split,
        reward=losses.wasserstein.reward,
        negative_temperature=1.0,
        d_steps=4,
        d_l2=0.02,
        **options,
    )
    before = kl(log_p, policy(game.G, split))
    logs = play(game, 70, lr=0.04)
    after = kl(log_p, policy(game.G, split))
    assert after < 0.5 * before
    if "mixture" in options:
        weights = torch.stack([log["G/weight"] for log in logs])
        assert float(weights.mean()) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("method", "share"), [("softmax", 0.15), ("bpr", 0.9), ("dns", 0.9)])
def test_starts_come_nearer_to_the_truth(method, share):
    """Softmax is maximum likelihood, so it does best; the others order documents only."""
    log_p, split = low_rank_world(drawn=200 if method == "softmax" else 20)
    torch.manual_seed(0)
    game = RankingGame(MatrixFactorization(60, 80, 4, 0.1), split, method=method)
    before = kl(log_p, policy(game.G, split))
    play(game, 150)
    assert kl(log_p, policy(game.G, split)) < share * before


def test_a_pool_learns_the_same_world():
    log_p, split = low_rank_world(drawn=200)
    torch.manual_seed(0)
    game = RankingGame(MatrixFactorization(60, 80, 4, 0.1), split, pool=20)
    before = kl(log_p, policy(game.G, split))
    play(game, 500)
    assert kl(log_p, policy(game.G, split)) < 0.35 * before


def test_a_pool_game_plays():
    _, split = low_rank_world()
    G, D = MatrixFactorization(60, 80, 4, 0.1), MatrixFactorization(60, 80, 4, 0.1)
    game = RetrievalGame(G, D, split, pool=16, kl_coef=0.1)
    logs = play(game, 3)[-1]
    assert all(torch.isfinite(value) for value in logs.values())
    assert 0.2 < float(logs["G/weight"]) < 3


# -------------------------------------------------------------------------- the discriminator's own


def held_out_pairs():
    """Two queries of seven documents: 0 was trained on 1 and holds out 2 and 3, 1 holds out 5."""
    positives = Ragged(torch.tensor([0, 2, 3]), torch.tensor([2, 3, 5]))
    seen = Ragged(torch.tensor([0, 1, 2]), torch.tensor([1, 0]))
    return Split(torch.arange(2), 7, positives, seen=seen)


@pytest.mark.parametrize("paper", [irgan, irgan_pairwise])
def test_the_discriminator_is_measured_on_held_out_pairs(paper):
    """D knows query 0's two; G draws 6 for query 0 and 5, the right one, for query 1."""
    game, split = small(paper=paper, negative_temperature=0.1), held_out_pairs()
    with torch.no_grad():
        for scorer in (game.G, game.D):
            scorer.query[:2, :2], scorer.query[:2, 2] = torch.eye(2), 0.0
            scorer.document.zero_()
            scorer.bias.zero_()
        game.D.document[2:4, 0], game.D.document[6, 0] = 1.0, -1.0
        game.G.document[1, 0], game.G.document[6, 0] = 900.0, 100.0  # 1 was trained on
        game.G.document[5, 1] = 100.0
    real, fake = game.discriminate(split)
    assert real.tolist() == [1, 1, 0]
    assert fake.tolist() == [-1, -1, 0]
    state = torch.get_rng_state()
    found = game.discrimination(split, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    if game.pairwise:  # two wins of three and a tie
        assert found == {"d_auc": pytest.approx(5 / 6), "d_accuracy": pytest.approx(5 / 6)}
    else:  # of nine pairs one is a tie; 2 of 3 above 0, 2 of 3 below, and zeros are half right
        assert found == {"d_auc": pytest.approx(8.5 / 9), "d_accuracy": pytest.approx(5 / 6)}


def test_what_was_trained_on_is_never_drawn_to_measure():
    game, split = small(negative_temperature=100.0), held_out_pairs()
    with torch.no_grad():
        game.D.query[:2], game.D.document[:] = 1.0, 0.0
        game.D.bias[:] = torch.arange(7.0)
    drawn = torch.stack([game.discriminate(split)[1] for _ in range(300)])
    assert set(drawn[:, :2].flatten().tolist()) == {0, 2, 3, 4, 5, 6}
    assert set(drawn[:, 2].tolist()) == {1, 2, 3, 4, 5, 6}


def test_the_two_papers_move_their_players_differently():
    """First steps from the same networks, draws and options; equal ones would be one paper."""
    moved = []
    for paper in (irgan, irgan_pairwise):
        game = small(paper=paper)
        torch.manual_seed(0)
        (loss,) = game.discriminator_move(iter([torch.arange(4)]))
        d = torch.autograd.grad(loss.total, [game.D.query, game.D.document])
        torch.manual_seed(0)
        moved.append((torch.cat([g.flatten() for g in d]), gradient(game, game.generator_move)[0]))
    assert all((one - other).norm() > 0.1 * one.norm() for one, other in zip(*moved))
