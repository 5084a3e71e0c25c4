"""A discriminator in a folder of its own: its network's configuration, weights and tokenizer.

discriminator.json  config.json  discriminator.safetensors  tokenizer files
"""

import copy
import json
from pathlib import Path
from typing import Any, NamedTuple

from image_core.adversarial.errors import UserError
from image_core.runs.folder import as_json, write_text
from seqgan.dialogue.discriminators import (
    DialogueDiscriminator,
    HierarchicalDiscriminator,
    LanguageModelDiscriminator,
    LogRatioDiscriminator,
    StepDiscriminator,
    TransformerDiscriminator,
    has_adapters,
)
from seqgan.dialogue.encode import Format, load_tokenizer
from seqgan.dialogue.language_models import CausalLMPolicy, LanguageModelPolicy, Seq2SeqLMPolicy
from seqgan.dialogue.policies import DialoguePolicy

FACTS, WEIGHTS = "discriminator.json", "discriminator.safetensors"


class ScoringOptions(NamedTuple):
    """How a discriminator reads replies.

    Args:
        pooling: How its logits become one output a reply, see `discriminators.pool`.
        context_tokens: Most tokens of a context.
        reply_tokens: Most tokens of a reply.
    """

    pooling: str
    context_tokens: int
    reply_tokens: int


def stands_alone(discriminator: DialogueDiscriminator) -> bool:
    """Whether it can be saved on its own: not one that holds a recurrent generator.

    Args:
        discriminator: Any discriminator.
    """
    policy = _policy(discriminator)
    return policy is None or isinstance(policy, LanguageModelPolicy)


def positions_of(discriminator: DialogueDiscriminator) -> int | None:
    """Most tokens that a context and a reply may have together; None where nothing limits them.

    Args:
        discriminator: Any discriminator.

    Raises:
        UserError: The discriminator holds an LSTM generator.
    """
    if not stands_alone(discriminator) or (config := _config(discriminator)) is None:
        return None
    # Not every model of transformers limits them
    return None if config.is_encoder_decoder else getattr(config, "max_position_embeddings", None)


def save_discriminator(
    discriminator: DialogueDiscriminator, form: Format, options: ScoringOptions, folder: Path
) -> None:
    """Write a discriminator; adapters are merged, so that it loads without them.

    Args:
        discriminator: Discriminator to write.
        form: Holds its tokenizer.
        options: How it reads replies.
        folder: Folder to write to.

    Raises:
        UserError: It holds a recurrent generator, which is kept in runs alone.
    """
    from safetensors.torch import save_model

    merged = _merged(discriminator)
    facts = {"kind": type(merged).__name__, **_facts(merged), **options._asdict()}
    folder.mkdir(parents=True, exist_ok=True)
    form.save(folder)
    if (config := _config(merged)) is not None:
        config.save_pretrained(str(folder))
    save_model(merged, str(folder / WEIGHTS))
    write_text(folder / FACTS, as_json(facts, indent=1) + "\n")


def load_discriminator(folder: Path) -> tuple[DialogueDiscriminator, Format, ScoringOptions]:
    """A discriminator, its tokenizer, and how it reads replies.

    Args:
        folder: Folder that `save_discriminator` wrote.

    Raises:
        UserError: The folder holds none, or a broken one.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_model

    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        options = ScoringOptions(*(facts[name] for name in ScoringOptions._fields))
        form = Format(load_tokenizer(str(folder)))
        discriminator = _built(facts, form, folder)
        load_model(discriminator, str(folder / WEIGHTS))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise UserError(
            f"{folder} holds no whole discriminator; name the folder of a finished dialogue run or "
            "of `save_pretrained` of a reward"
        ) from error
    return discriminator, form, options


def _merged(discriminator: DialogueDiscriminator) -> DialogueDiscriminator:
    """The discriminator, without adapters: a copy where it has some."""
    policy = _policy(discriminator)
    if not isinstance(policy, LanguageModelPolicy) or not has_adapters(policy.model):
        return discriminator
    merged = copy.deepcopy(discriminator)
    for part in merged.modules():
        if isinstance(part, LanguageModelPolicy):
            # Twins share the model that their adapters are merged into
            part.model = copy.deepcopy(part.model).merge_and_unload()
    return merged


def _policy(discriminator: DialogueDiscriminator) -> DialoguePolicy | None:
    if isinstance(discriminator, LogRatioDiscriminator | LanguageModelDiscriminator):
        return discriminator.model
    return None


def _config(discriminator: DialogueDiscriminator) -> Any:
    """The configuration of transformers; None of a network that has none.

    Raises:
        UserError: It holds a recurrent generator.
    """
    if not stands_alone(discriminator):
        raise UserError(
            "a discriminator that holds an LSTM generator is kept in its run alone; load the run"
        )
    if isinstance(discriminator, TransformerDiscriminator | StepDiscriminator):
        return discriminator.backbone.config
    policy = _policy(discriminator)
    return policy.model.config if isinstance(policy, LanguageModelPolicy) else None


def _facts(discriminator: DialogueDiscriminator) -> dict[str, Any]:
    """What a network is built with besides that configuration and the tokenizer."""
    match discriminator:
        case LanguageModelDiscriminator():
            return {"cap": discriminator.cap}
        case LogRatioDiscriminator():
            return {"beta": discriminator.beta}
        case HierarchicalDiscriminator():
            return {
                "size": discriminator.head.in_features,
                "turns": discriminator.turns,
                "turn_tokens": discriminator.turn_tokens,
            }
    return {}


def _built(facts: dict[str, Any], form: Format, folder: Path) -> DialogueDiscriminator:
    if facts["kind"] == "HierarchicalDiscriminator":
        sizes = {"turns": facts["turns"], "turn_tokens": facts["turn_tokens"]}
        return HierarchicalDiscriminator(form.vocab, form.marks, facts["size"], **sizes)
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    config = AutoConfig.from_pretrained(str(folder))
    match facts["kind"]:
        case "TransformerDiscriminator":
            return TransformerDiscriminator(AutoModel.from_config(config))
        case "StepDiscriminator":
            return StepDiscriminator(AutoModel.from_config(config), form.vocab)
    seq2seq = config.is_encoder_decoder
    model = (AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM).from_config(config)
    kind = Seq2SeqLMPolicy if seq2seq else CausalLMPolicy
    policy = kind(model, form.vocab, end=form.end, pad=form.pad, forbidden=form.forbidden)
    if facts["kind"] == "LogRatioDiscriminator":
        return LogRatioDiscriminator(policy, facts["beta"])
    if facts["kind"] == "LanguageModelDiscriminator":
        return LanguageModelDiscriminator(policy, facts["cap"])
    raise KeyError(facts["kind"])
