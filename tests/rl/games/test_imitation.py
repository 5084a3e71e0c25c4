"""The imitation game: what discriminators read, what terminal states are worth, controls."""

import functools
import math

import numpy as np
import pytest
import torch

from image_core.adversarial import penalties
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from rl import rewards
from rl.bc import BehaviouralCloning
from rl.demos import expert, record
from rl.discriminators import (
    FLAG,
    BottleneckDiscriminator,
    DenseDiscriminator,
    Discriminator,
    ShapedDiscriminator,
    Transitions,
    with_absorbing,
)
from rl.envs import make_envs
from rl.envs.spaces import Actions, Observations
from rl.games.controlled import ControlledGame
from rl.games.imitation import ImitationGame
from rl.metrics import returns_of
from rl.nets import Normaliser
from rl.policies import Actor
from rl.ppo import PPO
from tests.rl.made import parts, rollout, some_expert, trajectory

CHOICES = Actions(2, 0, torch.zeros(0), torch.zeros(0))
BOX = Actions(0, 0, -2 * torch.ones(1), 2 * torch.ones(1))
adam = functools.partial(torch.optim.Adam, lr=1e-2)


def uniform(index):
    return torch.rand(16, generator=torch.Generator().manual_seed(index))


def game_of(discriminator=None, data=None, env="CartPole-v1", **options):
    envs, normaliser, policy, value, collector = parts(env)
    if discriminator is None:
        discriminator = DenseDiscriminator(
            envs.observations, envs.actions, normaliser, hidden=(8, 8)
        )
    learner = PPO(policy, value, envs.count, minibatch=16, epochs=1)
    data = some_expert(env) if data is None else data
    options = {"d_steps": 2, **options}
    return ImitationGame(learner, discriminator, collector, data, normaliser, **options)


def engine_of(game):
    return Engine(game, dict.fromkeys(game.players(), adam))


# -------------------------------------------------------------------------------- rewards and rows


@pytest.mark.parametrize("logit", [-100.0, -3.0, 0.0, 2.0, 60.0])
def test_rewards_are_what_their_names_say(logit):
    """By D = sigmoid(l) in double precision, where that can be formed."""
    one = torch.tensor([logit], dtype=torch.float64)
    log_d, log_1_d = -math.log1p(math.exp(-logit)), -math.log1p(math.exp(min(logit, 700)))
    assert float(rewards.positive(one)) == pytest.approx(-log_1_d)
    assert float(rewards.negative(one)) == pytest.approx(log_d)
    assert float(rewards.log_ratio(one)) == logit
    cut = max(-5.0, min(5.0, logit))
    assert float(rewards.forward_kl(one)) == pytest.approx(-cut * math.exp(cut))
    assert float(rewards.density_ratio(one)) == pytest.approx(math.exp(cut))
    likely = math.exp(log_d)
    assert float(rewards.discovered(one)) == pytest.approx(likely * (math.tanh(logit) + 1) / 2)
    assert float(rewards.quadratic(one)) == pytest.approx(max(0.0, 1 - (logit - 1) ** 2 / 4))


def test_the_density_ratio_leads_down_the_forward_divergence_and_the_published_reward_does_not():
    """Slope of KL(expert, softmax(z)) by autograd, against the policy gradient of each reward.

    The best discriminator's logit is log e / p, and rewards are held still, as in a step.
    """
    e = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    z = torch.tensor([0.1, -0.4, 0.9], dtype=torch.float64, requires_grad=True)
    p = z.softmax(0)
    (down,) = torch.autograd.grad(-(e * (e / p).log()).sum(), z, retain_graph=True)
    found = {}
    for name in ("density_ratio", "forward_kl"):
        reward = getattr(rewards, name)((e / p).log().detach())
        (found[name],) = torch.autograd.grad((p * reward).sum(), z, retain_graph=True)
    torch.testing.assert_close(found["density_ratio"], down)
    assert float(found["forward_kl"] @ down) < 0


