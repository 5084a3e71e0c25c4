"""What a dialogue step costs beside its bare parts: one JSON line each.

    python benchmarks/dialogue_step.py [--device cuda] [--repeats 5]

A step is one policy move with dense rewards: draw 16 replies of 24 tokens to contexts of 48, judge
each prefix, one update. Its bare parts are `generate` of transformers with its cache, one pass of
the discriminator's transformer, one forward and backward pass of the model over context and reply,
and the optimizer's step on as many parameters. GPT-2's shape, 4 layers of 256, vocabulary 8,000;
with `--gpt2` its own 12 layers of 768 and vocabulary of 50,257. Beside them stands `sample`, what
draws the replies of a step here, and how many times faster it is than `generate`.
Seconds of the process on a CPU with one torch thread; wall seconds between synchronisations on a
GPU. The parts take turns, so that a busy machine slows all of them alike.
"""

import argparse
import functools
import json
import statistics
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from timing import forget_peak, name_of, now, peak_gib
from transformers import GPT2Config, GPT2LMHeadModel

from image_core.adversarial.engine import Engine
from image_core.adversarial.game import Turn
from image_core.memory import keep_freed_memory
from seqgan.dialogue import credit
from seqgan.dialogue.discriminators import TransformerDiscriminator
from seqgan.dialogue.game import DialogueGame
from seqgan.dialogue.generation import GenerationOptions
from seqgan.dialogue.language_models import CausalLMPolicy
from seqgan.dialogue.policies import DialoguePolicy
from seqgan.dialogue.rollout import complete_replies

B, C, T = 16, 48, 24
END = 2

Part = Callable[[], None]


class Shape(NamedTuple):
    """Sizes of a model.

    Args:
        layers: Number of layers.
        width: Width of a layer, 64 a head.
        vocab: Number of tokens.
    """

    layers: int
    width: int
    vocab: int


SMALL, GPT2 = Shape(4, 256, 8_000), Shape(12, 768, 50_257)


def step_and_parts(device: torch.device, shape: Shape) -> tuple[dict[str, Part], DialoguePolicy]:
    """A step and its bare parts, by name, and the policy that takes the step."""
    config = GPT2Config(
        vocab_size=shape.vocab, n_positions=C + T, n_embd=shape.width, n_layer=shape.layers,
        n_head=shape.width // 64, bos_token_id=END, eos_token_id=END, pad_token_id=0,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).to(device)
    # The end is forbidden to all: every reply has 24 tokens
    policy = CausalLMPolicy(model, shape.vocab, end=END, pad=0, forbidden=[0])
    game = DialogueGame(
        policy, TransformerDiscriminator.like(model), T, context_length=C, credit=credit.dense(),
        samples=1, baseline="position_mean", generation=GenerationOptions(min_length=T),
    ).to(device)  # fmt: skip
    engine = Engine(game, {"G": functools.partial(torch.optim.Adam, lr=1e-5, fused=True)})
    context = torch.randint(3, shape.vocab, (B, C), device=device)
    attention_mask = torch.ones(B, C, dtype=torch.bool, device=device)
    batch = {
        "context": context,
        "attention_mask": attention_mask,
        "reply": torch.randint(3, shape.vocab, (B, T), device=device),
    }

    def step() -> None:
        engine.play(Turn("G", game.policy_move), iter([batch]))

    @torch.no_grad()
    def sample() -> None:
        policy.eval().sample(context, attention_mask, T, GenerationOptions(min_length=T))

    plain = GPT2LMHeadModel(config).to(device).eval()
    return {"step": step, "sample": sample, **bare_parts(plain, game.D.backbone, batch)}, policy


def bare_parts(
    plain: GPT2LMHeadModel, backbone: torch.nn.Module, batch: dict[str, torch.Tensor]
) -> dict[str, Part]:
    """What a step is made of, on transformers alone."""
    context, attention_mask, reply = batch["context"], batch["attention_mask"], batch["reply"]
    both = torch.cat([context, reply], 1)
    adam = torch.optim.Adam(plain.parameters(), lr=1e-5, fused=True)

    @torch.no_grad()
    def generate() -> None:
        plain.generate(
            context, attention_mask=attention_mask.long(), do_sample=True, top_k=0,
            max_new_tokens=T, min_new_tokens=T, pad_token_id=0,
        )  # fmt: skip

    @torch.no_grad()
    def judge() -> None:
        backbone(input_ids=both, use_cache=False)

    def update() -> None:
        logits = plain(input_ids=both[:, :-1], use_cache=False, logits_to_keep=T).logits
        loss = F.cross_entropy(logits.flatten(0, 1), reply.flatten())
        parameters = list(plain.parameters())
        for parameter, gradient in zip(
            parameters, torch.autograd.grad(loss, parameters), strict=True
        ):
            parameter.grad = gradient
        adam.step()

    return {"generate": generate, "judge": judge, "update": update}


def medians(parts: dict[str, Part], repeats: int, device: torch.device) -> dict[str, float]:
    """Seconds of each part; the first time of each is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for repeat in range(repeats + 1):
        for name, run in parts.items():
            began = now(device)
            run()
            if repeat:
                seconds[name].append(now(device) - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def count_calls(policy: DialoguePolicy, copies: int, device: torch.device) -> int:
    """Calls of the model that complete all prefixes of four replies, the context's included."""
    context, reply = (torch.randint(3, policy.vocab, (4, n), device=device) for n in (C, T))
    return complete_replies(policy, context, torch.ones_like(context).bool(), reply, copies).calls


def lines(
    device: torch.device, shape: Shape, *, repeats: int = 5, rollouts: int = 1
) -> Iterator[dict[str, Any]]:
    """One line a part, then the step over its bare parts and the calls of a rollout.

    Args:
        device: Device to run on.
        shape: Sizes of the policy.
        repeats: Number of timed repeats.
        rollouts: Completions of each prefix.
    """
    forget_peak(device)
    parts, policy = step_and_parts(device, shape)
    calls = count_calls(policy, rollouts, device)
    middle = medians(parts, repeats, device)
    told = {"layers": shape.layers, "width": shape.width, "device": name_of(device)}
    for name, value in middle.items():
        yield {"part": name, "seconds": round(value, 4), **told}
    bare = sum(value for name, value in middle.items() if name not in ("step", "sample"))
    yield {"step_over_bare_parts": round(middle["step"] / bare, 3), **told}
    faster = middle["generate"] / middle["sample"]
    yield {"sample_times_faster_than_generate": round(faster, 2), **told}
    yield {"rollout_calls": calls, "reply_tokens": T, "torch": torch.__version__, **told}
    yield {"decoded_tokens_per_second": round(B * T / middle["generate"]), "by": "generate", **told}
    yield {"peak_gib": peak_gib(device), **told}


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of a dialogue step.")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rollouts", type=int, default=1, help="completions of each prefix")
    parser.add_argument("--gpt2", action="store_true", help="the size of GPT-2, for a GPU")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_freed_memory()
    shape = GPT2 if arguments.gpt2 else SMALL
    device = torch.device(arguments.device)
    for line in lines(device, shape, repeats=arguments.repeats, rollouts=arguments.rollouts):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
