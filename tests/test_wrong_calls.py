"""The facade called wrongly: each call is one sentence that says what to give instead."""

from collections.abc import Callable
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import jaxtyping
import pytest
import torch
from torch import nn

import seqgan as sg
from seqgan import penalties

sgd = partial(torch.optim.SGD, lr=0.1)


@pytest.fixture(autouse=True)
def _unchecked():
    """As users run it: the annotations of shapes are checked in tests only."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


class One(sg.Game):
    """One player and one move, unless a test says otherwise."""

    def __init__(self, players: Any = None, turns: Any = None):
        super().__init__()
        self.net, self.own_players, self.own_turns = nn.Linear(2, 1), players, turns

    def players(self):
        parameters = list(self.net.parameters())
        return {"A": parameters} if self.own_players is None else self.own_players(parameters)

    def turns(self):
        turns = [sg.Turn("A", self.move)]
        return turns if self.own_turns is None else self.own_turns(turns)

    def move(self, batches):
        yield sg.Loss(self.net(next(batches)).mean())


def engine(players: Any = None, turns: Any = None, **options: Any) -> sg.Engine:
    return sg.Engine(One(players, turns), {"A": sgd}, **options)


def run(turns: Callable[[Any], Any]) -> None:
    engine(turns=turns).run(lambda i: torch.ones(3, 2), 1)


def moved(move: Any) -> None:
    run(lambda own: [sg.Turn("A", move)])


def noted(value: Any) -> None:
    one = engine()
    one.notes["mine"] = value
    with TemporaryDirectory() as folder:
        one.save(f"{folder}/run")


def moves_itself(act: Any, *, twice: bool = False) -> None:
    """A move that does what is the engine's to do, or yields one loss twice."""

    def move(batches):
        loss = one.game.net(next(batches)).mean()
        act(one, loss)
        yield loss
        if twice:
            yield loss

    one = engine(turns=lambda own: [sg.Turn("A", move)])
    one.run(lambda i: torch.ones(3, 2), 1)


def sequences() -> sg.Game:
    return sg.games.seqgan(policy(), DISCRIMINATOR, 5, d_steps=1, negatives=4)


