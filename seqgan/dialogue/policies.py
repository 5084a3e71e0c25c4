"""Policies that answer a context: causal and sequence-to-sequence language models.

Contexts are padded on the left, so that what is written next stands in one column; replies on the
right, after the first end token. Positions count what is no padding, so that a row means the same
whatever it is batched with. Symbols: B rows, C tokens of a context, T tokens of a reply, V ids.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from image_core.adversarial.errors import UserError
from seqgan.data.encode import mask_of

Contexts = Int64[Tensor, "B C"]
Known = Bool[Tensor, "B C"]
Replies = Int64[Tensor, "B T"]


class Drawing(NamedTuple):
    """How a token is drawn from its logits.

    Args:
        temperature: below 1 sharpens; 0 takes the likeliest token.
        top_k: only that many of the likeliest tokens; 0 = all.
        top_p: only the likeliest tokens that hold this much of the mass; 1 = all.
        min_length: tokens of a reply before its end may be drawn.
        block: length of n-grams that a reply may not repeat; 0 = any.
        block_context: whether n-grams of the context are blocked as well.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_length: int = 0
    block: int = 0
    block_context: bool = False


PLAIN = Drawing()
"""From the distribution as it is."""


class DialoguePolicy(nn.Module, ABC):
    """p(reply | context), token by token; abstract, every subclass is final.

    A state stands for what the policy has read. `step` uses its state up; `select` copies one.

    Args:
        vocab: ids of the tokenizer; higher outputs of the model are never drawn.
        end: id that ends a reply.
        pad: id after the end.
        forbidden: ids below `vocab` that no reply holds: padding, role marks, unknown.
    """

    banned: Tensor

    def __init__(self, vocab: int, *, end: int, pad: int, forbidden: Sequence[int] = ()):
        super().__init__()
        self.vocab, self.end, self.pad = vocab, end, pad
        ids = sorted({i for i in forbidden if i != end})
        self.register_buffer("banned", torch.tensor(ids, dtype=torch.int64), persistent=False)

    @abstractmethod
    def read(self, context: Contexts, known: Known) -> tuple[Float[Tensor, "B V"], Any]:
        """Logits of the first token, and the state behind them."""

    @abstractmethod
    def step(self, tokens: Int64[Tensor, " B"], state: Any) -> tuple[Float[Tensor, "B V"], Any]:
        """Logits of the token after `tokens`."""

    @abstractmethod
    def select(self, state: Any, rows: Int64[Tensor, " N"]) -> Any:
        """A new state of some rows, each as often as it is named."""

    @abstractmethod
    def logits(self, context: Contexts, known: Known, reply: Replies) -> Float[Tensor, "B T V"]:
        """Logits of every token of a reply, given those before it; carries the gradient."""

    @abstractmethod
    def save_pretrained(self, folder: Path) -> None:
        """Write the model to a folder."""

    def mask(self, reply: Replies) -> Bool[Tensor, "B T"]:
        """True up to and including the first end token."""
        return mask_of(reply, self.end)

    def ban(self, logits: Float[Tensor, "*rows V"]) -> Float[Tensor, "*rows V"]:
        """Give what is never drawn no mass, in place."""
        logits[..., self.vocab :] = -torch.inf
        return logits.index_fill_(-1, self.banned, -torch.inf)

    def log_prob(self, context: Contexts, known: Known, reply: Replies) -> Float[Tensor, "B T"]:
        """Log-probability of each token of a reply; 0 after its end."""
        return self.picked(self.logits(context, known, reply), reply)

    def picked(self, logits: Float[Tensor, "B T V"], reply: Replies) -> Float[Tensor, "B T"]:
        """log softmax of the logits at the tokens of a reply; 0 after its end.

        There the padding has no mass, and an infinity would make gradients of zero weight NaN.
        """
        loss = F.cross_entropy(logits.flatten(0, 1).float(), reply.flatten(), reduction="none")
        return -loss.view_as(reply).masked_fill(~self.mask(reply), 0)

    def nll(
        self, context: Contexts, known: Known, reply: Replies, mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, ""]:
        """Mean negative log-likelihood, nats a token that counts."""
        return -self.log_prob(context, known, reply).masked_fill(~mask, 0).sum() / mask.sum()

    @torch.no_grad()
    def sample(
        self,
        context: Contexts,
        known: Known,
        length: int,
        drawing: Drawing = PLAIN,
        copies: int = 1,
    ) -> Int64[Tensor, "N T"]:
        """Replies of at most `length` tokens, padded after their end.

        A context is read once, however many copies of it are answered. On a CPU drawing stops when
        every reply has ended; a GPU is never asked.

        Args:
            context: (B, C), padded on the left.
            known: True = no padding.
            length: most tokens, the end counted.
            drawing: how tokens are drawn.
            copies: replies to each context, in contiguous rows.
        """
        logits, state = self.read(context, known)
        if copies > 1:
            rows = torch.arange(len(context), device=context.device).repeat_interleave(copies)
            logits, state = logits[rows], self.select(state, rows)
            context, known = context[rows], known[rows]
        reply = context.new_full((len(context), length), self.pad)
        open_ = torch.ones(len(context), dtype=torch.bool, device=context.device)
        for t in range(length):
            if t:
                logits, state = self.step(reply[:, t - 1], state)
            drawn = draw(logits, drawing, self.end, reply[:, :t], context, known)
            reply[:, t] = torch.where(open_, drawn, self.pad)
            open_ = open_ & (drawn != self.end)
            if context.device.type == "cpu" and not open_.any():
                break
        return reply


