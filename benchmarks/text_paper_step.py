"""What a policy step of each relative of SeqGAN costs, beside SeqGAN's on the same machine.

    python benchmarks/text_paper_step.py [--repeats 3] [--vocab 5000] [--length 20] [--samples 64]

One JSON line a paper: CPU seconds of a policy step, those of the parts that are the paper's own
networks, and the ratio (step - own networks) / SeqGAN's step. Own networks are what SeqGAN's
discriminator and policy are replaced by: for relgan the relational memory and the discriminator of
many embeddings, forward and backward; for the others nothing, since they use SeqGAN's nets.
Medians; one thread; the papers are taken in turn in each repeat, so that a busy machine slows them
alike.
"""

import argparse
import dataclasses
import json
import statistics
import time
from collections.abc import Callable

import torch

from image_core.adversarial.game import Turn
from image_core.memory import keep_freed_memory
from image_core.runs.players import make_engine
from seqgan.lm.oracle import draw_oracle
from seqgan.text.config import Sequences
from seqgan.text.oracle_recipe import PAPERS


def seconds(run: Callable[[], object]) -> float:
    """CPU seconds of the process."""
    began = time.process_time()
    run()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of a policy step of each paper.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--vocab", type=int, default=5000)
    parser.add_argument("--length", type=int, default=20)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--discriminator", choices=("seqgan", "small"), default="seqgan")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_freed_memory()

    real = draw_oracle(given.vocab, 0).sample(1000, given.length)
    steps: dict[str, Callable[[], object]] = {}
    own: dict[str, Callable[[], object]] = {}
    for name in PAPERS.names():
        if name in ("residual", "leakgan"):  # no step; two steps
            continue
        paper, preset = PAPERS.load(name), PAPERS.preset(name, {"samples": given.samples}, "paper")
        known = {field.name for field in dataclasses.fields(PAPERS.config(name))}
        sizes = {"vocab": given.vocab, "length": given.length, "discriminator": given.discriminator}
        values = {**preset, "out": "unused", **{k: v for k, v in sizes.items() if k in known}}
        config = PAPERS.config(name)(**values)
        game = paper.game(config, Sequences(given.vocab, given.length, 0, None, 0, lambda: real))
        engine = make_engine(game, paper.players(config), "no")
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
            "paper": name,
            "step": round(step, 3),
            "own_networks": round(networks, 3),
            "ratio": round((step - networks) / reference, 3),
            "repeats": given.repeats,
            "torch": torch.__version__,
        }
        print(json.dumps(line), flush=True)


def _networks(game: torch.nn.Module, batch: torch.Tensor) -> Callable[[], object]:
    """The replaced networks alone: the memory over a sequence and the discriminator, both ways."""

    def run() -> object:
        log_prob = game.G.log_prob(batch).sum()
        judged = game.D(batch).sum() + game.D(batch).sum()
        parameters = [p for p in game.parameters() if p.requires_grad]
        return torch.autograd.grad(log_prob + judged, parameters, allow_unused=True)

    return run


if __name__ == "__main__":
    main()
