"""A dialogue step at GPT-2's size beside its bare parts, and the tokens decoded in a second."""

from collections.abc import Callable, Iterator
from typing import Any

import dialogue_step
import torch
from timing import name_of, repeated

from gpu_parts import roofline
from seqgan.dialogue.generation import GenerationOptions


def lines(device: torch.device, tiny: bool) -> Iterator[dict[str, Any]]:
    """The step and its parts; decoding by ours; the counted limit and the profile of the step.

    Args:
        device: Device to run on.
        tiny: Whether to take a model of two narrow layers.
    """
    shape = dialogue_step.Shape(2, 64, 500) if tiny else dialogue_step.GPT2
    yield from dialogue_step.lines(device, shape, repeats=1 if tiny else 5)
    parts, policy = dialogue_step.step_and_parts(device, shape)
    size = (dialogue_step.B, dialogue_step.C)
    context = torch.randint(3, shape.vocab, size, device=device)
    length = dialogue_step.T
    every = GenerationOptions(min_length=length)
    seen = torch.ones_like(context).bool()
    told = {"layers": shape.layers, "width": shape.width, "device": name_of(device)}

    def decoded(by: str, run: Callable[[], object]) -> dict[str, Any]:
        seconds = min(repeated(torch.no_grad()(run), device, 1 if tiny else 5))
        rate = round(dialogue_step.B * length / seconds)
        return {"decoded_tokens_per_second": rate, "by": by, **told}

    policy.eval()
    yield decoded("ours, static cache", lambda: policy.sample(context, seen, length, every))
    found = roofline.count(parts["step"])
    least = found.limit("no")
    took = min(repeated(parts["step"], device, 1 if tiny else 5))
    yield {
        "part": "step",
        "seconds": took,
        "gflop": round(found.flop / 1e9, 2),
        "gbyte": round(found.bytes / 1e9, 2),
        "kernels": found.kernels,
        "limit_seconds": least,
        "times_the_limit": round(took / least, 2),
        "profile": roofline.profile(parts["step"], device),
        **told,
    }
    # Last, since transformers compiles the step of a static cache on a GPU
    options = {"do_sample": True, "top_k": 0, "min_new_tokens": length, "pad_token_id": 0}
    yield decoded(
        "generate, static cache",
        lambda: policy.model.generate(
            context,
            attention_mask=seen.long(),
            max_new_tokens=length,
            cache_implementation="static",
            **options,
        ),
    )
