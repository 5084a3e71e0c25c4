"""Building the two players: a model from scratch or by name, and a discriminator for it."""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError
from image_core.adversarial.sharding import any_sharded, copy_weights, whole
from image_core.data.hub_request import ask_hub_for_model
from image_core.runs import options
from image_core.runs.recipe import RunConfig
from seqgan.data.errors import reason
from seqgan.dialogue.discriminators import (
    DialogueDiscriminator,
    HierarchicalDiscriminator,
    LanguageModelDiscriminator,
    LogRatioDiscriminator,
    StepDiscriminator,
    TransformerDiscriminator,
    has_adapters,
)
from seqgan.dialogue.encode import Format
from seqgan.dialogue.language_models import CausalLMPolicy, LanguageModelPolicy, Seq2SeqLMPolicy
from seqgan.dialogue.policies import DialoguePolicy
from seqgan.dialogue.recurrent import AttentionPolicy

ARCHITECTURES = ("gpt", "lstm")
"""Of a model from scratch: a causal transformer of GPT-2's shape, or an LSTM with attention."""

DISCRIMINATORS = (
    "transformer", "copy", "log_ratio", "step", "hierarchical", "language_model",
)  # fmt: skip
"""A fresh causal transformer; a copy of the generator with a scalar head; the log ratio of a copy
to a frozen one; StepGAN's; Li et al.'s; DP-GAN's.
"""


class Language(NamedTuple):
    """What a paper's models are made for.

    Args:
        form: Turns words into the tokenizer's ids and back.
        base: Folder with the configuration of the run's language model, whose weights a checkpoint
            will bring; None where the run begins.
    """

    form: Format
    base: Path | None


@dataclass(kw_only=True)
class LanguageModelOptions(RunConfig):
    """Generator.

    Args:
        model: Folder or hub name of a causal or sequence-to-sequence language model with its
            tokenizer; a small one from scratch when left out.
        lora: Rank of low-rank adapters on --model, which alone learn; 0 = everything learns.
        architecture: Architecture of a model from scratch: gpt (a causal transformer) or lstm (with
            attention).
        size: Hidden size of a model from scratch.
        layers: Number of layers of a model from scratch.
        heads: Number of attention heads of a transformer from scratch.
        dropout: Dropout of a model from scratch in maximum likelihood.
        vocab_size: Number of byte pairs of a tokenizer from scratch.
        context_tokens: Most tokens of a context; older ones are cut.
        reply_tokens: Most tokens of a reply, its end counted.
        turns: Most turns of a context.
        shard: Whether several processes share the models' parameters among them (FSDP2), each
            holding a part, for a causal model that outgrows one device.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    model: str | None = None
    lora: int = 0
    architecture: str = "gpt"
    size: int = 128
    layers: int = 2
    heads: int = 4
    dropout: float = 0.1
    vocab_size: int = 4000
    context_tokens: int = 64
    reply_tokens: int = 32
    turns: int = 4
    shard: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("architecture", self.architecture, ARCHITECTURES)
        options.check_least(self, 1, "size", "layers", "heads", "turns")
        options.check_least(self, 2, "context_tokens", "reply_tokens")
        options.check_least(self, 0, "lora", "dropout")
        if self.dropout >= 1:
            raise UserError(f"--dropout {self.dropout}: it must be below 1")
        if self.size % self.heads and self.model is None and self.architecture == "gpt":
            raise UserError(f"--size {self.size} is no multiple of --heads {self.heads}")
        if self.lora and self.model is None:
            raise UserError("--lora is for --model; a model from scratch learns as a whole")
        if self.shard and self.recurrent():
            raise UserError("--shard true is for causal transformers, not --architecture lstm")

    def recurrent(self) -> bool:
        """Whether the generator is an LSTM."""
        return self.model is None and self.architecture == "lstm"

    def policy(self, language: Language) -> DialoguePolicy:
        """The generator of these options."""
        return new_policy(self, language.form, language.base)


def new_policy(c: LanguageModelOptions, form: Format, base: Path | None) -> DialoguePolicy:
    """The generator: of a folder's config, of a name's weights, or from scratch.

    Args:
        c: Options of the generator.
        form: Tells the ids.
        base: Folder of a run with the model's configuration, whose weights a checkpoint will bring.

    Raises:
        UserError: The model cannot be loaded, is too short, or does not fit its tokenizer.
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


def new_discriminator(
    c: LanguageModelOptions, kind: str, form: Format, policy: DialoguePolicy, size: int
) -> DialogueDiscriminator:
    """A discriminator; one that copies the generator copies it as it is.

    Args:
        c: Options of the generator.
        kind: One of `DISCRIMINATORS`.
        form: Tells the ids.
        policy: The generator.
        size: Hidden size of a hierarchical one.

    Raises:
        UserError: The discriminator copies a causal model, and the generator is none.
    """
    match kind:
        case "hierarchical":
            return HierarchicalDiscriminator(
                form.vocab, form.marks, size, turns=c.turns, turn_tokens=c.reply_tokens
            )
        case "language_model":
            return LanguageModelDiscriminator(policy.twin())
        case "log_ratio":
            return LogRatioDiscriminator(policy.twin())
        case "step":
            return new_step_discriminator(c, form, policy)
    discriminator = TransformerDiscriminator.like(_causal(kind, policy))
    if kind == "transformer" and c.model is None:
        discriminator.backbone.init_weights()
    return discriminator