def test_discriminator_read_normalised_rows_flags_and_carried_out_actions():
    torch.manual_seed(0)
    observations = Observations(None, (2,))
    normaliser = Normaliser(observations)
    normaliser.see(torch.tensor([[1.0, 10.0], [3.0, 30.0]]))
    discriminator = DenseDiscriminator(observations, BOX, normaliser, "state_action_next", (4, 4))
    rows = Transitions(
        torch.tensor([[2.0, 30.0], [5.0, 5.0]]),
        torch.tensor([[9.0], [9.0]]),
        torch.tensor([[2.0, 20.0], [7.0, 7.0]]),
        torch.tensor([False, True]),
        torch.tensor([False, True]),
    )
    expected = torch.tensor([[0.0, 1, 0, 0, 0, 0, 1], [0, 0, FLAG, 0, 0, FLAG, 0]])
    torch.testing.assert_close(discriminator.encode(rows), expected, atol=1e-4, rtol=0)


def test_the_normaliser_counts_everything_once():
    torch.manual_seed(0)
    seen = torch.randn(90, 2) * torch.tensor([3.0, 0.1]) + 5
    normaliser = Normaliser(Observations(None, (2,)))
    for part in seen.split([1, 40, 49]):
        normaliser.see(part)
    torch.testing.assert_close(normaliser.mean, seen.mean(0))
    torch.testing.assert_close(normaliser.var, seen.var(0, correction=0))
    torch.testing.assert_close(
        normaliser(seen).std(0, correction=0), torch.ones(2), rtol=1e-3, atol=0
    )


def test_one_normaliser_serves_all_and_evaluation_leaves_it_alone(tmp_path):
    game = game_of()
    engine = engine_of(game)
    list(engine.rounds(uniform, 2))
    readers = [
        m.normaliser for m in game.modules() if isinstance(getattr(m, "normaliser", 0), Normaliser)
    ]
    assert len(readers) == 4  # game, discriminator, policy, value
    assert all(reader is game.normaliser for reader in readers)
    before = game.normaliser.mean.clone()
    returns_of(game.learner.policy, make_envs("CartPole-v1", 3), 3, seed=0)
    assert torch.equal(game.normaliser.mean, before)
    engine.save(tmp_path / "run")
    other = game_of()
    engine_of(other).load(tmp_path / "run")
    assert torch.equal(other.learner.policy.net.normaliser.mean, before)


def test_absorbing_rows_are_added_for_terminal_states_alone():
    roll = rollout(time=2, envs=1)
    ends = torch.tensor([False, True])
    no = torch.zeros(2, dtype=torch.bool)
    rows = with_absorbing(
        Transitions(roll.obs[:, 0], roll.act[:, 0], roll.next_obs[:, 0], no, ends)
    )
    assert rows.absorbing.tolist() == [False, False, True]
    assert rows.next_absorbing.tolist() == [False, True, True]


def test_subsampled_experts_meet_the_absorbing_state_as_often_as_whole_ones():
    data = [trajectory(40, terminated=True, seed=1), trajectory(60, terminated=False, seed=2)]
    picks = torch.rand(200_000, generator=torch.Generator().manual_seed(0))
    for subsample in (1, 7):
        chosen = expert(data, subsample=subsample, seed=3).pick(picks)
        assert float(chosen.absorbing.float().mean()) == pytest.approx(1 / 101, abs=1e-3)
    kept = expert(data, subsample=7, seed=3).steps().obs
    assert len(kept) in (14, 15, 16)
    whole = np.concatenate([t.obs for t in data])
    places = [int(np.flatnonzero((whole == row).all(1))[0]) for row in kept.numpy()]
    steps = np.diff(places)
    assert (steps[np.array(places[1:]) != min(p for p in places if p >= 40)] == 7).all()


def test_too_few_transitions_are_refused():
    """One row has no deviation; rows of the absorbing state are no transitions."""
    short = trajectory(length=4, terminated=True)
    for some, subsample in (([], 1), ([short], 5)):
        with pytest.raises(UserError, match=r"too few demonstrations: [01] transitions"):
            expert(some, subsample=subsample)
    assert len(expert([short, short], subsample=5).steps().obs) == 2


