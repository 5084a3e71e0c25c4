"""The user's own policies, discriminators, rewards and metrics of text, `module:name`.

    --policy         (sequences: `Sequences`) -> `SequencePolicy`
    --discriminator  (policy: `SequencePolicy`) -> `SequenceDiscriminator`
    --reward         (sentences) -> a number for each
    --metric         (samples, references) -> a number, from two lists of sentences

A class is such a function too, if its constructor has these arguments.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.runs import outside
from seqgan.lm.policies import RecurrentPolicy, SequencePolicy

SIGNATURES = {
    "policy": "(sequences) -> SequencePolicy",
    "discriminator": "(policy) -> SequenceDiscriminator",
    "reward": "(sentences) -> a number for each",
    "metric": "(samples, references) -> a number",
}
Metric = Callable[[Sequence[str], Sequence[str]], float]


def function(option: str, name: str) -> Callable[..., Any]:
    """The user's function of an option.

    Args:
        option: Key of `SIGNATURES`.
        name: Value of the option, `module:name`.

    Raises:
        UserError: There is no such function.
    """
    if not outside.is_outside(name):
        raise UserError(
            f"--{option} {name}: name a function of your own, as in mypackage.mine:{option}, "
            f"{SIGNATURES[option]}"
        )
    arguments = 2 if option == "metric" else 1
    return outside.load_function(option, name, SIGNATURES[option], arguments)


def build(option: str, name: str, kind: type, argument: Any) -> Any:
    """A module that the user's function builds.

    Args:
        option: Key of `SIGNATURES`.
        name: Value of the option, `module:name`.
        kind: Class that the result must be of.
        argument: Argument of the function.

    Raises:
        UserError: There is no such function, or it builds something else.
    """
    made = function(option, name)(argument)
    if not isinstance(made, kind):
        raise UserError(
            f"--{option} {name}: it built a {type(made).__name__}; return a {kind.__name__} of "
            f"{kind.__module__}"
        )
    return made


def recurrent(policy: SequencePolicy) -> RecurrentPolicy:
    """A policy for papers that read the logits of every step.

    Args:
        policy: Policy, the paper's or the user's own.

    Raises:
        UserError: It has no such logits.
    """
    if not isinstance(policy, RecurrentPolicy):
        raise UserError(
            f"--policy: this paper reads the logits of every step, which {type(policy).__name__} "
            f"does not have; derive it from RecurrentPolicy of {RecurrentPolicy.__module__}"
        )
    return policy


def objective(
    name: str, decode: Callable[[Sequence[int]], str]
) -> Callable[[Int64[Tensor, "N T"]], Float[Tensor, " N"]]:
    """The user's reward as a function of tokens.

    It is called once with the distinct sentences of a batch.

    Args:
        name: Value of --reward.
        decode: Function from tokens to a sentence.

    Raises:
        UserError: There is no such function, or, when it is called, it does not return a finite
            number for each sentence.
    """
    own = function("reward", name)

    def values(tokens: Int64[Tensor, "N T"]) -> Float[Tensor, " N"]:
        sentences = [decode(row) for row in tokens.tolist()]
        distinct = {sentence: place for place, sentence in enumerate(dict.fromkeys(sentences))}
        found = torch.as_tensor(own(list(distinct)), dtype=torch.float32, device=tokens.device)
        if found.shape != (len(distinct),):
            raise UserError(
                f"--reward {name}: for {len(distinct)} sentences it returned values of shape "
                f"{tuple(found.shape)}; return one number for each"
            )
        if not torch.isfinite(found).all():
            raise UserError(f"--reward {name}: it returned a number that is not finite")
        return found[[distinct[sentence] for sentence in sentences]]

    return values


def metrics(names: str) -> dict[str, Metric]:
    """The user's metrics by name.

    Args:
        names: Value of --metric: names separated by commas; empty for none.

    Raises:
        UserError: There is no such function.
    """
    parts = names.replace(",", " ").split()
    return {name: _checked(name, function("metric", name)) for name in parts}


def _checked(name: str, own: Metric) -> Metric:
    def measure(samples: Sequence[str], references: Sequence[str]) -> float:
        found = own(samples, references)
        try:
            value = float(found)
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise UserError(f"--metric {name}: it returned {found!r}; return a finite number")
        return value

    return measure
