"""LeakGAN: leaked features, goals, and who learns from what."""

import math

import pytest
import torch

from image_core.adversarial.errors import UserError
from seqgan.text import oracle_recipe as oracle
from seqgan.text.discriminators import CNNDiscriminator
from seqgan.text.games.hierarchical import tiny
from seqgan.text.leak import intrinsic_reward, rescaled, towards
from tests.recipes.made import built
from tests.seqgan.lm.enumeration import counted, everything, too_far


def made():
    torch.manual_seed(0)
    game, data = tiny()
    for parameter in (game.G.output_weight, game.G.project.weight, game.G.goal.weight):
        torch.nn.init.normal_(parameter, std=1.0)
    return game, data


# ------------------------------------------------------------------------------------- the leak


@pytest.mark.parametrize("highway", [False, True])
def test_features_that_are_kept_up_are_those_of_the_discriminator(highway):
    torch.manual_seed(0)
    filters = ((1, 3), (2, 4), (4, 5))
    D = CNNDiscriminator(12, 5, filters, end=2, highway=highway).eval()
    tokens = torch.randint(3, 12, (6, 7))
    maxima = D.no_maxima(6)
    with torch.no_grad():
        for t in range(1, 8):
            # The same tokens with an end here, so that their length is t
            closed = torch.cat([tokens[:, : t - 1], torch.full((6, 1), 2)], 1)
            found = D.features_of(D.next_maxima(maxima, closed))
            whole = D.represent(torch.nn.functional.pad(closed, (0, 7 - t)))
            torch.testing.assert_close(found, whole)
            maxima = D.next_maxima(maxima, tokens[:, :t])
    # What the filters saw before has not been forgotten
    assert not torch.equal(D.features_of(maxima), D.features_of(D.no_maxima(6)))


def test_steps_and_reading_agree_and_samples_follow_the_density():
    game, _ = made()
    policy = game.G.eval()
    tokens = torch.randint(3, 12, (3, 6))
    state, previous, hidden = policy.begin(3), torch.ones(3, dtype=torch.int64), []
    with torch.no_grad():
        for t in range(6):
            now, state = policy.step(previous, state)
            hidden.append(now)
            previous = tokens[:, t]
        torch.testing.assert_close(torch.stack(hidden, 1), policy._read(tokens))
        # The leak matters: with other features the same tokens are continued otherwise
        before = policy.every_logit(tokens)
        game.D.conv_weight[0].mul_(-1)
        assert not torch.allclose(policy.every_logit(tokens), before, atol=1e-3)
        sequences, probability = everything(policy, 2)
        assert float(probability.sum()) == pytest.approx(1, abs=1e-5)
        assert too_far(counted(policy.sample(3000, 2), sequences), probability) < 4


def test_the_worker_is_directed_by_the_sum_of_the_last_goals():
    """O_t w_t written out: V x k matrices times k numbers."""
    game, data = made()
    policy = game.G.eval()
    features = game.features(data, policy.mask(data))
    goals = policy.goals(features[:, :-1])
    torch.testing.assert_close(goals.norm(dim=2), torch.ones(8, 6))
    h = policy.worker(policy.embedding(torch.nn.functional.pad(data[:, :-1], (1, 0), value=1)))[0]
    weight = policy.output_weight.view(9, 3, 12)  # (1, h) by k by V
    for t in (0, 3):
        w = policy.project(goals[:, max(0, t - 1) : t + 1].sum(1))
        O_t = weight[0][None] + torch.einsum("bh,hkv->bkv", h[:, t], weight[1:])
        expected = torch.einsum("bkv,bk->bv", O_t, w)
        found = policy.logits(policy.hidden(data, goals)[:, t])
        allowed = ~policy.forbidden
        torch.testing.assert_close(found[:, allowed], expected[:, allowed])


# ---------------------------------------------------------------------------------- the rewards


def test_rewards_by_hand():
    features = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [1.0, 2.0], [1.0, 2.0]]])
    goals = torch.tensor([[[1.0, 0.0], [0.0, -1.0], [0.6, 0.8]]])
    followed = towards(features, goals, 2)
    expected = [1 / math.sqrt(5), -1.0, 0.0]  # f_2 - f_0 along g_0; f_3 - f_1; nothing moves
    torch.testing.assert_close(followed, torch.tensor([expected]))
    own = intrinsic_reward(features, goals, 2)
    expected = [1.0, (-1 + 1 / math.sqrt(5)) / 2, (0.0 - 1.0) / 2]
    torch.testing.assert_close(own, torch.tensor([expected]))


