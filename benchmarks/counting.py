"""The counting task: maximum likelihood against the dialogue game's presets, one JSON line a run.

    python benchmarks/counting.py --method stepgan --seed 0

Accuracy is exact, on 2,000 contexts that were not learned from, sampled at temperature 1 and taken
greedily. Every method has the same steps of maximum likelihood first; "mle" then goes on at the
rate, and with as many steps of the generator, as the others have in their rounds. Nothing is
selected: the last weights are measured.
"""

import argparse
import functools
import json
import time
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from image_core.adversarial import estimators, losses
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
from seqgan.dialogue.critics import StepCritic, TransformerCritic
from seqgan.dialogue.drawing import Drawing
from seqgan.dialogue.language_models import CausalLMPolicy
from seqgan.games.dialogue import DialogueGame

METHODS: dict[str, dict[str, Any]] = {
    "mle": {},
    "reinforce": {"credit": credit.sequence(), "judge": "last"},
    "regs": {"credit": credit.dense(), "judge": "prefix"},
    "potential": {"credit": credit.potential(), "judge": "prefix"},
    "stepgan": {"credit": credit.advantage(), "judge": "mean", "baseline": "none"},
    "gad": {
        "credit": credit.sequence(credit.identity),
        "judge": "last",
        "baseline": "group_normalised",
        "loss": losses.relativistic,
        "estimator": estimators.clipped(),
    },
}


def model(size: int) -> GPT2LMHeadModel:
    config = GPT2Config(
        vocab_size=VOCAB, n_positions=CONTEXT + REPLY, n_embd=size, n_layer=2, n_head=4,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=END, eos_token_id=END,
    )  # fmt: skip
    return GPT2LMHeadModel(config)


def game_of(method: str, size: int, samples: int, teacher: float) -> DialogueGame:
    generator = model(size)
    policy = CausalLMPolicy(generator, VOCAB, end=END, pad=PAD, forbidden=[PAD, MARK])
    other = model(size)
    critic = StepCritic.like(other, VOCAB) if method == "stepgan" else TransformerCritic.like(other)
    return DialogueGame(
        policy, critic, REPLY, context_length=CONTEXT, samples=samples, reuse=True,
        teacher_forcing=teacher, **METHODS[method],
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="The counting task.")
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--mle_steps", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--critic_warmup", type=int, default=50)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--teacher", type=float, default=0.0)
    parser.add_argument("--policy_lr", type=float, default=3e-4)
    parser.add_argument("--critic_lr", type=float, default=1e-3)
    c = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(c.seed)
    began = time.process_time()
    game = game_of(c.method, c.size, c.samples, c.teacher)
    rates = {"mle": 1e-3, "G": c.policy_lr, "D": c.critic_lr}
    adam = {n: functools.partial(torch.optim.Adam, lr=lr, fused=True) for n, lr in rates.items()}
    engine = Engine(game, adam, clip=dict.fromkeys(rates, 1.0))
    data = Batches(counting_pairs(100_000, 1)._asdict(), c.batch, seed=c.seed)
    test = counting_pairs(2_000, 2)

    def measured() -> dict[str, float]:
        game.G.eval()
        found = {}
        for name, drawing in (("sampled", Drawing()), ("greedy", Drawing(0))):
            reply = game.G.sample(test.context, test.known, REPLY, drawing)
            right = judge_counting(test.context, reply)
            found |= {name: right.accuracy, f"{name}_spread": right.spread}
        return {key: round(value, 4) for key, value in found.items()}

    mle = Turn("mle", game.mle_move)
    engine.run(data, c.mle_steps, turns=[mle])
    game.keep_mle()
    start = measured()
    if c.method == "mle":
        engine.run(data, 2 * c.rounds, turns=[Turn("G", game.mle_move)])
    else:
        engine.run(data, c.critic_warmup, turns=[Turn("D", game.critic_move)])
        engine.run(data, c.rounds)
    seconds = round(time.process_time() - began, 1)
    print(json.dumps({**vars(c), "start": start, "end": measured(), "cpu_seconds": seconds}))


if __name__ == "__main__":
    main()
