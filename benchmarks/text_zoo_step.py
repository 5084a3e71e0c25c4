"""What the parts of the text papers cost, as ratios measured in one process.

    python benchmarks/text_zoo_step.py [--repeats 5] [--vocab 5000] [--length 20] [--samples 64]
    python benchmarks/text_zoo_step.py --only discriminator --precision bf16

One JSON line a figure, with the most that it may be:

    cot, selfplay         step of the policy over a plain forward-backward of what it evaluates
    leakgan               rollout reward (one a block of 4 tokens, as in the paper) over SeqGAN's
                          (one a token) with as many copies; calls of the policy
    discriminator         a step of SeqGAN's over the textbook's, at the paper's sizes; --precision
    transformer           sampling over an LSTM's of equal size; calls of the policy in a rollout

CPU seconds of the process, medians, one thread; both sides of a ratio are timed in turn.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from typing import Any

import torch

from benchmarks import plain_seqgan as textbook
from benchmarks.timing import now
from image_core.adversarial.engine import Engine
from image_core.adversarial.game import Turn
from image_core.memory import keep_freed_memory
from image_core.runs.batches import Batches
from image_core.runs.players import Player, adam, make_engine
from seqgan.lm.oracle import draw_oracle
from seqgan.lm.policies import LSTMPolicy, SequencePolicy
from seqgan.lm.transformer import TransformerPolicy
from seqgan.text.config import FILTERS
from seqgan.text.discriminators import CNNDiscriminator
from seqgan.text.games.cooperative import CooperativeGame
from seqgan.text.games.selfplay import SelfPlayGame, nce
from seqgan.text.games.sequence import seqgan
from seqgan.text.leak import HierarchicalPolicy
from seqgan.text.rewards import rollout_reward
from seqgan.text.rollout import complete_sequences

CPU = torch.device("cpu")


def ratio(one: Callable[[], Any], other: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Median seconds of both, taken in turn; the first of each does not count."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats + 1):
        for run, kept in zip((one, other), seconds, strict=True):
            began = now(CPU)
            run()
            kept.append(now(CPU) - began)
    return statistics.median(seconds[0][1:]), statistics.median(seconds[1][1:])


def calls_of(policy: SequencePolicy, run: Callable[[], Any]) -> int:
    """Calls of a policy's step."""
    count, step = 0, policy.step

    def counted(*given: Any) -> Any:
        nonlocal count
        count += 1
        return step(*given)

    policy.step = counted  # type: ignore[method-assign]
    try:
        run()
    finally:
        policy.step = step  # type: ignore[method-assign]
    return count


def step_of(game: Any, batch: torch.Tensor) -> Callable[[], Any]:
    """One step of the policy, with its optimizer."""
    engine = Engine(game, dict.fromkeys(game.players(), adam(1e-3)))
    return lambda: engine.play(Turn("G", game.policy_move), iter([batch]))


