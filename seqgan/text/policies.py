"""The policies of a run: an LSTM, a transformer, a causal language model, or one's own."""

from pathlib import Path
from typing import Protocol, runtime_checkable

from image_core.adversarial.errors import UserError
from image_core.runs import outside
from seqgan.lm.causal import OWN, CausalPolicy, load_model
from seqgan.lm.policies import LSTMPolicy, SequencePolicy
from seqgan.lm.transformer import TransformerPolicy
from seqgan.text import own
from seqgan.text.sequences import Sequences

BUILT_IN = ("lstm", "transformer")
"""Names that --policy takes; any other is a language model or `module:name`."""
FOLDER = "policy"
"""Folder of a run with the configuration of its language model."""


@runtime_checkable
class PolicySizes(Protocol):
    """Options of a policy.

    Args:
        policy: Name of the policy.
        out: Folder of the run.
        embedding: Size of a token's vector.
        hidden: Size of each layer's state.
        layers: Number of layers.
        dropout: Dropout in maximum likelihood.
    """

    policy: str
    out: str
    embedding: int
    hidden: int
    layers: int
    dropout: float


def is_model(name: str) -> bool:
    """Whether --policy names a language model of transformers.

    Args:
        name: Value of the option.
    """
    return bool(name) and name not in BUILT_IN and not outside.is_outside(name)


def build(o: PolicySizes, s: Sequences) -> SequencePolicy:
    """Build the policy that the options name; an LSTM if they name none.

    Args:
        o: Options of the run.
        s: Sequences of the run.

    Raises:
        UserError: There is no such policy, or it does not fit the sequences.
    """
    if o.policy in ("", "lstm"):
        return lstm(o, s)
    if o.policy == "transformer":
        return transformer(o, s)
    if is_model(o.policy):
        model = load_model(o.policy, Path(o.out) / FOLDER)
        most = getattr(model.config, "max_position_embeddings", None)
        if most is not None and s.length > most:
            raise UserError(
                f"--policy {o.policy} has positions for {most} tokens, and sentences have up to "
                f"{s.length}; cut them by --max_length {most} --long_lines truncate, or leave "
                "longer ones out by --long_lines drop"
            )
        return CausalPolicy(model, s.vocab - OWN, fixed_length=s.end is None)
    policy: SequencePolicy = own.build("policy", o.policy, SequencePolicy, s)
    for name in ("vocab", "start", "end", "pad"):
        if vars(policy).get(name) != getattr(s, name):
            raise UserError(
                f"--policy {o.policy}: its `{name}` is {vars(policy).get(name)}, and that of the "
                f"sequences is {getattr(s, name)}; make it with {name}=sequences.{name}"
            )
    return policy


def lstm(o: PolicySizes, s: Sequences) -> LSTMPolicy:
    """Build an LSTM of the chosen size.

    Args:
        o: Options of the run.
        s: Sequences of the run.
    """
    return LSTMPolicy(
        s.vocab,
        o.embedding,
        o.hidden,
        layers=o.layers,
        start=s.start,
        end=s.end,
        pad=s.pad,
        dropout=o.dropout,
    )


def transformer(o: PolicySizes, s: Sequences) -> TransformerPolicy:
    """Build a transformer of the chosen size.

    Args:
        o: Options of the run.
        s: Sequences of the run.
    """
    return TransformerPolicy(
        s.vocab,
        o.embedding,
        o.hidden,
        layers=o.layers,
        start=s.start,
        end=s.end,
        pad=s.pad,
        dropout=o.dropout,
    )
