"""Policies that are language models of transformers: causal ones, and encoder-decoders."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from seqgan.dialogue.gpt2_decoding import GPT2Decoder, StaticState, decodes
from seqgan.dialogue.policies import AttentionMask, Contexts, DialoguePolicy, Replies


class LanguageModelPolicy(DialoguePolicy):
    """A language model of transformers; abstract.

    Args:
        model: A model of transformers, with adapters or without.
        vocab: As in `DialoguePolicy`, like all others.
        end: As in `DialoguePolicy`.
        pad: As in `DialoguePolicy`.
        forbidden: As in `DialoguePolicy`.

    Raises:
        UserError: The model embeds fewer ids than the tokenizer has.
    """

    def __init__(
        self, model: Any, vocab: int, *, end: int, pad: int, forbidden: Sequence[int] = ()
    ):
        super().__init__(vocab, end=end, pad=pad, forbidden=forbidden)
        embedded = model.get_input_embeddings().weight.shape[0]
        if embedded < vocab:
            raise UserError(
                f"the tokenizer has {vocab} ids, but the model embeds only {embedded}; use the "
                "tokenizer that belongs to it, or resize its embeddings"
            )
        self.model = model

    def save_pretrained(self, folder: Path) -> None:
        self.model.save_pretrained(str(folder))


class CausalState(NamedTuple):
    """What a causal language model has read.

    Args:
        cache: Keys and values of each layer.
        attention_mask: (N, L), False at padding.
        position: (N,), of the next token.
    """

    cache: Any
    attention_mask: Bool[Tensor, "N L"]
    position: Int64[Tensor, " N"]


@final
class CausalLMPolicy(LanguageModelPolicy):
    """Any causal language model of transformers: an `AutoModelForCausalLM`, adapters or not."""

    def read(
        self, context: Contexts, attention_mask: AttentionMask
    ) -> tuple[Float[Tensor, "B V"], CausalState | StaticState]:
        if decodes(self.model):
            seen = ready_mask(attention_mask, attention_mask.shape[1])
            decoder = GPT2Decoder(self.model, len(context))
            logits, read = decoder.read(context, attention_mask, seen, positions(attention_mask))
            return self.ban(logits), read
        out = self.model(
            input_ids=context,
            attention_mask=mask_for(self.model, attention_mask, attention_mask.shape[1]),
            position_ids=positions(attention_mask),
            use_cache=True,
            logits_to_keep=1,
        )
        state = CausalState(out.past_key_values, attention_mask, attention_mask.sum(1))
        return self.ban(out.logits[:, -1]), state

    def step(
        self, tokens: Int64[Tensor, " B"], state: CausalState | StaticState
    ) -> tuple[Float[Tensor, "B V"], CausalState | StaticState]:
        if isinstance(state, StaticState):
            logits, written = state.decoder.step(tokens, state)
            return self.ban(logits), written
        attention_mask = F.pad(state.attention_mask, (0, 1), value=True)
        out = self.model(
            input_ids=tokens[:, None],
            attention_mask=mask_for(self.model, attention_mask, 1),
            position_ids=state.position[:, None],
            past_key_values=state.cache,
            use_cache=True,
        )
        after = CausalState(out.past_key_values, attention_mask, state.position + 1)
        return self.ban(out.logits[:, -1]), after

    def select(
        self, state: CausalState | StaticState, rows: Int64[Tensor, " N"]
    ) -> CausalState | StaticState:
        if isinstance(state, StaticState):
            return state.select(rows)
        cache = select_cache(state.cache, rows)
        return CausalState(cache, state.attention_mask[rows], state.position[rows])

    def logits(
        self, context: Contexts, attention_mask: AttentionMask, reply: Replies
    ) -> Float[Tensor, "B T V"]:
        seen = F.pad(attention_mask, (0, reply.shape[1] - 1), value=True)
        out = self.model(
            input_ids=torch.cat([context, reply[:, :-1]], 1),
            attention_mask=mask_for(self.model, seen, seen.shape[1]),
            position_ids=positions(seen),
            use_cache=False,
            logits_to_keep=reply.shape[1],
        )
        return self.ban(out.logits)


class Seq2SeqState(NamedTuple):
    """What an encoder-decoder has read.

    Args:
        cache: Keys and values of the decoder and of its attention to the encoder.
        encoded: (N, C, H).
        attention_mask: (N, C), False at padding.
    """

    cache: Any
    encoded: Float[Tensor, "N C H"]
    attention_mask: Bool[Tensor, "N C"]


@final
class Seq2SeqLMPolicy(LanguageModelPolicy):
    """Any sequence-to-sequence language model of transformers: an `AutoModelForSeq2SeqLM`.

    Raises:
        UserError: As of the others, or the model names no start token.
    """

    def __init__(
        self, model: Any, vocab: int, *, end: int, pad: int, forbidden: Sequence[int] = ()
    ):
        super().__init__(model, vocab, end=end, pad=pad, forbidden=forbidden)
        if model.config.decoder_start_token_id is None:
            raise UserError("the model's config names no decoder_start_token_id; set it")
        self.start = int(model.config.decoder_start_token_id)

    def read(
        self, context: Contexts, attention_mask: AttentionMask
    ) -> tuple[Float[Tensor, "B V"], Seq2SeqState]:
        from transformers import DynamicCache, EncoderDecoderCache

        encoded = self.model.get_encoder()(
            input_ids=context,
            attention_mask=masks_for(self.model, attention_mask, 1, 1)["attention_mask"],
        ).last_hidden_state
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        start = context.new_full((len(context),), self.start)
        return self.step(start, Seq2SeqState(cache, encoded, attention_mask))

    def step(
        self, tokens: Int64[Tensor, " B"], state: Seq2SeqState
    ) -> tuple[Float[Tensor, "B V"], Seq2SeqState]:
        out = self.model(
            encoder_outputs=(state.encoded,),
            decoder_input_ids=tokens[:, None],
            past_key_values=state.cache,
            use_cache=True,
            **masks_for(self.model, state.attention_mask, state.cache.get_seq_length() + 1, 1),
        )
        after = Seq2SeqState(out.past_key_values, state.encoded, state.attention_mask)
        return self.ban(out.logits[:, -1]), after

    def select(self, state: Seq2SeqState, rows: Int64[Tensor, " N"]) -> Seq2SeqState:
        cache = select_pair(state.cache, rows)
        return Seq2SeqState(cache, state.encoded[rows], state.attention_mask[rows])

    def logits(
        self, context: Contexts, attention_mask: AttentionMask, reply: Replies
    ) -> Float[Tensor, "B T V"]:
        out = self.model(
            input_ids=context,
            decoder_input_ids=F.pad(reply[:, :-1], (1, 0), value=self.start),
            use_cache=False,
            **masks_for(self.model, attention_mask, reply.shape[1], reply.shape[1]),
        )
        return self.ban(out.logits)


def mask_for(model: Any, attention_mask: Bool[Tensor, "N L"], queries: int) -> Tensor:
    """The attention mask to hand to a causal model of transformers for the last of its tokens.

    A plain one makes transformers ask in each call whether anything is padding. Off the CPU that is
    a wait for the device with every token drawn; there the mask is made ready.

    Args:
        model: Causal model of transformers.
        attention_mask: True = no padding, (N, L).
        queries: Number of last tokens that are read.
    """
    window = getattr(model.config, "sliding_window", None)
    plain = getattr(model.config, "_attn_implementation", None) != "sdpa"
    if (
        attention_mask.device.type == "cpu"
        or plain
        or (window and attention_mask.shape[1] > window)
    ):
        return attention_mask.long()
    return ready_mask(attention_mask, queries)


def masks_for(
    model: Any, attention_mask: Bool[Tensor, "N C"], written: int, queries: int
) -> dict[str, Tensor]:
    """As `mask_for`, of an encoder-decoder: of what was read, and of the decoder's tokens.

    Args:
        model: The encoder-decoder.
        attention_mask: False at padding of what was read.
        written: Number of tokens of the decoder, cached ones counted.
        queries: Number of the last of them, for which the masks are.
    """
    if (
        attention_mask.device.type == "cpu"
        or getattr(model.config, "_attn_implementation", None) != "sdpa"
    ):
        return {"attention_mask": attention_mask.long()}
    return ready_masks(attention_mask, written, queries)


def ready_masks(
    attention_mask: Bool[Tensor, "N C"], written: int, queries: int
) -> dict[str, Tensor]:
    """What is no padding, for the encoder and all who look at it; and of the decoder its past.

    Args:
        attention_mask: True = no padding, of the context, (N, C).
        written: Number of tokens of the reply so far.
        queries: Number of last tokens that are read.
    """
    own = ready_mask(attention_mask.new_ones(len(attention_mask), written), queries)
    return {"attention_mask": attention_mask[:, None, None], "decoder_attention_mask": own}


def ready_mask(attention_mask: Bool[Tensor, "N L"], queries: int) -> Bool[Tensor, "N 1 Q L"]:
    """What each of the last tokens sees: itself, and what is no padding before it.

    Args:
        attention_mask: True = no padding, (N, L).
        queries: Number Q of last tokens that are read.
    """
    place = torch.arange(attention_mask.shape[1], device=attention_mask.device)
    query = place[attention_mask.shape[1] - queries :, None]
    return ((place < query) & attention_mask[:, None] | (place == query))[:, None]


def positions(attention_mask: Bool[Tensor, "N L"]) -> Int64[Tensor, "N L"]:
    """Place of each token among those that are no padding; 0 at padding.

    Args:
        attention_mask: True = no padding, (N, L).
    """
    return (attention_mask.long().cumsum(1) - 1).clamp(min=0)


def select_cache(cache: Any, rows: Int64[Tensor, " N"]) -> Any:
    """A new cache of some rows; the old one stays as it is.

    Args:
        cache: Keys and values of transformers.
        rows: Numbers of the rows, (N,).
    """
    new = copy.copy(cache)
    new.layers = [copy.copy(layer) for layer in cache.layers]
    for layer in new.layers:
        layer.keys = layer.keys.index_select(0, rows)
        layer.values = layer.values.index_select(0, rows)
    return new


def select_pair(cache: Any, rows: Int64[Tensor, " N"]) -> Any:
    """`select_cache` of an encoder-decoder's two caches.

    Args:
        cache: Keys and values of an encoder-decoder.
        rows: Numbers of the rows, (N,).
    """
    new = copy.copy(cache)
    new.self_attention_cache = select_cache(cache.self_attention_cache, rows)
    new.cross_attention_cache = select_cache(cache.cross_attention_cache, rows)
    new.is_updated = dict(cache.is_updated)
    return new
