"""CatGAN: a memory that is told the label, children that compete, their fitness by hand."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from image_core.adversarial import losses
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.fork import Fork
from image_core.adversarial.game import Turn
from seqgan.lm.relational import RelationalPolicy
from seqgan.text import recipe
from seqgan.text.games.evolved import MUTATIONS, tiny
from seqgan.text.games.relaxed import judged
from seqgan.text.labelled_relational import LabelledRelationalPolicy
from seqgan.text.mixture import MixturePolicy
from seqgan.text.papers.catgan import Options
from tests.recipes.made import built

adam = partial(torch.optim.Adam, lr=1e-2)

# -------------------------------------------------------------------------------------- the label


def test_a_memory_that_is_told_its_label_is_one_with_a_shifted_input():
    """A one-hot input adds a column of the weights: the plain memory with another bias."""
    torch.manual_seed(0)
    policy = LabelledRelationalPolicy(6, 2, 3, 4, end=2, start=1).eval()
    tokens = torch.tensor([[3, 4, 2], [5, 5, 5]])
    plain = RelationalPolicy(6, 3, 4, end=2, start=1).eval()
    for label in (0, 1):
        state = policy.state_dict()
        weight = state.pop("read.weight")
        state["read.bias"] = state["read.bias"] + weight[:, 3 + label]
        plain.load_state_dict({**state, "read.weight": weight[:, :3]})
        told = policy.of_label(label)
        torch.testing.assert_close(told.log_prob(tokens), plain.log_prob(tokens))
    one, other = (policy.of_label(label).log_prob(tokens) for label in (0, 1))
    assert (one - other).abs().max() > 1e-3


def test_labels_share_all_weights():
    policy = LabelledRelationalPolicy(6, 2, 3, 4)
    mixture = MixturePolicy([policy.of_label(0), policy.of_label(1)], [0.5, 0.5])
    assert len(list(mixture.parameters())) == len(list(policy.parameters()))
    with torch.no_grad():
        policy.output_bias[3] = 7.0
    assert [part.output_bias[3].item() for part in mixture.labelled()] == [7.0, 7.0]


# --------------------------------------------------------------------------------------- children


def playing(scores=None, seed=0, **changes):
    """A game, its engine, a round of it, and data; children have given scores if any."""
    torch.manual_seed(seed)
    game, data = tiny()
    for name, value in changes.items():
        setattr(game, name, value)
    engine = Engine(game, {"G": adam, "D": adam})
    if scores is not None:
        left = iter(scores)
        game.score = lambda d_real: torch.tensor(next(left))
    turn = Turn("G", lambda batches: game.evolve(batches, lambda: Fork(engine, "G")))
    return game, engine, lambda: engine.play(turn, iter([data])), data


def test_children_are_losses_times_temperatures():
    game, *_ = playing()
    assert game.mutants == [(m, s) for m in ("ragan", "rsgan") for s in (0, 1, -1)]
    game.played += 3
    assert [float(game.beta(s)) for s in (0, 1, -1)] == pytest.approx(
        [10 ** (n / 6) for n in (3, 4, 2)]
    )


@pytest.mark.parametrize("fittest", [0, 3, 5])
def test_the_fittest_child_stays(fittest, monkeypatch):
    """Weights and moments are those of that child's step alone, from the same parent."""
    scores = [0.1, -0.2, 0.05, 0.1, 0.0, -0.3]
    scores[fittest] = 0.7
    game, engine, play, data = playing(scores)
    slopes = torch.randn(6, generator=torch.Generator().manual_seed(3))

    def step_of(child, d_real):
        return sum((p * slopes[game.mutants.index(child)]).sum() for p in game.G.parameters())

    monkeypatch.setattr(game, "_step_of", step_of)
    play()
    plain, other, _, _ = playing()

    def alone(batches):
        yield step_of_plain(plain.mutants[fittest])

    def step_of_plain(child):
        return sum((p * slopes[plain.mutants.index(child)]).sum() for p in plain.G.parameters())

    other.play(Turn("G", alone), iter([data]))
    for one, two in zip(game.G.parameters(), plain.G.parameters(), strict=True):
        torch.testing.assert_close(one, two)
        for name, value in engine.optimizers["G"].state[one].items():
            torch.testing.assert_close(value, other.optimizers["G"].state[two][name])
    assert game.wins.tolist() == [float(i == fittest) for i in range(6)]
    assert engine.steps["G"] == 6


