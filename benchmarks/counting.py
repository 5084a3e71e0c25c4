"""The counting task: maximum likelihood against the dialogue game's presets, a JSON line a method.

    python benchmarks/counting.py --methods mle reinforce stepgan --seed 0

All methods go on from one start: a small generator after maximum likelihood with a rate that falls
to nothing. The critic begins as a larger language model of the same replies, whose scores of next
tokens are its values: with a fresh head it does not learn in time which of the few wrong replies
are wrong. "mle" goes on with as many steps of the generator as the others take, "mle_longer" for at
least as many seconds. Accuracy is exact, on 10,000 contexts that were not learned from, sampled at
temperature 1; nothing is selected, the last weights are measured.
"""

import argparse
import copy
import functools
import json
import time
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from image_core.adversarial.engine import Engine
from image_core.adversarial.game import Turn
from image_core.data import Batches
from seqgan.dialogue import credit
from seqgan.dialogue.counting import (
    CONTEXT,
    END,
    MARK,
    PAD,
    REPLY,
    VOCAB,
    counting_pairs,
    judge_counting,
)
from seqgan.dialogue.critics import StepCritic
from seqgan.dialogue.language_models import CausalLMPolicy
from seqgan.games.dialogue import DialogueGame

METHODS: dict[str, dict[str, Any]] = {
    "mle": {"judge": "mean"},
    "mle_longer": {"judge": "mean"},
    "reinforce": {"credit": credit.sequence(), "judge": "mean"},
    "regs": {"credit": credit.dense(), "judge": "prefix"},
    "potential": {"credit": credit.potential(), "judge": "prefix"},
    "stepgan": {"credit": credit.advantage(), "judge": "mean", "baseline": "none"},
}


def policy(size: int) -> CausalLMPolicy:
    config = GPT2Config(
        vocab_size=VOCAB, n_positions=CONTEXT + REPLY, n_embd=size, n_layer=2, n_head=4,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=END, eos_token_id=END,
    )  # fmt: skip
    return CausalLMPolicy(GPT2LMHeadModel(config), VOCAB, end=END, pad=PAD, forbidden=[PAD, MARK])


def game_of(
    method: str, G: CausalLMPolicy, D: CausalLMPolicy, c: argparse.Namespace
) -> DialogueGame:
    """G against a critic that begins as the language model D."""
    critic = StepCritic.like(D.model, VOCAB)
    with torch.no_grad():
        critic.head.weight.copy_(D.model.lm_head.weight)
    return DialogueGame(
        G, critic, REPLY, context_length=CONTEXT, samples=c.samples, reuse=True,
        teacher_forcing=c.teacher, **METHODS[method],
    )  # fmt: skip


def engine_of(game: DialogueGame, rates: dict[str, float], steps: dict[str, int]) -> Engine:
    """Adam with rates that rise over a tenth of the steps and then fall to nothing."""
    adam = {n: functools.partial(torch.optim.Adam, lr=lr, fused=True) for n, lr in rates.items()}
    falling = {
        name: functools.partial(
            torch.optim.lr_scheduler.OneCycleLR,
            max_lr=rates[name], total_steps=steps[name] + 1, pct_start=0.1,
        )
        for name in rates
    }  # fmt: skip
    return Engine(game, adam, clip=dict.fromkeys(rates, 1.0), schedule=falling)


def likelihood(game: DialogueGame, steps: int, lr: float, batch: int, seed: int) -> None:
    """Maximum likelihood of the game's policy."""
    data = Batches(counting_pairs(100_000, 1)._asdict(), batch, seed=seed)
    engine = engine_of(game, {"mle": lr}, {"mle": steps})
    engine.run(data, steps, turns=[Turn("mle", game.mle_move)])


def measured(G: CausalLMPolicy) -> dict[str, float]:
    test = counting_pairs(10_000, 2)
    counted = judge_counting(test.context, G.eval().sample(test.context, test.known, REPLY))
    return {name: round(value, 4) for name, value in counted._asdict().items()}


def go_on(method: str, G: CausalLMPolicy, D: CausalLMPolicy, c: argparse.Namespace) -> None:
    """What follows the start."""
    steps = 2 * c.rounds if c.teacher else c.rounds
    game = game_of(method, G, D, c)
    if method in ("mle", "mle_longer"):
        count = c.longer if method == "mle_longer" else steps
        likelihood(game, count, c.policy_lr, c.batch, c.seed + 1)
        return
    rates = {"G": c.policy_lr, "D": c.critic_lr}
    data = Batches(counting_pairs(100_000, 1)._asdict(), c.batch, seed=c.seed + 1)
    engine_of(game, rates, {"G": steps, "D": c.rounds}).run(data, c.rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description="The counting task.")
    parser.add_argument("--methods", choices=METHODS, nargs="+", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=8)
    parser.add_argument("--start_steps", type=int, default=2000)
    parser.add_argument("--critic_size", type=int, default=64)
    parser.add_argument("--critic_steps", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--longer", type=int, default=4000, help="steps of mle_longer")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--teacher", type=float, default=0.0)
    parser.add_argument("--policy_lr", type=float, default=2e-3)
    parser.add_argument("--critic_lr", type=float, default=1e-5)
    c = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(c.seed)
    G, D = policy(c.size), policy(c.critic_size)
    likelihood(game_of("mle", G, D, c), c.start_steps, 1e-2, 128, c.seed)
    began = {"start": round(time.process_time(), 1)}
    likelihood(game_of("mle", D, D, c), c.critic_steps, 3e-3, 64, c.seed)
    began["critic"] = round(time.process_time() - began["start"], 1)
    start = measured(G)
    for method in c.methods:
        torch.manual_seed(c.seed)
        own, now = copy.deepcopy(G), time.process_time()
        go_on(method, own, D, c)
        seconds = {**began, "rounds": round(time.process_time() - now, 1)}
        told = {"method": method, "start": start, "end": measured(own), "cpu_seconds": seconds}
        print(json.dumps({**told, "options": vars(c)}), flush=True)


if __name__ == "__main__":
    main()