def test_what_follows_the_last_step_is_kept():
    data = trajectory(4, terminated=False)
    rows = expert([data]).rows
    np.testing.assert_array_equal(rows.next_obs[-1], data.last_obs)
    np.testing.assert_array_equal(rows.next_obs[:-1], data.obs[1:])
    assert not rows.next_absorbing.any()


class Flagged(Discriminator):
    """Its logit: 3 in the absorbing state, else the first feature."""

    def __init__(self, envs, normaliser):
        super().__init__(envs.observations, envs.actions, normaliser)
        self.weight = torch.nn.Parameter(torch.ones(()))

    def score(self, x):
        flag = x[:, 4] / FLAG
        return self.weight * (3 * flag + (1 - flag) * x[:, 0])


@pytest.mark.parametrize("absorbing", [True, False])
def test_a_terminal_state_is_worth_what_the_discriminator_says_for_ever(absorbing):
    envs, normaliser, policy, value, collector = parts()
    learner = PPO(policy, value, 4, gamma=0.9)
    game = ImitationGame(
        learner,
        Flagged(envs, normaliser),
        collector,
        some_expert(),
        normaliser,
        reward=rewards.log_ratio,
        absorbing=absorbing,
    )
    ends = torch.zeros(6, 3, dtype=torch.bool)
    ends[2, 1] = True
    cut = torch.zeros(6, 3, dtype=torch.bool)
    cut[4, 2] = True
    roll = rollout(features=4, terminated=ends, truncated=cut)
    expected = normaliser(roll.obs)[..., 0]
    if absorbing:
        expected[2, 1] += 0.9 / 0.1 * 3
    torch.testing.assert_close(game.rewards(roll), expected)


def test_the_environments_own_reward_mixes_in():
    game = game_of(env_weight=0.25)
    roll = rollout(features=4)
    mixed = game.rewards(roll)
    game.env_weight = 0.0
    torch.testing.assert_close(mixed, 0.75 * game.rewards(roll) + 0.25 * roll.reward)


# ---------------------------------------------------------------------------------- discriminators


def test_airl_rewards_f_minus_log_pi_and_shaping_telescopes():
    torch.manual_seed(0)
    envs, normaliser, *_ = parts()
    discriminator = ShapedDiscriminator(envs.observations, envs.actions, normaliser, 0.9, (8, 8))
    game = game_of(discriminator, reward=rewards.log_ratio)
    roll = rollout(features=4)
    rows = game._transitions(roll)
    x = discriminator.encode(rows)
    pi = game.learner.policy.log_prob(rows.obs, rows.act)
    torch.testing.assert_close(game.rewards(roll).flatten(), discriminator.score(x) - pi)
    now = torch.cat([x[:, :5]], 1)
    shaping = 0.9 * discriminator.h(x[:, 5:10]) - discriminator.h(now)
    torch.testing.assert_close(
        discriminator.score(x) - discriminator.transferable(x), shaping.squeeze(1)
    )


def test_airl_on_a_table_recovers_the_ratio():
    """At its optimum f - log pi is the log density ratio: the logit without pi's part is not."""
    torch.manual_seed(0)
    game = game_of(ShapedDiscriminator(*_of(parts()), 0.9, (32, 32)), reward=rewards.log_ratio)
    real = torch.zeros(64, dtype=torch.long)
    assert game.D.reads_policy
    rows = Transitions(
        torch.zeros(64, 4), real, torch.zeros(64, 4), torch.zeros(64).bool(), torch.zeros(64).bool()
    )
    offset = game._offset(rows)
    torch.testing.assert_close(offset, game.learner.policy.log_prob(rows.obs, rows.act))
    assert game._offset(rows._replace(absorbing=~rows.absorbing)).abs().max() == 0


def _of(made):
    envs, normaliser, *_ = made
    return envs.observations, envs.actions, normaliser