def new_step_discriminator(
    c: LanguageModelOptions, form: Format, policy: DialoguePolicy, size: int | None = None
) -> StepDiscriminator:
    """StepGAN's discriminator.

    Args:
        c: Options of the generator.
        form: Tells the ids.
        policy: The generator.
        size: Hidden size of a language model of its own; None copies the generator.

    Raises:
        UserError: The generator is no causal model.
    """
    model = _causal("step", policy)
    if size is None:
        return StepDiscriminator.like(model, form.vocab)
    return StepDiscriminator(_scratch(c, form, size).base_model, form.vocab)


def _causal(kind: str, policy: DialoguePolicy) -> Any:
    if not isinstance(policy, CausalLMPolicy):
        raise UserError(
            f"the discriminator {kind!r} copies a causal transformer, which this generator is not; "
            "pass --discriminator log_ratio, hierarchical or language_model, or another --paper"
        )
    return policy.model


def copy_generator(discriminator: DialogueDiscriminator, policy: DialoguePolicy) -> None:
    """Let a discriminator that began as a copy of the generator begin once more, as it is now.

    Args:
        discriminator: Discriminator to set back.
        policy: Generator to copy.
    """
    if isinstance(discriminator, LanguageModelDiscriminator | LogRatioDiscriminator):
        copy_weights(policy, discriminator.model)
        if isinstance(discriminator, LogRatioDiscriminator):
            copy_weights(policy, discriminator.frozen)
    elif isinstance(discriminator, TransformerDiscriminator | StepDiscriminator) and isinstance(
        policy, CausalLMPolicy
    ):
        copy_weights(_plain(policy.model).base_model, discriminator.backbone)
        # A sharded head stays as it began, with what the generator's was then
        if isinstance(discriminator, StepDiscriminator) and not any_sharded(policy):
            discriminator.copy_head(policy.model)


def _plain(model: Any) -> Any:
    return model.get_base_model() if has_adapters(model) else model


def save_base(policy: DialoguePolicy, folder: Path) -> None:
    """Write the config of a model of transformers, without weights.

    Args:
        policy: Policy that is a model of transformers.
        folder: Folder to write to.
    """
    if isinstance(policy, LanguageModelPolicy):
        policy.model.config.save_pretrained(str(folder))


def put_together(
    c: LanguageModelOptions, form: Format, base: Path, policy: DialoguePolicy
) -> DialoguePolicy | None:
    """A whole copy of a policy that the processes share, for the first of them; all must ask.

    Args:
        c: Options of the model.
        form: Tells tokens.
        base: Folder of the model's config.
        policy: Policy whose parts the processes hold.
    """
    weights = whole(policy.state_dict())
    if not parallel.first():
        return None
    copied = new_policy(c, form, base)
    copied.load_state_dict(weights)
    return copied


def save_model(policy: DialoguePolicy, folder: Path, reply_tokens: int) -> None:
    """Write the model as transformers does; adapters are merged, so that it loads without them.

    Its generation config samples, and ends replies where they ended in training; where a model
    came with further end tokens, it keeps them.

    Args:
        policy: Policy to write.
        folder: Folder to write to.
        reply_tokens: Most tokens of a reply.
    """
    if isinstance(policy, LanguageModelPolicy) and has_adapters(policy.model):
        merged = copy.deepcopy(policy)
        merged.model = merged.model.merge_and_unload()
        policy = merged
    if isinstance(policy, LanguageModelPolicy):
        generation = policy.model.generation_config
        generation.max_new_tokens, generation.do_sample = reply_tokens, True
        generation.eos_token_id = _ends(generation.eos_token_id, policy)
        generation.pad_token_id = policy.pad
    with _no_bars():
        policy.save_pretrained(folder)


def _ends(configured: int | list[int] | None, policy: DialoguePolicy) -> int | list[int]:
    """The end of the replies, and others that a model came with: one id, or a list of several."""
    known = configured if isinstance(configured, list) else [configured]
    more = [i for i in known if i is not None and i != policy.end and i < policy.vocab]
    return [policy.end, *more] if more else policy.end


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

    Args:
        model: Model of transformers.
        rank: Rank of the adapters.

    Raises:
        UserError: The package peft is not installed.
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


def _scratch(c: LanguageModelOptions, form: Format, size: int) -> Any:
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
        ask_hub_for_model(name if base is None else str(base))
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


def _check_positions(model: Any, c: LanguageModelOptions) -> None:
    most = getattr(model.config, "max_position_embeddings", None)
    needed = max(c.context_tokens, c.reply_tokens)
    if not model.config.is_encoder_decoder:
        needed = c.context_tokens + c.reply_tokens
    if most is not None and needed > most:
        raise UserError(
            f"--context_tokens {c.context_tokens} and --reply_tokens {c.reply_tokens} need "
            f"{needed} positions, but the model has {most}; lower them"
        )