def test_a_random_child_stays_whatever_its_fitness():
    game, _, play, _ = playing([float(i) for i in range(6)] * 40, select="random")
    game._step_of = lambda child, d_real: game.G.parts[0].output_bias.sum()
    for _ in range(40):
        play()
    assert game.wins.sum() == 40
    assert (game.wins > 0).sum() >= 5  # one of six is missed in 40 draws once in 250
    assert game.wins[5] < 20


def test_fitness_by_hand():
    game, _, _, data = playing()
    game.G.eval()
    game.D.eval()
    d_real = [game.D(rows).detach() for rows in data]
    torch.manual_seed(5)
    found = game.score(d_real)
    torch.manual_seed(5)
    quality, diversity = [], []
    for part, real in zip(game.G.labelled(), d_real, strict=True):
        tokens = part.sample(game.score_samples, 6)
        d = game.D(tokens).detach()
        quality += [1 / (1 + torch.exp(real.mean() - x)) for x in d]
        mask = part.mask(tokens)
        diversity.append(-part.log_prob(tokens).detach().sum() / mask.sum())
    expected = torch.stack(quality).mean(), torch.stack(diversity).mean()
    torch.testing.assert_close(game.fitness, torch.stack(expected))
    torch.testing.assert_close(found, expected[0] + 1e-3 * expected[1])


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_the_loss_of_a_child_by_hand(mutation, monkeypatch):
    game, _, _, data = playing()
    written = [torch.softmax(torch.randn(4, 6, 12), -1) for _ in data]
    mask = torch.ones(4, 6, dtype=torch.bool)
    left = iter([(x, mask) for x in written])
    monkeypatch.setattr("seqgan.text.games.evolved.relaxed", lambda *_: next(left))
    d_real = [game.D(rows).detach() for rows in data]
    child = next(c for c in game.mutants if c.mutation == mutation)
    loss = game._step_of(child, d_real)
    expected = 0
    for x, real in zip(written, d_real, strict=True):
        fake = judged(game.D, x, mask, 2)
        if mutation == "rsgan":
            expected += -F.logsigmoid(fake - real).mean()
        else:
            up, down = fake - real.mean(), real - fake.mean()
            expected += -F.logsigmoid(up).mean() - F.logsigmoid(-down).mean()
    torch.testing.assert_close(loss.total, expected)


def test_the_discriminators_loss_is_a_sum_over_labels(monkeypatch):
    game, _, _, data = playing()
    written = [torch.softmax(torch.randn(4, 6, 12), -1) for _ in data]
    mask = torch.ones(4, 6, dtype=torch.bool)
    left = iter([(x, mask) for x in written])
    monkeypatch.setattr("seqgan.text.games.evolved.relaxed", lambda *_: next(left))
    (loss,) = game.discriminator_steps(iter([data]), 1)
    expected = sum(
        losses.relativistic_average.d(game.D(rows), judged(game.D, x, mask, 2))
        for rows, x in zip(data, written, strict=True)
    )
    torch.testing.assert_close(loss.total, expected + game.D.regularizer())


def test_rounds_of_evolution_go_on_bit_for_bit(tmp_path):
    _, engine, play, _ = playing()
    play()
    engine.save(tmp_path / "run")
    logs = play()
    after, again, replay, _ = playing(seed=1)
    again.load(tmp_path / "run")
    assert {k: float(v) for k, v in replay().items()} == {k: float(v) for k, v in logs.items()}
    for name, value in engine.game.state_dict().items():
        assert torch.equal(value, after.state_dict()[name]), name


def test_what_catgan_refuses():
    for changes, says in (
        ({"mutations": "ragan,lsgan"}, "--mutations lsgan"),
        ({"select": "worst"}, "--select worst"),
        ({"policy": "lstm"}, "CatGAN's policy is told the label"),
        ({"beta_max": 0.0}, "--beta_max 0"),
    ):
        with pytest.raises(UserError, match=says):
            built(recipe, paper="catgan", out="run", data="x", **changes)
    assert Options(out="run", mutations="rsgan,rsgan").losses() == ["rsgan"]