def test_the_bottleneck_holds_its_information():
    """Beta rises while the code says too much, and the KL ends near what is allowed."""
    torch.manual_seed(0)
    discriminator = BottleneckDiscriminator(
        *_of(parts()), hidden=(16, 16), information=0.5, beta_rate=0.05
    )
    game = game_of(discriminator, data=expert([trajectory(50)]))
    engine = engine_of(game)
    turn = Turn("D", game.discriminator_move)
    for _ in range(60):
        engine.play(turn, engine.stream(uniform))
    assert float(discriminator.beta) > 0.1 or float(discriminator.excess) < 0
    assert abs(float(discriminator.excess)) < 0.35


def test_airl_refuses_images():
    image = Observations(None, (3, 8, 8))
    with pytest.raises(UserError, match="AIRL"):
        ShapedDiscriminator(image, CHOICES, Normaliser(image), 0.9)


@pytest.mark.parametrize("sees", ["state_action", "state_next"])
def test_images_are_judged_pixel_by_pixel_under_a_penalty(sees):
    torch.manual_seed(0)
    image = Observations(None, (3, 8, 8))
    discriminator = DenseDiscriminator(image, CHOICES, Normaliser(image), sees, (8, 8))
    pixels = torch.randint(256, (6, 3, 8, 8), dtype=torch.uint8)
    no = torch.zeros(6, dtype=torch.bool)
    rows = Transitions(pixels, torch.randint(2, (6,)), pixels.flip(0), no, no)
    x = discriminator.encode(rows)
    one = penalties.r1(2.0)(discriminator.score, x[:3], x[3:])
    (slope,) = torch.autograd.grad(
        discriminator.score(y := x[:3].clone().requires_grad_()).sum(), y
    )
    torch.testing.assert_close(one, slope.square().sum(1).mean())
    assert float(slope[:, :192].abs().sum()) > 0


# ----------------------------------------------------------------------------------- whole games


def test_a_discriminator_that_is_never_trained_stays_as_it_is():
    game = game_of()
    game.d_steps = 0
    engine = Engine(game, {"G": adam})
    before = [p.detach().clone() for p in game.D.parameters()]
    list(engine.rounds(uniform, 2))
    assert all(torch.equal(p, q) for p, q in zip(game.D.parameters(), before, strict=True))


def test_games_under_one_roof_do_not_touch_each_other():
    torch.manual_seed(0)
    games = {"imitation": game_of(), "random": game_of()}
    roof = ControlledGame(games)
    engine = engine_of(roof)
    before = {k: v.clone() for k, v in games["imitation"].state_dict().items()}
    list(engine.rounds(uniform, 2, turns=roof.turns_of("random")))
    assert {p for p, n in engine.steps.items() if n} == {"G_random", "D_random"}
    after = games["imitation"].state_dict()
    assert all(torch.equal(v, after[k]) for k, v in before.items())


def test_cloning_recovers_a_known_policy():
    """Actions by a rule of the observation: cloned, the rule is followed and pays on CartPole."""
    torch.manual_seed(0)
    envs, normaliser, policy, *_ = parts(hidden=(32, 32))
    envs = make_envs("CartPole-v1", 8)
    obs = torch.randn(2000, 4) * torch.tensor([0.5, 0.5, 0.1, 0.5])
    act = (obs[:, 2] + 0.3 * obs[:, 3] > 0).long()
    no = torch.zeros(2000, dtype=torch.bool)
    normaliser.see(obs)
    game = BehaviouralCloning(policy, Transitions(obs, act, obs, no, no), normaliser)
    engine = Engine(game, {"G": functools.partial(torch.optim.Adam, lr=3e-3)})
    start = game.held_out_loss()
    data = lambda i: torch.rand(128, generator=torch.Generator().manual_seed(i))  # noqa: E731
    list(engine.rounds(data, 250))
    assert game.held_out_loss() < 0.35 < start
    assert returns_of(policy, envs, 8, seed=0, deterministic=True).mean() > 150


