"""What a policy step of each relative of SeqGAN costs, beside SeqGAN's on the same machine.

    python benchmarks/text_aliases.py [--repeats 3] [--vocab 5000] [--length 20] [--samples 64]

One JSON line an alias: CPU seconds of a policy step, those of the parts that are the alias's own
networks, and the ratio (step - own networks) / SeqGAN's step. Own networks are what SeqGAN's
critic and policy are replaced by: for relgan the relational memory and the critic of many
embeddings, forward and backward; for the others nothing, since they use SeqGAN's nets. Medians;
one thread; the aliases are taken in turn in each repeat, so that a busy machine slows them alike.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from importlib import import_module

import torch

from image_core.adversarial.game import Turn
from image_core.memory import keep_freed_memory
from image_core.runs import options
from seqgan.lm.oracle import draw_oracle
from seqgan.text.oracle_recipe import OracleConfig
from seqgan.text.papers import __all__ as PAPERS


def seconds(run: Callable[[], object]) -> float:
    """CPU seconds of the process."""
    began = time.process_time()
    run()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of a policy step of each alias.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--vocab", type=int, default=5000)
    parser.add_argument("--length", type=int, default=20)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--critic", choices=("seqgan", "small"), default="seqgan")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_freed_memory()

    real = draw_oracle(given.vocab, 0).sample(1000, given.length)
    steps: dict[str, Callable[[], object]] = {}
    own: dict[str, Callable[[], object]] = {}
    for name in PAPERS:
        paper = import_module(f"seqgan.text.papers.{name}")
        samples = {} if "samples" in paper.UNREAD else {"samples": given.samples}
        config = OracleConfig(
            out="unused",
            alias=name,
            vocab=given.vocab,
            length=given.length,
            critic=given.critic,
            **{**samples, **paper.RATES, **paper.METHOD},
        )
        hidden = paper.PAPER.get("hidden", 32)
        policy = paper.policy(given.vocab, 32, hidden)
        game = paper.game(policy, given.length, lambda: real, config)
        rates = {"mle": 1e-2, "G": 1e-4, "D": 1e-4}
        engine = options.make_engine(game, rates, {"G": 5.0}, "no")
        turn = Turn("G", game.policy_move)
        batch = real[: given.samples]
        steps[name] = lambda engine=engine, turn=turn, batch=batch: engine.play(turn, iter([batch]))
        own[name] = (lambda: None) if name != "relgan" else _networks(game, batch)

    found: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for _ in range(given.repeats + 1):  # the first does not count
        for name in steps:
            found[name].append((seconds(steps[name]), seconds(own[name])))
    reference = statistics.median(step for step, _ in found["seqgan"][1:])
    for name, pairs in found.items():
        step = statistics.median(pair[0] for pair in pairs[1:])
        networks = statistics.median(pair[1] for pair in pairs[1:])
        line = {
            "alias": name,
            "step": round(step, 3),
            "own_networks": round(networks, 3),
            "ratio": round((step - networks) / reference, 3),
            "repeats": given.repeats,
            "torch": torch.__version__,
        }
        print(json.dumps(line), flush=True)


def _networks(game: torch.nn.Module, batch: torch.Tensor) -> Callable[[], object]:
    """The replaced networks alone: the memory over a sequence and the critic, both ways."""

    def run() -> object:
        log_prob = game.G.log_prob(batch).sum()
        verdict = game.D(batch).sum() + game.D(batch).sum()
        parameters = [p for p in game.parameters() if p.requires_grad]
        return torch.autograd.grad(log_prob + verdict, parameters, allow_unused=True)

    return run


if __name__ == "__main__":
    main()