DISCRIMINATOR, X = sg.CNNDiscriminator(10, 4, [(1, 2)]), torch.ones(4, 2)
policy, row = partial(sg.LSTMPolicy, 10), {"x": torch.ones(2)}
NONE = torch.zeros(0, 4, dtype=torch.int64)
FAR = torch.full((2, 3), 99)
CALLS = {
    "no turns": (lambda: run(lambda own: []), "there are no turns, so that nobody learns"),
    "turns of nothing": (lambda: run(lambda own: None), "turns are a NoneType; give a list"),
    "turns that are read once": (lambda: run(iter), "turns are a list_iterator; give a list"),
    "one turn": (lambda: run(lambda own: own[0]), "turns are a Turn; give a list"),
    "a player's number": (lambda: run(lambda own: [sg.Turn(3, own[0].move)]), "player is a int"),
    "every in words": (
        lambda: run(lambda own: [own[0]._replace(every="2")]),
        "every='2' and repeat=1; give whole numbers",
    ),
    "a move of nothing": (lambda: moved(lambda: iter([])), "'A' does not take the batches alone"),
    "batches in a list": (
        lambda: engine().play(One().turns()[0], [torch.ones(3, 2)]),
        "batches are a list; give an iterator, such as engine.stream",
    ),
    "a name to play": (lambda: engine().play("A", iter([])), "turns hold a str; give Turn"),
    "players of nothing": (lambda: engine(lambda own: None), r"players\(\) of One returns None"),
    "no players": (lambda: engine(lambda own: {}), r"players\(\) of One returns \{\}; return a m"),
    "another's parameters": (
        lambda: engine(lambda own: {"A": list(nn.Linear(1, 1).parameters())}),
        "'A' lists a parameter that is not the game's, so that no checkpoint",
    ),
    "modules": (lambda: engine(lambda own: {"A": [nn.Linear(1, 1)]}), "'A' lists a Linear; list p"),
    "a player of none": (lambda: engine(lambda own: {"A": []}), "'A', a player without parameters"),
    "the class": (lambda: sg.Engine(One, {"A": sgd}), r"the class One; give a game, One\(\.\.\.\)"),
    "accumulate": (lambda: engine(accumulate="2"), "accumulate is '2'; it is the number of losses"),
    "a device": (lambda: engine(accelerator="cpu"), r"accelerator is 'cpu'; .* game\.to\('cpu'\)"),
    "a cut": (lambda: engine(cut=3), "cut is a int; give the result of parallel.shard"),
    "ragged lists": (
        lambda: next(engine().stream([[[1.0, 2], [3.0]]])),
        "a batch holds lists of different lengths",
    ),
    "vocab": (lambda: sg.LSTMPolicy("20"), "LSTMPolicy: vocab is '20'; give a whole number"),
    "no vocab": (lambda: sg.LSTMPolicy(0), "vocab=0: give a number of at least 1"),
    "an end that is no id": (lambda: sg.LSTMPolicy(5, end=9), "end=9: give a number from 0 to 4"),
    "count": (lambda: policy().sample("3", 4), "sample: count is '3'; give a whole number"),
    "cold": (lambda: policy().sample(3, 4, temperature=0), "temperature=0: give a number above 0"),
    "a long prompt": (
        lambda: policy().sample(2, 3, prompt=torch.ones(5).long()),
        "prompt has 5 tokens, but length=3",
    ),
    "a prompt's id": (lambda: policy().sample(2, 4, prompt=FAR), "prompt holds token 99, but the"),
    "never": (lambda: policy().sample(2, 3, never=[99]), "never=99: give a number from 0 to 9"),
    "ids": (lambda: policy().log_prob(FAR), "tokens holds token 99, but the vocabulary ends at 9"),
    "float ids": (lambda: policy().log_prob(torch.ones(2, 3)), r"torch.float32 and shape \(2, 3\)"),
    "a list of ids": (lambda: sg.nll(policy(), [[1]]), r"nll: tokens is \[\[1\]\]; give a tensor"),
    "nothing to score": (lambda: sg.nll(policy(), NONE), "tokens holds no sequence"),
    "one side": (lambda: sg.jsd(policy(), policy(), FAR % 9, NONE), "fake holds no sequence"),
    "no filters": (lambda: sg.CNNDiscriminator(5, 8, []), r"filters=\[\]: give pairs"),
    "ids of D": (lambda: sg.CNNDiscriminator(5, 8, [(1, 2)])(FAR), "tokens holds token 99"),
    "none for D": (lambda: sg.CNNDiscriminator(5, 8, [(1, 2)])(NONE), "got no sequences"),
    "an oracle's seed": (lambda: sg.draw_oracle(5, -1), "seed=-1: "),
    "an oracle's file": (lambda: sg.load_oracle("none.npz"), "^file none.npz does not exist"),
    "an average": (lambda: sg.EMA("x", 0.5), "EMA: module is 'x'; give a Module"),
    "another average": (
        lambda: sg.EMA(nn.Linear(1, 1), 0.5).update(nn.Linear(2, 2)),
        "the module is not the one that is averaged",
    ),
    "an outsider": (lambda: sg.Outsider(3), "an outsider is a network, not a int"),
    "a pool of nothing": (lambda: sg.ReplayBuffer(3, {}, 0.5), "one row of each tensor by name"),
    "rows without names": (lambda: sg.HistoryPool(3, row).mix(torch.ones(1, 2)), "given a Tensor"),
    "a list of a row": (lambda: sg.HistoryPool(3, row).mix({"x": [[1, 2]]}), "'x' as a list"),
    "uneven rows": (
        lambda: sg.HistoryPool(3, {**row, "y": torch.ones(())}).mix(
            {"x": torch.ones(3, 2), "y": torch.ones(2)}
        ),
        "{'x': 3, 'y': 2} rows",
    ),
    "a batch's size": (lambda: sg.Batches(torch.ones(4), "2", seed=0), "Batches: size is '2'"),
    "no rows": (lambda: sg.Batches({}, 2, seed=0), r"have \[\] rows"),
    "rounds": (lambda: sg.every("2", print), "every: rounds is '2'; give a whole number"),
    "no limits": (lambda: sg.alarms(), "alarms of no limits; give at least one Limit"),
    "limits in a list": (lambda: sg.alarms([sg.Limit("a")]), "give a Limit"),
    "crossed bounds": (lambda: sg.alarms(sg.Limit("a", 2, 1)), "least at most as great as most"),
    "a bound in words": (lambda: sg.alarms(sg.Limit("a", "2")), "bounds as numbers"),
    "one limit": (lambda: sg.collapse_alarms(list, sg.Limit("a")), "give a list of Limits"),
    "real text": (lambda: sg.limits_of(["a cat"]), "give a list of lists of whole numbers"),
    "a ratio": (lambda: sg.density_ratio([1.0]), r"density_ratio: logit is \[1.0\]; give a tensor"),
    "a weight": (lambda: penalties.r1("3"), "r1: gamma is '3'; give a number"),
    "below zero": (lambda: penalties.r1(-1.0), "gamma=-1.0: give a number of at least 0"),
    "a sum": (lambda: penalties.total(3), "total: penalties is 3; give"),
    "a baseline": (lambda: sg.estimators.reinforce(3), "reinforce: baseline is 3; give a string"),
    "rewards": (
        lambda: sg.returns.leave_one_out([1.0], 2),
        "leave_one_out: reward is",
    ),
    "words": (lambda: sg.metrics.bleu(["a cat"], ["a"]), "lists of token ids, such as"),
    "orders": (lambda: sg.metrics.bleu([[1]], [[1]], orders=2), "a list of orders of 1 or more"),
    "n": (lambda: sg.metrics.distinct([[1]], "a"), "n of 1 or more: got 'a'"),
    "one text": (lambda: sg.metrics.unique_share("abc"), "give a list of lists of token ids"),
    "features": (
        lambda: sg.metrics.frechet_distance(torch.ones(3, 2), torch.ones(3, 4)),
        "the sets have 2 and 4 features",
    ),
    "a run": (lambda: sg.load(3), "load: folder is a int; give the path of a run"),
    "a reward": (lambda: sg.as_reward(3, 4), "as_reward: discriminator is 3; give a Dialogue"),
    "a reward's folder": (lambda: sg.load_reward(3), "load_reward: folder is 3; give a string or"),
    "copies": (lambda: sg.rewards.rollout_reward(0), "copies=0: give a number of at least 1"),
    "a game": (lambda: sg.games.LikelihoodGame(3), "LikelihoodGame: G is 3; give a SequencePolicy"),
    "a victim": (lambda: sg.attacks.Victim(3), "logits is a int; give a classifier"),
    "no victim": (lambda: sg.attacks.fgsm(3, 4, 5, 6.0), "fgsm: victim is 3; give a Victim"),
    "a loss of numbers": (
        lambda: sg.AdversarialLoss(1, 2, 3),
        "AdversarialLoss: d is 1; give a function of 2 arguments",
    ),
    "a loss of one side": (
        lambda: sg.AdversarialLoss(lambda real: real.mean(), sg.losses.hinge.g, None),
        "AdversarialLoss: d is a function; give a function of 2 arguments",
    ),
    "a size without its name": (
        lambda: sg.LSTMPolicy(9, 8, 8, 1),
        "LSTMPolicy: too many positional .* takes vocab, embedding, hidden and by name lay",
    ),
    "half a loss": (
        lambda: sg.AdversarialLoss(sg.losses.hinge.d, sg.losses.hinge.g),
        "missing a required argument: 'reward'; it takes d, g, reward",
    ),
    "a reward of numbers": (lambda: sg.losses.hinge.reward([1.0]), "a logit as a list; give a t"),
    "targets": (lambda: sg.losses.least_squares_coding("a", 1, 2), "a is 'a'; give a number"),
    "save": (lambda: engine().save(3), "the folder of a checkpoint is 3; give the path of a fo"),
    "save here": (lambda: engine().save("."), "is '.'; give the path of a folder of its own"),
    "load": (lambda: engine().load(None), "the folder of a checkpoint is None; give the path"),
    "a note": (lambda: noted(torch.ones(2)), "no plain value .*Tensor.* make a tensor a buffer"),
    "another's turn": (lambda: engine().learning("Z").__enter__(), "learning names 'Z', but the"),
    "true rounds": (lambda: engine().run(lambda i: torch.ones(3, 2), True), "True rounds cannot"),
    "a callback of one": (lambda: sg.every(1, lambda e: None), "give a function of 2 arguments"),
    "callbacks of one": (
        lambda: engine().run(lambda i: torch.ones(3, 2), 1, callbacks=[lambda e: None]),
        r"callbacks hold a function; give functions of \(engine, logs\)",
    ),
    "an optimizer of nothing": (
        lambda: sg.Engine(One(), {"A": lambda: None}),
        "optim of 'A' is a function; give a function of one argument",
    ),
    "an accelerator": (lambda: engine(accelerator=object()), "accelerator is a object; give acc"),
    "no clip": (lambda: engine(clip={"A": 0.0}), "clip of 'A' is 0, so that it never learns"),
    "numbered players": (lambda: engine(lambda own: {3: own}), "names 3; give a name, such as 'G'"),
    "players as they are": (
        lambda: sg.Engine(type("P", (One,), {"players": {}})(), {}),
        "players and turns of P are read by calling them",
    ),
    "turns of nobody": (
        lambda: run(lambda own: [own[0]._replace(repeat=0)]),
        "every turn has repeat=0, so that nobody learns",
    ),
    "a batch for batches": (
        lambda: moved(lambda batches: (yield batches.mean())),
        "it has no 'mean': it gives one batch after another; pull one with",
    ),
    "a first batch": (lambda: moved(lambda b: (yield b[0].mean())), "one batch after another"),
    "a complex loss": (
        lambda: moved(lambda b: iter([torch.ones((), dtype=torch.complex64)])),
        "a loss whose total is a tensor of torch.complex64, not a floating tensor",
    ),
    "a step of its own": (
        lambda: moves_itself(lambda e, x: x.backward(retain_graph=True)),
        "has left gradients on its own parameters",
    ),
    "a loss twice": (lambda: moves_itself(lambda e, x: None, twice=True), "whose graph was used b"),
    "a run in a move": (
        lambda: moves_itself(lambda e, x: e.run(lambda i: torch.ones(3, 2), 1)),
        "'A' would learn inside a move of 'A'",
    ),
    "a function for D": (lambda: penalties.r1()(3, X, X), "a penalty got a int as discriminator"),
    "D of all at once": (
        lambda: penalties.r1()(lambda x: x.mean(), X, X),
        r"made logits of shape \(\) of 4 samples; return \(N,\)",
    ),
    "D of nothing": (lambda: penalties.r1()(lambda x: None, X, X), "logits as a NoneType; give a"),
    "lists for a penalty": (
        lambda: penalties.dragan()(nn.Linear(2, 1), [1.0], X),
        "real as a list",
    ),
    "no samples": (lambda: penalties.r1()(nn.Linear(2, 1), X[:0], X[:0]), "give at least one sam"),
    "a negative weight": (lambda: penalties.mixup(-1), "weight=-1: give a number of at least 0"),
    "a module to clip": (lambda: penalties.clip_weights(nn.Linear(1, 1), 1.0), "such as D.param"),
    "logits in a list": (
        lambda: sg.estimators.straight_through([1.0]),
        "logits is \\[1.0\\]; give",
    ),
    "whole logits": (lambda: sg.estimators.reinmax(FAR), "logits is a tensor of torch.int64"),
    "a reward without a slope": (
        lambda: sg.estimators.rebar(X.clone().requires_grad_(), lambda x: x.detach().sum(1)),
        "rebar differentiates the reward, which carries no gradient",
    ),
    "gamma": (lambda: sg.returns.discounted(X, X > 0, 2.0), "gamma=2.0: give a number from 0 to 1"),
    "a mask of numbers": (
        lambda: sg.returns.position_mean(X, X),
        "mask is a tensor of torch.float",
    ),
    "a mask of one row": (
        lambda: sg.returns.position_mean(X, X[:1] > 0),
        r"position_mean got reward \(4, 2\), mask \(1, 2\); give equal shapes",
    ),
    "an unknown option": (
        lambda: sg.games.seqgan(policy(), DISCRIMINATOR, 5, rollout=3),
        "SampledGame: got an unexpected keyword argument 'rollout'; it takes G, D, length and by",
    ),
    "a loss's name": (
        lambda: sg.games.seqgan(policy(), DISCRIMINATOR, 5, loss="hinge"),
        "SampledGame: loss is 'hinge'; give a AdversarialLoss",
    ),
    "samples in words": (
        lambda: sg.games.seqgan(policy(), DISCRIMINATOR, 5, samples="4"),
        "SampledGame: samples is '4'; give a whole number",
    ),
    "steps below none": (
        lambda: sg.games.seqgan(policy(), DISCRIMINATOR, 5, d_steps=-1),
        "d_steps=-1: give a number of at least 0",
    ),
    "moves": (lambda: sg.games.relgan(policy(), DISCRIMINATOR, 5, moves="3"), "moves is '3'; give"),
    "another's data": (
        lambda: next(sequences().discriminator_move(iter([torch.ones(4, 9).long()]))),
        "sequences of 9 tokens, but the game's length is 5",
    ),
    "data by name": (
        lambda: next(sequences().discriminator_move(iter([{"x": FAR}]))),
        "a game of sequences got tokens as a dict; give a tensor",
    ),
    "a dialogue": (lambda: sg.games.DialogueGame(3, 4, 5, context_length=3), "G is 3; give a Dia"),
    "documents": (lambda: sg.games.irgan(3, 4, 5), "irgan: G is 3; give a Scorer"),
    "a ranking": (lambda: sg.games.RankingGame(3, 4), "RankingGame: G is 3; give a Scorer"),
    "variables": (lambda: sg.games.bgan(3, 4, 5, 6), "bgan: G is 3; give a Module"),
    "an encoder": (lambda: sg.games.StackGame(3, 4, 5, 6), "encoder is 3; give a TextEncoder"),
    "a tree": (lambda: sg.games.attngan(3, 4, 5, 6), "attngan: encoder is 3; give a TextEncoder"),
    "nothing left": (lambda: policy().sample(1, 2, never=range(10)), "never holds every id"),
    "a frozen density": (lambda: policy().log_prob(FAR % 9, 0.0), "temperature=0.0: give a number"),
    "no tokens": (lambda: policy().nll(NONE), "a policy got no tokens; give at least one seq"),
    "a batch's number": (lambda: sg.Batches(X, 2, seed=0)(-1), "batch number -1 is none"),
    "a file's number": (lambda: sg.data.read_texts(3), "read_texts: source is 3; give a string"),
    "rounded rows": (
        lambda: sg.HistoryPool(3, {"x": torch.ones(2).long()}).mix({"x": X}),
        "holds 'x' of torch.int64 and was given torch.float32, which would be rounded",
    ),
    "an environment": (lambda: sg.RewardWrapper(3, 4), "wraps a gymnasium.Env, not a int"),
}


@pytest.mark.parametrize(("call", "says"), CALLS.values(), ids=CALLS)
def test_a_wrong_call_is_one_sentence(call, says):
    with pytest.raises(sg.UserError, match=says) as refused:
        call()
    assert "--" not in str(refused.value)
    assert "\n" not in str(refused.value)