@pytest.mark.slow
def test_imitation_reaches_an_expert_and_not_with_random_demonstrations():
    """CartPole within 60 steps an episode: the trap where survival alone pays."""
    from rl.envs.classic import ClassicEnvs

    scores = {}
    for kind in ("expert", "random"):
        torch.manual_seed(0)
        envs = ClassicEnvs("CartPole-v1", 16, 200)
        shown = ClassicEnvs("CartPole-v1", 8, 200)
        data = _balanced(shown) if kind == "expert" else record(shown, None, 8)
        _, normaliser, policy, value, collector = parts(hidden=(32, 32))
        collector.envs, collector.steps = envs, 128
        collector.so_far = torch.zeros(16)
        learner = PPO(policy, value, 16, epochs=10, minibatch=512)
        rows = expert(data, subsample=5)
        normaliser.see(rows.steps().obs)
        discriminator = DenseDiscriminator(
            envs.observations, envs.actions, normaliser, hidden=(32, 32)
        )
        game = ImitationGame(
            learner,
            discriminator,
            collector,
            rows,
            normaliser,
            reward=rewards.log_ratio,
            penalty=penalties.gradient_penalty(1.0),
            d_steps=8,
        )
        slow = functools.partial(torch.optim.Adam, lr=1e-3)
        engine = Engine(game, {"G": slow, "D": slow}, clip={"G": 0.5})
        data = lambda i: torch.rand(128, generator=torch.Generator().manual_seed(i))  # noqa: E731
        list(engine.rounds(data, 10))
        test = ClassicEnvs("CartPole-v1", 20, 200)
        scores[kind] = returns_of(policy, test, 20, seed=1).mean()
    assert scores["expert"] > 80
    assert scores["random"] < 45


def _balanced(envs):
    """Whole episodes of a rule that balances the pole."""

    class Rule(Actor):
        def act(self, obs, deterministic=False):
            return (obs[:, 2] + 0.3 * obs[:, 3] + 0.02 * obs[:, 0] + 0.05 * obs[:, 1] > 0).long()

    found = record(envs, Rule(), 8)
    assert min(t.ret for t in found) > 190
    return found


# ---------------------------------------------------------------------------------- past rollouts


def seen_in_rounds(game, count):
    """Observations that the discriminator learned from as the policy's, by round."""
    found = []

    def noted(real, _, fake, __):
        found[-1].append(fake[:, :4])
        return plain(real, _, fake, __)

    plain, game._discriminator_loss = game._discriminator_loss, noted
    engine = engine_of(game)
    turns = [game.turns()[0]]
    for _ in range(count):
        found.append([])
        list(engine.rounds(uniform, 1, turns=turns))
    return [{tuple(row) for batch in part for row in batch.tolist()} for part in found]


@pytest.mark.parametrize("past", [1, 2])
def test_a_discriminator_that_remembers_learns_against_earlier_rollouts(past):
    torch.manual_seed(0)
    game = game_of(past_rollouts=past, d_steps=40)
    game.normaliser.see = lambda obs: None  # rows stay what they were
    first, second, third = seen_in_rounds(game, 3)
    assert bool(first & second) == (past == 2)
    assert bool(second & third) == (past == 2)
    assert not first & third
    assert any("past" in name for name in game.state_dict()) == (past == 2)


def test_log_pi_of_remembered_rows_is_that_of_todays_policy():
    torch.manual_seed(0)
    envs, normaliser, *_ = parts("CartPole-v1")
    D = ShapedDiscriminator(envs.observations, envs.actions, normaliser, 0.99, (8, 8))
    game = game_of(D, past_rollouts=2)
    engine = engine_of(game)
    list(engine.rounds(uniform, 1))
    offsets = []
    plain = game._offset
    game._offset = lambda rows: offsets.append((rows, plain(rows))) or offsets[-1][1]
    list(engine.rounds(uniform, 1, turns=[game.turns()[0]]))
    for rows, offset in offsets:
        said = game.learner.policy.parameters_of(rows.obs)
        wanted = game.learner.policy.log_prob_of(said, rows.act)
        torch.testing.assert_close(offset[~rows.absorbing], wanted[~rows.absorbing])
