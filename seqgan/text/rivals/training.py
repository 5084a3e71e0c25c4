"""Training by CPU seconds: maximum likelihood, a frozen discriminator, and the adversary."""

import copy
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from jaxtyping import Int64
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from image_core.adversarial import losses
from image_core.adversarial.engine import Engine, ScheduleFactory
from image_core.adversarial.game import Batch, Game, Loss, Turn
from image_core.runs.batches import Batches
from seqgan.lm.policies import SequencePolicy
from seqgan.text.discriminators import SequenceDiscriminator
from seqgan.text.games.prompted import PromptedGame, answer_nll
from seqgan.text.prompts import PromptedLines
from seqgan.text.rewards import Objective
from seqgan.text.rivals.task import RivalTask

Rows = Callable[[int], Tensor]
"""Function from i to batch number i of lines, (B, T)."""
ENDLESS = 10**9
POOL, DRAWN = 4000, 500
"""Answers on which a frozen discriminator learns, and how many are drawn at a time."""
FREE = 1024
"""Lines whose validation NLL is computed at a time."""


class Clock:
    """A number of CPU seconds of this process.

    Args:
        seconds: CPU seconds; none are left of a number that is not above 0.
    """

    def __init__(self, seconds: float):
        self.seconds, self.began = seconds, time.process_time()

    def spent(self) -> float:
        """CPU seconds since the start."""
        return time.process_time() - self.began

    def left(self) -> float:
        """Share of the seconds that is left, from 1 to 0."""
        return max(0.0, 1.0 - self.spent() / self.seconds) if self.seconds > 0 else 0.0

    def falling(self, least: float = 0.0) -> ScheduleFactory:
        """Learning rate that falls with the share that is left.

        Args:
            least: Least factor.
        """
        return lambda optimizer: LambdaLR(optimizer, lambda step: max(least, self.left()))


class AnswerGame(Game):
    """Player "G": maximum likelihood of answers, their prompts given.

    Args:
        G: The policy.
        mark: Id that ends a prompt.
    """

    def __init__(self, G: SequencePolicy, mark: int):
        super().__init__()
        self.G, self.mark = G, mark

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"G": list(self.G.parameters())}

    def turns(self) -> Sequence[Turn]:
        return [Turn("G", self.move)]

    def move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """One step on a batch of lines."""
        self.G.train()
        yield Loss(answer_nll(self.G, self.G.trim(next(batches)), self.mark))


def fit(
    task: RivalTask,
    policy: SequencePolicy,
    rows: Rows,
    seconds: float,
    *,
    lr: float,
    valid: Int64[Tensor, "V T"] | None = None,
    weight_decay: float = 1e-4,
) -> SequencePolicy:
    """Maximum likelihood for a number of CPU seconds; the policy learns in place.

    Args:
        task: Task.
        policy: Policy.
        rows: Batches of lines.
        seconds: CPU seconds.
        lr: AdamW's learning rate.
        valid: Lines by whose likelihood the best weights are kept; None keeps the last ones.
        weight_decay: AdamW's weight decay.
    """
    adam = functools.partial(torch.optim.AdamW, lr=lr, weight_decay=weight_decay)
    engine = Engine(AnswerGame(policy, task.mark), {"G": adam}, clip={"G": 1.0})
    clock = Clock(seconds)
    best, best_nll = copy.deepcopy(policy.state_dict()), float("inf")
    for _ in engine.rounds(rows, ENDLESS):
        if valid is not None and engine.round % task.options.valid_every == 0:
            now = _nll(task, policy, valid)
            if now < best_nll:
                best, best_nll = copy.deepcopy(policy.state_dict()), now
        if clock.left() == 0:
            break
    if valid is not None and best_nll < float("inf"):
        policy.load_state_dict(best)
    return policy.eval()


@torch.no_grad()
def _nll(task: RivalTask, policy: SequencePolicy, tokens: Int64[Tensor, "V T"]) -> float:
    policy.eval()
    parts = [float(answer_nll(policy, p, task.mark)) * len(p) for p in tokens.split(FREE)]
    return sum(parts) / len(tokens)


def lines(task: RivalTask, rows: Int64[Tensor, "N T"], count: int, seed: int) -> Rows:
    """Batches of lines.

    Args:
        task: Task.
        rows: Lines.
        count: Lines of a batch, at most as many as there are.
        seed: Seed of their order.
    """
    batches = Batches(rows, min(count, len(rows)), seed=seed)

    def batch(index: int) -> Tensor:
        found = batches(index)
        assert isinstance(found, Tensor)
        return found

    return batch


