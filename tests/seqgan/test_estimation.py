"""The table of estimators and games: what is served moves a generator, the rest says why not."""

import math

import pytest
import torch

from image_core.adversarial import losses
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from seqgan.cli import main
from seqgan.dialogue import credit
from seqgan.dialogue import estimation as dialogue_estimation
from seqgan.dialogue import game as dialogue
from seqgan.dialogue import recipe as dialogue_recipe
from seqgan.discrete import gradients
from seqgan.discrete import recipe as discrete
from seqgan.retrieval import estimation as retrieval_estimation
from seqgan.retrieval import game as retrieval
from seqgan.retrieval import recipe as retrieve
from seqgan.text import estimation
from seqgan.text import oracle_recipe as oracle
from seqgan.text.games import relaxed, sequence
from tests.recipes.made import short_report as short_report

SERVED = {
    **estimation.SERVED,
    "discrete": gradients.__all__,
    "retrieve": retrieval_estimation.SERVED,
    "dialogue": dialogue_estimation.SERVED,
}
NAMES = (*estimation.SCORE_FUNCTIONS, *estimation.RELAXATIONS, *estimation.CONTROL_VARIATES)
CONFIGS = {
    "discrete": lambda name: discrete.PAPERS.config("gan")(
        out="run", data="digits", estimator=name
    ),
    "sequence": lambda name: oracle.PAPERS.config("seqgan")(
        out="run", estimator=name, baseline="none"
    ),
    "relaxed": lambda name: oracle.PAPERS.config("relgan")(out="run", estimator=name),
    "retrieve": lambda name: retrieve.PAPERS.config("irgan")(
        out="run", data="pairs", estimator=name,
        reward={"importance": "ratio"}.get(name, "sigmoid"),
    ),
    "dialogue": lambda name: dialogue_recipe.PAPERS.config("shaped")(
        out="run", estimator=name, credit_assignment="sequence", baseline="none",
        reward={"importance": "ratio", "boundary_seeking": "logit"}.get(name, "probability"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("game", CONFIGS)
def test_a_recipe_takes_what_its_game_is_served_and_refuses_the_rest_with_a_reason(game, name):
    if game == "sequence" and name in estimation.SCORE_FUNCTIONS:
        reduction = "sum" if name == "reinforce" else "mean"
        oracle.PAPERS.config("seqgan")(out="run", estimator=name, reduction=reduction)
    elif name in SERVED[game]:
        CONFIGS[game](name)
    else:
        with pytest.raises(UserError, match=f"--estimator {name}: ") as refused:
            CONFIGS[game](name)
        assert "choose one of" not in str(refused.value)  # but why


def adam(parameters):
    return torch.optim.Adam(parameters, lr=1e-2)


def score_gradient(game, log_prob, weight):
    """What -sum weight log_prob has for a gradient in the generator's parameters."""
    parameters = list(game.G.parameters())
    return torch.autograd.grad(-(weight * log_prob).sum(), parameters)


READ = {
    "reinforce": lambda f: torch.sigmoid(f) / len(f),
    "clipped": lambda f: torch.sigmoid(f) / len(f),
    "importance": lambda f: (f.exp() / f.exp().mean() - 1) / len(f),
    "boundary_seeking": lambda f: f.softmax(0),
}
"""Weights of samples of one token, from the critic's logits."""


@pytest.mark.parametrize("name", READ)
def test_score_functions_of_sequences_read_what_they_are_for(name):
    torch.manual_seed(0)
    policy = sequence.LSTMPolicy(12, 4, 4)
    critic = sequence.CNNDiscriminator(12, 4, ((1, 3),), dropout=0.0)
    game = sequence.SequenceGame(
        policy,
        critic,
        1,
        reward=estimation.sequence_reward(name, rollouts=2),
        estimator=estimation.of_sequences(name),
        samples=16,
    )
    torch.manual_seed(1)
    (loss,) = game.policy_move(iter([]))
    found = torch.autograd.grad(loss.total, list(policy.parameters()), allow_unused=True)
    torch.manual_seed(1)
    tokens = policy.eval().sample(16, 1)
    weight = READ[name](critic.eval()(tokens).detach())
    log_prob = policy.log_prob(tokens)[:, 0]
    wanted = torch.autograd.grad(-(weight * log_prob).sum(), policy.parameters(), allow_unused=True)
    assert sum(float(g.abs().sum()) for g in wanted if g is not None) > 1e-3
    for one, other in zip(found, wanted, strict=True):
        if other is not None:
            assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("baseline", ["moving_average", "log_z", "learned", "leave_one_out"])
def test_every_baseline_moves_a_policy(baseline):
    game, data = sequence.tiny()
    game.estimator = estimation.of_sequences("reinforce", baseline, length=8)
    engine = Engine(game, {"G": adam, "D": adam})
    for logs in engine.rounds(lambda index: data, 2):
        assert math.isfinite(float(logs["G/loss"]))
        assert float(logs["G/grad_norm"]) > 0


def test_the_learned_baseline_comes_to_expect_the_reward():
    game, _ = sequence.tiny()
    game.estimator = estimation.of_sequences("reinforce", "learned", length=8)
    reward = torch.tensor([[0.2, 0.6, 0.9]]).expand(8, 3)
    mask = torch.ones(8, 3, dtype=torch.bool)
    learned = list(game.estimator.parameters())
    assert {id(p) for p in learned} <= {id(p) for p in game.players()["G"]}
    steps = torch.optim.Adam(learned, lr=0.05)
    for _ in range(120):
        steps.zero_grad()
        game.estimator(torch.zeros(8, 3), reward, mask).backward()
        steps.step()
    assert torch.allclose(learned[0][:3, 0], reward[0], atol=0.02)
    assert not learned[0][3:].any()


@pytest.mark.usefixtures("short_report")
def test_the_learned_baseline_from_the_command_line(tmp_path):
    run = tmp_path / "run"
    words = ["train", "oracle", "--preset", "tiny", "--baseline", "learned", "--out", str(run)]
    assert main([*words, "--mle_epochs", "1", "--test_size", "16"]) == 0
    assert main(["resume", str(run)]) == 0


@pytest.mark.parametrize("name", estimation.RELAXATIONS)
def test_relaxations_draw_what_the_policy_means_and_hard_ones_are_one_hot(name):
    torch.manual_seed(0)
    logits = torch.tensor([1.0, 0.0, -1.0]).expand(20_000, 3).clone().requires_grad_()
    y = estimation.relaxation(name)(logits, torch.tensor(3.0))
    drawn = torch.bincount(y.argmax(-1), minlength=3) / len(y)
    assert torch.allclose(drawn, logits[0].softmax(-1).detach(), atol=0.02)
    one_hot = bool(((y.detach() - 1).abs() < 1e-5).any(-1).all())
    assert one_hot == (name != "gumbel_softmax")
    (slope,) = torch.autograd.grad((y * torch.tensor([1.0, 0.0, 0.0])).sum(), logits)
    assert float(slope[:, 0].mean()) > 0.01


@pytest.mark.parametrize("name", estimation.RELAXATIONS)
def test_relaxations_play_the_relaxed_game(name):
    game, data = relaxed.tiny()
    game.relaxation = estimation.relaxation(name)
    engine = Engine(game, {"G": adam, "D": adam})
    (logs,) = engine.rounds(lambda index: data, 1)
    assert float(logs["G/grad_norm"]) > 0


def test_importance_of_documents_is_the_tilted_distributions_gradient():
    """Many draws of one batch: sum_d p~(d) grad log p(d), p~ = p exp(f) / Z over all queries."""
    game, rows = retrieval.tiny()
    torch.manual_seed(0)
    game.reward, game.samples = losses.density_ratio, 20_000
    game.estimator, game.kl_coef = retrieval_estimation.of_documents("importance"), 0.0
    for score in (*game.G.parameters(), *game.D.parameters()):
        score.data.normal_(0, 0.5)
    (loss,) = game.generator_move(iter([rows]))
    found = torch.autograd.grad(loss.total, list(game.G.parameters()), allow_unused=True)
    batch = game.batch(rows)
    log_p = batch.log_policy(game.G, game.temperature)
    tilted = (log_p + batch.scores(game.D)).detach().exp()
    wanted = torch.autograd.grad(
        -(tilted / tilted.sum() * log_p).sum(), list(game.G.parameters()), allow_unused=True
    )
    pairs = [(a, b) for a, b in zip(found, wanted, strict=True) if b is not None]
    assert all(float((a - b).norm()) < 0.1 * float(b.norm()) for a, b in pairs)


@pytest.mark.parametrize("name", estimation.SCORE_FUNCTIONS)
def test_score_functions_move_a_dialogue_policy(name):
    game, data = dialogue.tiny()
    game.estimator = dialogue_estimation.of_replies(name, game.samples)
    if name in ("importance", "boundary_seeking"):
        transform = losses.density_ratio if name == "importance" else estimation.identity
        game.credit, game.advantage.baseline = credit.sequence(transform), "none"
    engine = Engine(game, {"G": adam, "D": adam})
    (logs,) = engine.rounds(lambda index: data, 1)
    assert float(logs["G/grad_norm"]) > 0


def test_the_ratio_is_a_losss_weight():
    logit = torch.tensor([-2.0, 0.0, 1.5])
    d = torch.sigmoid(logit)
    assert torch.allclose(losses.density_ratio(logit), d / (1 - d))
    assert torch.equal(estimation.identity(logit), losses.wasserstein.reward(logit))