def filtered(logits: Float[Tensor, "*rows V"], drawing: Drawing) -> Float[Tensor, "*rows V"]:
    """Logits of the distribution that is drawn from: temperature, then top-k, then top-p."""
    if drawing.temperature not in (0, 1):
        logits = logits / drawing.temperature
    if 0 < drawing.top_k < logits.shape[-1]:
        least = logits.topk(drawing.top_k).values[..., -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if drawing.top_p < 1:
        ordered, order = logits.sort(descending=True)
        share = ordered.softmax(-1)
        outside = share.cumsum(-1) - share >= drawing.top_p
        logits = torch.empty_like(logits).scatter_(
            -1, order, ordered.masked_fill(outside, -torch.inf)
        )
    return logits


def draw(
    logits: Float[Tensor, "N V"],
    drawing: Drawing,
    end: int,
    written: Int64[Tensor, "N t"],
    context: Int64[Tensor, "N C"],
    known: Bool[Tensor, "N C"],
) -> Int64[Tensor, " N"]:
    """One token a row."""
    if written.shape[1] < drawing.min_length:
        logits = logits.index_fill(-1, torch.tensor([end], device=logits.device), -torch.inf)
    if drawing.block:
        logits = block_ngrams(logits, drawing, end, written, context, known)
    if drawing.temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial(filtered(logits, drawing).float().softmax(-1), 1)[:, 0]


def block_ngrams(
    logits: Float[Tensor, "N V"],
    drawing: Drawing,
    end: int,
    written: Int64[Tensor, "N t"],
    context: Int64[Tensor, "N C"],
    known: Bool[Tensor, "N C"],
) -> Float[Tensor, "N V"]:
    """No mass for tokens that would repeat an n-gram of the reply (and of the context).

    The end is never blocked, so that something can always be drawn.
    """
    n = drawing.block
    if written.shape[1] < n - 1:
        return logits
    read, counts = written, torch.ones_like(written, dtype=torch.bool)
    if drawing.block_context:
        # A column that matches nothing keeps n-grams from spanning context and reply
        gap = context.new_full((len(context), 1), -1)
        read = torch.cat([context, gap, written], 1)
        counts = torch.cat([known, torch.zeros_like(gap, dtype=torch.bool), counts], 1)
    if read.shape[1] < n:
        return logits
    grams, whole = read.unfold(1, n, 1), counts.unfold(1, n, 1).all(-1)
    tail = written[:, written.shape[1] - (n - 1) :]
    repeats = whole & (grams[..., :-1] == tail[:, None]).all(-1)
    blocked = torch.zeros_like(logits, dtype=torch.int32)
    blocked.scatter_add_(1, grams[..., -1].clamp(min=0), repeats.int())
    blocked[:, end] = 0
    return logits.masked_fill(blocked > 0, -torch.inf)


# --------------------------------------------------------------------------------- language models


class CausalState(NamedTuple):
    """What a causal language model has read.

    Args:
        cache: keys and values of each layer.
        known: (N, L), False at padding.
        position: (N,), of the next token.
    """

    cache: Any
    known: Bool[Tensor, "N L"]
    position: Int64[Tensor, " N"]


@final
class CausalLMPolicy(DialoguePolicy):
    """Any causal language model of transformers.

    Args:
        model: an `AutoModelForCausalLM`, or one with adapters.
        vocab: as in `DialoguePolicy`, like all others.
        end: see there.
        pad: see there.
        forbidden: see there.

    Raises:
        UserError: the model embeds fewer ids than the tokenizer has.
    """

    def __init__(
        self, model: Any, vocab: int, *, end: int, pad: int, forbidden: Sequence[int] = ()
    ):
        super().__init__(vocab, end=end, pad=pad, forbidden=forbidden)
        check_vocabulary(model, vocab)
        self.model = model

    def read(self, context: Contexts, known: Known) -> tuple[Float[Tensor, "B V"], CausalState]:
        out = self.model(
            input_ids=context,
            attention_mask=known.long(),
            position_ids=positions(known),
            use_cache=True,
            logits_to_keep=1,
        )
        state = CausalState(out.past_key_values, known, known.sum(1))
        return self.ban(out.logits[:, -1]), state

    def step(
        self, tokens: Int64[Tensor, " B"], state: CausalState
    ) -> tuple[Float[Tensor, "B V"], CausalState]:
        known = F.pad(state.known, (0, 1), value=True)
        out = self.model(
            input_ids=tokens[:, None],
            attention_mask=known.long(),
            position_ids=state.position[:, None],
            past_key_values=state.cache,
            use_cache=True,
        )
        after = CausalState(out.past_key_values, known, state.position + 1)
        return self.ban(out.logits[:, -1]), after

    def select(self, state: CausalState, rows: Int64[Tensor, " N"]) -> CausalState:
        cache = select_cache(state.cache, rows)
        return CausalState(cache, state.known[rows], state.position[rows])

    def logits(self, context: Contexts, known: Known, reply: Replies) -> Float[Tensor, "B T V"]:
        seen = F.pad(known, (0, reply.shape[1] - 1), value=True)
        out = self.model(
            input_ids=torch.cat([context, reply[:, :-1]], 1),
            attention_mask=seen.long(),
            position_ids=positions(seen),
            use_cache=False,
            logits_to_keep=reply.shape[1],
        )
        return self.ban(out.logits)

    def save_pretrained(self, folder: Path) -> None:
        self.model.save_pretrained(str(folder))


class Seq2SeqState(NamedTuple):
    """What an encoder-decoder has read.

    Args:
        cache: keys and values of the decoder and of its attention to the encoder.
        encoded: (N, C, H).
        known: (N, C), False at padding.
    """

    cache: Any
    encoded: Float[Tensor, "N C H"]
    known: Bool[Tensor, "N C"]


@final
class Seq2SeqLMPolicy(DialoguePolicy):
    """Any sequence-to-sequence language model of transformers.

    Args:
        model: an `AutoModelForSeq2SeqLM`, or one with adapters.
        vocab: as in `DialoguePolicy`, like all others.
        end: see there.
        pad: see there.
        forbidden: see there.

    Raises:
        UserError: the model embeds fewer ids than the tokenizer has, or names no start token.
    """

    def __init__(
        self, model: Any, vocab: int, *, end: int, pad: int, forbidden: Sequence[int] = ()
    ):
        super().__init__(vocab, end=end, pad=pad, forbidden=forbidden)
        check_vocabulary(model, vocab)
        if model.config.decoder_start_token_id is None:
            raise UserError("the model's config names no decoder_start_token_id; set it")
        self.model, self.start = model, int(model.config.decoder_start_token_id)

    def read(self, context: Contexts, known: Known) -> tuple[Float[Tensor, "B V"], Seq2SeqState]:
        from transformers import DynamicCache, EncoderDecoderCache

        encoded = self.model.get_encoder()(
            input_ids=context, attention_mask=known.long()
        ).last_hidden_state
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        start = context.new_full((len(context),), self.start)
        return self.step(start, Seq2SeqState(cache, encoded, known))

    def step(
        self, tokens: Int64[Tensor, " B"], state: Seq2SeqState
    ) -> tuple[Float[Tensor, "B V"], Seq2SeqState]:
        out = self.model(
            encoder_outputs=(state.encoded,),
            attention_mask=state.known.long(),
            decoder_input_ids=tokens[:, None],
            past_key_values=state.cache,
            use_cache=True,
        )
        after = Seq2SeqState(out.past_key_values, state.encoded, state.known)
        return self.ban(out.logits[:, -1]), after

    def select(self, state: Seq2SeqState, rows: Int64[Tensor, " N"]) -> Seq2SeqState:
        cache = select_pair(state.cache, rows)
        return Seq2SeqState(cache, state.encoded[rows], state.known[rows])

    def logits(self, context: Contexts, known: Known, reply: Replies) -> Float[Tensor, "B T V"]:
        out = self.model(
            input_ids=context,
            attention_mask=known.long(),
            decoder_input_ids=F.pad(reply[:, :-1], (1, 0), value=self.start),
            use_cache=False,
        )
        return self.ban(out.logits)

    def save_pretrained(self, folder: Path) -> None:
        self.model.save_pretrained(str(folder))


def positions(known: Bool[Tensor, "N L"]) -> Int64[Tensor, "N L"]:
    """Place of each token among those that are no padding; 0 at padding."""
    return (known.long().cumsum(1) - 1).clamp(min=0)


def check_vocabulary(model: Any, vocab: int) -> None:
    """Make sure that every id of the tokenizer has a vector.

    Raises:
        UserError: one has none.
    """
    embedded = model.get_input_embeddings().weight.shape[0]
    if embedded < vocab:
        raise UserError(
            f"the tokenizer has {vocab} ids, but the model embeds only {embedded}; use the "
            "tokenizer that belongs to it, or resize its embeddings"
        )


def select_cache(cache: Any, rows: Int64[Tensor, " N"]) -> Any:
    """A new cache of some rows; the old one stays as it is."""
    new = copy.copy(cache)
    new.layers = [copy.copy(layer) for layer in cache.layers]
    for layer in new.layers:
        layer.keys = layer.keys.index_select(0, rows)
        layer.values = layer.values.index_select(0, rows)
    return new


def select_pair(cache: Any, rows: Int64[Tensor, " N"]) -> Any:
    """`select_cache` of an encoder-decoder's two caches."""
    new = copy.copy(cache)
    new.self_attention_cache = select_cache(cache.self_attention_cache, rows)
    new.cross_attention_cache = select_cache(cache.cross_attention_cache, rows)
    new.is_updated = dict(cache.is_updated)
    return new