def prompted_game(
    task: RivalTask,
    start: SequencePolicy,
    *,
    d_weight: float = 1.0,
    reward: Objective | None = None,
    kl_coef: float = 0.0,
    matched: bool = False,
) -> PromptedGame:
    """The game of prompts from a generator that maximum likelihood has trained.

    Args:
        task: Task.
        start: Generator, which is copied.
        d_weight: Weight of the discriminator's reward.
        reward: Further reward.
        kl_coef: Weight of the divergence from the start.
        matched: Whether the discriminator sees fakes of the rewards that real answers have.
    """
    o = task.options
    game = PromptedGame(
        copy.deepcopy(start),
        task.discriminator(),
        task.length,
        mark=task.mark,
        samples=o.samples,
        loss=losses.non_saturating,
        d_weight=d_weight,
        reward=reward,
        kl_coef=kl_coef,
        teacher_forcing=o.teacher_forcing,
        matched=matched,
    )
    game.G.requires_grad_(True)
    game.keep_mle()
    return game


def play(
    task: RivalTask,
    game: PromptedGame,
    seconds: float,
    seed: int,
    *,
    warmup: int,
    frozen: bool = False,
) -> int:
    """Warm-up, then rounds with falling rates, for a number of CPU seconds; number of rounds.

    Args:
        task: Task.
        game: Game.
        seconds: CPU seconds of both.
        seed: Seed of the batches.
        warmup: Optimizer steps of the discriminator first.
        frozen: Whether it learns no more in the rounds.
    """
    o = task.options
    clock = Clock(seconds)
    rates = {"G": o.g_lr, "D": o.d_lr}
    engine = Engine(
        game,
        {name: functools.partial(torch.optim.Adam, lr=lr) for name, lr in rates.items()},
        clip={"G": 1.0},
        schedule={"G": clock.falling(), "D": clock.falling(0.1)},
    )
    real = Batches(task.pairs, min(o.batch // 2, len(task.pairs)), seed=seed)
    data = PromptedLines(real, task.prompts, o.prompts_batch, seed=seed)
    first = [Turn("D", lambda batches: game.discriminator_steps(batches, 1))]
    for _ in engine.rounds(data, warmup if game.d_weight else 0, turns=first):
        if clock.left() == 0:
            break
    game.keep_first()
    turns = [turn for turn in game.turns() if turn.player != "D" or not frozen]
    before = engine.round
    for _ in engine.rounds(data, ENDLESS, turns=turns):
        if clock.left() == 0:
            break
    return engine.round - before


def frozen_discriminator(
    task: RivalTask, start: SequencePolicy, seconds: float, seed: int
) -> SequenceDiscriminator:
    """A discriminator of the pairs against answers of the start, which stays as it is.

    Args:
        task: Task.
        start: Generator.
        seconds: Most CPU seconds.
        seed: Seed of the batches.
    """
    o = task.options
    game = prompted_game(task, start)
    adam = functools.partial(torch.optim.Adam, lr=o.d_lr)
    engine = Engine(game, {"D": adam, "G": adam})
    real = Batches(task.pairs, min(o.batch, len(task.pairs)), seed=seed)
    data = PromptedLines(real, task.prompts, min(o.batch, len(task.pairs)), seed=seed)
    turn = [Turn("D", lambda batches: game.discriminator_steps(batches, 1))]
    clock = Clock(seconds)
    for _ in engine.rounds(data, o.frozen_steps, turns=turn):
        if clock.left() == 0:
            break
    return game.D.eval()


def teach(task: RivalTask, game: PromptedGame, seed: int) -> None:
    """`frozen_steps` of a game's discriminator on the pairs and on answers of its generator.

    The generator does not change meanwhile, so that its answers are drawn at once: in large batches
    an answer costs a fraction of what it does in small ones.

    Args:
        task: Task.
        game: Game.
        seed: Seed of the batches.
    """
    o = task.options
    fakes = [game.answers(task.prompts.draw(DRAWN)) for _ in range(POOL // DRAWN)]
    pool = lines(task, torch.cat(fakes), o.batch, seed)
    real = lines(task, task.pairs, o.batch, seed)

    def step(batches: Iterator[Batch]) -> Iterator[Loss]:
        game.D.train()
        yield game.d_loss(**next(batches))

    adam = functools.partial(torch.optim.Adam, lr=o.d_lr)
    engine = Engine(game, {"D": adam, "G": adam})
    both = engine.rounds(
        lambda index: {"real": real(index), "fake": pool(index)},
        o.frozen_steps,
        turns=[Turn("D", step)],
    )
    for _ in both:
        pass


def warm_up(task: RivalTask) -> None:
    """A step of everything, so that no row pays for what torch imports at its first step.

    Args:
        task: Task.
    """
    moment = 1e-9
    fit(task, task.generator(), lines(task, task.pairs, 2, 0), moment, lr=task.options.mle_lr)
    play(task, prompted_game(task, task.generator()), moment, 0, warmup=1)