def test_rewards_are_replaced_by_their_ranks_among_those_that_count():
    reward = torch.tensor([[0.9, 0.1], [0.2, 0.3], [0.5, 0.2], [0.1, 0.9]])
    mask = torch.tensor([[True, True], [True, True], [True, True], [True, False]])
    found = rescaled(reward, mask)
    first = torch.sigmoid(12 * torch.tensor([0.25, -0.25, 0.0, -0.5]))
    torch.testing.assert_close(found[:, 0], first)
    second = torch.sigmoid(12 * torch.tensor([-0.5, 1 / 6, -1 / 6]))
    torch.testing.assert_close(found[:, 1], torch.cat([second, torch.zeros(1)]))
    # A sum that no verdict changes: what the released code makes of all its rewards
    other = rescaled(reward.flip(0).square(), mask.flip(0))
    torch.testing.assert_close(found.sum(0), other.sum(0))


# ----------------------------------------------------------------------------- who learns what


def gradients(credit_assignment: str, permuted: bool):
    game, data = made()
    game.credit_assignment, game.permuted = credit_assignment, permuted
    game.reward = lambda G, D, tokens: tokens.float() / 12
    torch.manual_seed(1)
    (worker,) = game.policy_move(iter([data]))
    (manager,) = game.manager_move(iter([data]))
    parts = game.players()
    return (
        torch.autograd.grad(worker.total, parts["worker"]),
        torch.autograd.grad(manager.total, parts["manager"]),
    )


def same(one, other) -> bool:
    return all(torch.allclose(a, b, atol=1e-7) for a, b in zip(one, other, strict=True))


def test_only_the_manager_learns_from_the_discriminator_and_not_as_released():
    """The released step does not depend on which sample D prefers; the paper's does."""
    paper, shuffled = gradients("paper", False), gradients("paper", True)
    assert same(paper[0], shuffled[0])
    assert not same(paper[1], shuffled[1])
    released, shuffled = gradients("released", False), gradients("released", True)
    assert same(released[0], shuffled[0])
    assert same(released[1], shuffled[1])
    assert not same(released[0], paper[0])


def test_gradients_stay_with_their_player():
    game, data = made()
    parts = game.players()
    assert not {id(p) for p in parts["worker"]} & {id(p) for p in parts["manager"]}
    (worker,) = game.policy_move(iter([data]))
    strangers = [*parts["manager"], *parts["D"]]
    found = torch.autograd.grad(worker.total, strangers, allow_unused=True, retain_graph=True)
    assert all(part is None for part in found)
    (manager,) = game.manager_move(iter([data]))
    strangers = [*parts["worker"], *parts["D"]]
    assert all(p is None for p in torch.autograd.grad(manager.total, strangers, allow_unused=True))
    # Maximum likelihood trains both, each on its own term
    (both,) = game.mle_move(iter([data]))
    nll = game.G.nll(data)
    torch.testing.assert_close(both.total, nll - both.logs["cosine"])
    ours = torch.autograd.grad(both.total, parts["worker"], retain_graph=True)
    assert same(ours, torch.autograd.grad(nll, parts["worker"]))
    assert all(p.abs().max() > 0 for p in torch.autograd.grad(both.total, parts["manager"]))


def test_the_baseline_keeps_the_discriminator_it_was_trained_with():
    game, data = made()
    game.keep_mle()
    before = game.mle.log_prob(data)
    with torch.no_grad():
        game.D.conv_weight[1].add_(1.0)
    torch.testing.assert_close(game.mle.log_prob(data), before)
    assert not torch.allclose(game.G.log_prob(data), before, atol=1e-4)


def test_features_of_a_random_network_stay_and_are_not_the_discriminators(tmp_path):
    run = oracle.Run(built(oracle, paper="leakgan", leak="random", out=str(tmp_path)))
    game, tokens = run.game, run.train_set[:4]
    players = {id(p) for player in game.players().values() for p in player}
    assert not players & {id(p) for p in game.G.leaking.parameters()}
    kept = game.G.features(tokens)
    judged = game.D.representer()(tokens)
    assert not torch.allclose(kept[:, -1], judged, atol=1e-3)
    (logs,) = run.engine.rounds(run.data, 1, turns=game.turns()[:3])  # worker, manager, D
    assert logs["D/loss"] > 0
    assert torch.equal(game.G.features(tokens), kept)
    assert not torch.equal(game.D.representer()(tokens), judged)


def test_bad_options_are_refused():
    for changes, says in (
        ({"policy": "transformer"}, "--policy transformer: LeakGAN's policy is a manager and a w"),
        ({"layers": 2}, "--layers 2: LeakGAN's manager and worker have one layer"),
        ({"credit_assignment": "mine"}, "--credit_assignment mine"),
        ({"leak": "mine"}, "--leak mine: choose one of discriminator, random"),
        ({"goal_horizon": 0}, "--goal_horizon 0"),
    ):
        with pytest.raises(UserError, match=says):
            built(oracle, paper="leakgan", out="run", **changes)
