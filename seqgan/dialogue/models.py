"""Building the two players: a model from scratch or by name, and a critic for it."""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError
from image_core.adversarial.sharding import copy_weights, whole
from seqgan.data.errors import reason
from seqgan.dialogue.discriminators import (
    DialogueCritic,
    HierarchicalCritic,
    LanguageModelCritic,
    StepCritic,
    TransformerCritic,
    has_adapters,
)
from seqgan.dialogue.encode import Format
from seqgan.dialogue.language_models import CausalLMPolicy, LanguageModelPolicy, Seq2SeqLMPolicy
from seqgan.dialogue.policies import DialoguePolicy
from seqgan.dialogue.recurrent import AttentionPolicy


@runtime_checkable
class ModelOptions(Protocol):
    """Those of a run's options that its models are made of.

    Args:
        model: folder or hub name of a language model; one from scratch where it is None.
        lora: rank of low-rank adapters on it; 0 = everything learns.
        architecture: of a model from scratch: gpt or lstm.
        size: of its hidden states.
        layers: of it.
        heads: of attention.
        dropout: in maximum likelihood.
        context_tokens: most tokens of a context.
        reply_tokens: most tokens of a reply.
        turns: most turns of a context.
        critic: transformer, copy, step, hierarchical or language_model.
        critic_size: of the states of a critic that is no copy of the generator.
        critic_mle_steps: above 0 a step critic is a language model of its own.
    """

    model: str | None
    lora: int
    architecture: str
    size: int
    layers: int
    heads: int
    dropout: float
    context_tokens: int
    reply_tokens: int
    turns: int
    critic: str
    critic_size: int
    critic_mle_steps: int


def new_policy(c: ModelOptions, form: Format, base: Path | None) -> DialoguePolicy:
    """The generator: of a folder's config, of a name's weights, or from scratch.

    Args:
        c: the options.
        form: tells the ids.
        base: a run's folder with the model's config, whose weights a checkpoint will bring.

    Raises:
        UserError: the model cannot be loaded, is too short, or does not fit its tokenizer.
    """
    ids: dict[str, Any] = {"end": form.end, "pad": form.pad, "forbidden": form.forbidden}
    if c.model is None and c.architecture == "lstm":
        return AttentionPolicy(form.vocab, c.size, c.layers, c.dropout, **ids)
    model = _scratch(c, form, c.size) if c.model is None else _named(c.model, base)
    _check_positions(model, c)
    if c.lora:
        model = with_adapters(model, c.lora)
    kind = Seq2SeqLMPolicy if model.config.is_encoder_decoder else CausalLMPolicy
    return kind(model, form.vocab, **ids)


def new_critic(c: ModelOptions, form: Format, policy: DialoguePolicy) -> DialogueCritic:
    """The critic of the options; those that copy the generator copy it as it is.

    Raises:
        UserError: the critic copies a causal model, and the generator is none.
    """
    if c.critic == "hierarchical":
        return HierarchicalCritic(
            form.vocab, form.marks, c.critic_size, turns=c.turns, turn_tokens=c.reply_tokens
        )
    if c.critic == "language_model":
        return LanguageModelCritic(copy.deepcopy(policy))
    if not isinstance(policy, CausalLMPolicy):
        raise UserError(
            f"--critic {c.critic} copies a causal model; for this generator pass --critic "
            "hierarchical or language_model"
        )
    model = policy.model
    if c.critic == "step" and c.critic_mle_steps:
        return StepCritic(_scratch(c, form, c.critic_size).base_model, form.vocab)
    if c.critic == "step":
        return StepCritic.like(model, form.vocab)
    critic = TransformerCritic.like(model)
    if c.critic == "transformer" and c.model is None:
        critic.backbone.init_weights()
    return critic


def copy_generator(critic: DialogueCritic, policy: DialoguePolicy) -> None:
    """Let a critic that began as a copy of the generator begin once more, as it is now."""
    if isinstance(critic, LanguageModelCritic):
        copy_weights(policy, critic.model)
    elif isinstance(critic, TransformerCritic | StepCritic) and isinstance(policy, CausalLMPolicy):
        copy_weights(_plain(policy.model).base_model, critic.backbone)


def _plain(model: Any) -> Any:
    return model.get_base_model() if has_adapters(model) else model


def save_base(policy: DialoguePolicy, folder: Path) -> None:
    """Write the config of a model of transformers, without weights."""
    if isinstance(policy, LanguageModelPolicy):
        policy.model.config.save_pretrained(str(folder))


def put_together(
    c: ModelOptions, form: Format, base: Path, policy: DialoguePolicy
) -> DialoguePolicy | None:
    """A whole copy of a policy that the processes share, for the first of them; all must ask."""
    weights = whole(policy.state_dict())
    if not parallel.first():
        return None
    copied = new_policy(c, form, base)
    copied.load_state_dict(weights)
    return copied


def save_model(policy: DialoguePolicy, folder: Path) -> None:
    """Write the model as transformers does; adapters are merged, so that it loads without them."""
    if isinstance(policy, LanguageModelPolicy) and has_adapters(policy.model):
        merged = copy.deepcopy(policy)
        merged.model = merged.model.merge_and_unload()
        policy = merged
    with _no_bars():
        policy.save_pretrained(folder)


@contextmanager
def _no_bars() -> Iterator[None]:
    """A bar for one small file would stand between the lines of a run."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def with_adapters(model: Any, rank: int) -> Any:
    """The model with low-rank adapters on every linear layer; nothing else learns.

    Raises:
        UserError: peft is not installed.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise UserError("--lora needs the package peft; pip install peft") from error
    kind = "SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM"
    # GPT-2 keeps its matrices the other way round
    turned = model.config.model_type == "gpt2"
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules="all-linear",
        task_type=kind,
        fan_in_fan_out=turned,
    )
    with warnings.catch_warnings():
        # peft asks transformers by a name that is going out of use
        warnings.simplefilter("ignore", FutureWarning)
        return get_peft_model(model, config)


def _scratch(c: ModelOptions, form: Format, size: int) -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=form.vocab,
        n_positions=c.context_tokens + c.reply_tokens,
        n_embd=size,
        n_layer=c.layers,
        n_head=c.heads,
        bos_token_id=form.end,
        eos_token_id=form.end,
        pad_token_id=form.pad,
        resid_pdrop=c.dropout,
        embd_pdrop=c.dropout,
        attn_pdrop=c.dropout,
    )
    return GPT2LMHeadModel(config)


def _named(name: str, base: Path | None) -> Any:
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(name if base is None else str(base))
        kind = (
            transformers.AutoModelForSeq2SeqLM
            if config.is_encoder_decoder
            else transformers.AutoModelForCausalLM
        )
        if base is not None:
            return kind.from_config(config)
        with _no_bars():
            return kind.from_pretrained(name, dtype=torch.float32)
    except Exception as error:  # transformers raises many kinds
        raise UserError(
            f"--model {name} cannot be loaded ({reason(error)}); name a folder written by "
            "save_pretrained, or a model of the hub"
        ) from error


def _check_positions(model: Any, c: ModelOptions) -> None:
    most = getattr(model.config, "max_position_embeddings", None)
    needed = max(c.context_tokens, c.reply_tokens)
    if not model.config.is_encoder_decoder:
        needed = c.context_tokens + c.reply_tokens
    if most is not None and needed > most:
        raise UserError(
            f"--context_tokens {c.context_tokens} and --reply_tokens {c.reply_tokens} need "
            f"{needed} positions, but the model has {most}; lower them"
        )