def plain(game: Any, batch: torch.Tensor, evaluate: Callable[[torch.Tensor], Any]) -> Any:
    """The same samples, forward-backward and optimizer, written without a game."""
    optimizer = torch.optim.Adam(game.G.parameters(), lr=1e-3, fused=True)

    def run() -> None:
        loss = evaluate(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return run


def cot(o: argparse.Namespace, batch: torch.Tensor) -> tuple[Any, Any]:
    """CoT's policy step, and one over all logits of policy and mediator."""
    G, M = (LSTMPolicy(o.vocab, size, size) for size in (32, 64))
    game = CooperativeGame(G, M, o.length, samples=o.samples)

    def evaluate(_: torch.Tensor) -> torch.Tensor:
        tokens = G.sample(o.samples, o.length)
        with torch.no_grad():
            target = M.every_logit(tokens).log_softmax(-1)
        own = G.every_logit(tokens).log_softmax(-1)
        return (own.exp() * (own - target)).sum(-1).mean()

    return step_of(game, batch), plain(game, batch, evaluate)


def selfplay(o: argparse.Namespace, batch: torch.Tensor) -> tuple[Any, Any]:
    """A self-play step, and one over the log-probabilities of policy and twin."""
    G = LSTMPolicy(o.vocab, 32, 32)
    game = SelfPlayGame(G, o.length, loss=nce(), refresh=50)

    def evaluate(real: torch.Tensor) -> torch.Tensor:
        both = torch.cat([real, game.twin.policy.sample(len(real), o.length)])
        with torch.no_grad():
            before = game.twin.policy.log_prob(both)
        logit = (G.log_prob(both) - before).sum(1)
        sign = torch.ones(len(both)).index_fill(0, torch.arange(len(real)), -1.0)
        return torch.nn.functional.softplus(sign * logit).mean()

    return step_of(game, batch), plain(game, batch, evaluate)


def leakgan(o: argparse.Namespace) -> tuple[Any, Any, HierarchicalPolicy]:
    """Rollout rewards of LeakGAN's policy and of SeqGAN's, with as many copies."""
    filters = FILTERS[o.discriminator]
    leaking = CNNDiscriminator(o.vocab, filters=filters, highway=False).eval()
    policy = HierarchicalPolicy(leaking, o.vocab, 32, 32).eval()
    G, D = LSTMPolicy(o.vocab, 32, 32).eval(), CNNDiscriminator(o.vocab, filters=filters).eval()
    reward, of_blocks = (
        rollout_reward(o.copies),
        rollout_reward(o.copies, every=policy.goal_horizon),
    )
    sample, leaked = G.sample(o.samples, o.length), policy.sample(o.samples, o.length)
    return lambda: of_blocks(policy, leaking, leaked), lambda: reward(G, D, sample), policy


def discriminator(precision: str, steps: int = 4) -> tuple[Any, Any]:
    """Steps of SeqGAN's discriminator on drawn samples, and as many of the textbook's."""
    policy = LSTMPolicy(textbook.V)
    data = policy.sample(textbook.B * steps, textbook.T)
    fakes = policy.sample(textbook.B // 2 * steps, textbook.T)
    sizes = {"d_epochs": 1, "d_steps": steps, "negatives": len(fakes)}
    game = seqgan(policy, CNNDiscriminator(textbook.V), textbook.T, **sizes)
    game.sample = lambda count: fakes  # type: ignore[method-assign]
    engine = make_engine(game, [Player(p, adam(1e-4)) for p in game.players()], precision)
    real = Batches(data, textbook.B, seed=None)
    D, labels = textbook.Discriminator(), torch.arange(textbook.B) % 2
    optimizer = torch.optim.Adam(D.parameters())

    def plainly() -> None:
        for batch in data.split(textbook.B):
            textbook.learn(torch.nn.functional.cross_entropy(D(batch), labels), optimizer)

    turn = Turn("D", game.discriminator_move)
    return lambda: engine.play(turn, engine.stream(real)), plainly


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of the text papers' parts, as ratios.")
    for name, value in (("repeats", 5), ("vocab", 5000), ("length", 20), ("samples", 64)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--discriminator", choices=tuple(FILTERS), default="seqgan")
    parser.add_argument("--precision", choices=("no", "bf16"), default="no")
    parts = ("cot", "selfplay", "leakgan", "discriminator", "transformer")
    parser.add_argument("--only", choices=parts)
    o = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_freed_memory()
    batch = draw_oracle(o.vocab, 0).sample(o.samples, o.length)

    def tell(name: str, pair: tuple[float, float], most: float, **more: int) -> None:
        line = {
            "name": name,
            "seconds": round(pair[0], 4),
            "beside": round(pair[1], 4),
            "ratio": round(pair[0] / pair[1], 3),
            "at_most": most,
            **more,
            "torch": torch.__version__,
        }
        print(json.dumps(line), flush=True)

    if o.only in (None, "cot"):
        tell("cot", ratio(*cot(o, batch), o.repeats), 1.3)
    if o.only in (None, "selfplay"):
        tell("selfplay", ratio(*selfplay(o, batch), o.repeats), 1.3)
    if o.only in (None, "leakgan"):
        leak, beside, policy = leakgan(o)
        tell("leakgan", ratio(leak, beside, o.repeats), 3.0, calls=calls_of(policy, leak))
    if o.only in (None, "discriminator"):
        tell("discriminator", ratio(*discriminator(o.precision), o.repeats), 0.5)
    if o.only in (None, "transformer"):
        sizes = {"layers": 2}
        one, other = TransformerPolicy(o.vocab, 32, 32, **sizes), LSTMPolicy(o.vocab, 32, 32)
        drawn = one.eval().sample(o.samples, o.length)
        calls = calls_of(one, lambda: complete_sequences(one, drawn, 1))
        pair = ratio(
            lambda: one.sample(o.samples, o.length),
            lambda: other.sample(o.samples, o.length),
            o.repeats,
        )
        tell("transformer", pair, 3.0, calls=calls)


if __name__ == "__main__":
    main()
