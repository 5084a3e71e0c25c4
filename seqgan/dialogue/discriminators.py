"""Discriminators of replies: how human a reply is after each of its tokens, given its context.

It returns (B, T) logits, high = human: the one at token t has read the context and y_1..y_t. `pool`
makes one output a reply of them: the last one that counts, their mean, or one at random, which
trains it on prefixes.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from image_core.adversarial.errors import UserError
from image_core.adversarial.precision import recurrent
from seqgan.dialogue.language_models import mask_for, positions
from seqgan.dialogue.policies import DialoguePolicy

POOLINGS = ("last", "mean", "prefix")
"""How the tokens' logits become one output a reply; see `pool`."""

Contexts = Int64[Tensor, "B C"]
AttentionMask = Bool[Tensor, "B C"]
Replies = Int64[Tensor, "B T"]
Scores = Float[Tensor, "B T"]


def pool(
    scores: Scores, mask: Bool[Tensor, "B T"], pooling: str, *, learning: bool = False
) -> Float[Tensor, " B"]:
    """One logit a reply.

    Args:
        scores: Logits of the tokens.
        mask: True at tokens that count, a prefix of each row.
        pooling: One of `POOLINGS`. last is the logit of the last token; mean is over the tokens
            (StepGAN, DP-GAN); prefix is as last, but while the discriminator learns of one prefix
            at random, each length alike (REGS).
        learning: Whether the discriminator is learning.

    Source: Li et al. 2017, section 3.2 (prefix); Tuan & Lee 2019 (mean).
    """
    if pooling == "mean":
        return scores.masked_fill(~mask, 0).sum(1) / mask.sum(1)
    last = mask.sum(1) - 1
    if pooling == "prefix" and learning:
        last = (torch.rand(len(scores), device=scores.device) * (last + 1)).long()
    return scores.gather(1, last[:, None])[:, 0]


class DialogueDiscriminator(nn.Module, ABC):
    """Judges a reply after each of its tokens; abstract, every subclass is final."""

    @abstractmethod
    def forward(self, context: Contexts, attention_mask: AttentionMask, reply: Replies) -> Scores:
        """Logits, high = human."""


class EmbeddedDiscriminator(DialogueDiscriminator):
    """One that also reads vectors in place of tokens, as penalties of its slope need."""

    @abstractmethod
    def embed(self, reply: Replies) -> Float[Tensor, "B T E"]:
        """The vectors of a reply's tokens."""

    @abstractmethod
    def score(
        self, context: Contexts, attention_mask: AttentionMask, embedded: Float[Tensor, "B T E"]
    ) -> Scores:
        """Logits of an embedded reply."""

    def forward(self, context: Contexts, attention_mask: AttentionMask, reply: Replies) -> Scores:
        return self.score(context, attention_mask, self.embed(reply))


@final
class TransformerDiscriminator(EmbeddedDiscriminator):
    """A causal transformer with one logit a token: after the last it judges the whole reply.

    As a copy of the generator it is the Bradley-Terry discriminator of GAD (Ye et al. 2025).

    Args:
        backbone: A causal `AutoModel`, without a language-model head.
    """

    def __init__(self, backbone: Any):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(width_of(backbone), 1)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    @classmethod
    def like(cls, model: Any) -> "TransformerDiscriminator":
        """With a copy of a causal language model's transformer as it is now."""
        return cls(copy_backbone(model))

    def embed(self, reply: Replies) -> Float[Tensor, "B T E"]:
        return self.backbone.get_input_embeddings()(reply)

    def score(
        self, context: Contexts, attention_mask: AttentionMask, embedded: Float[Tensor, "B T E"]
    ) -> Scores:
        both = torch.cat([self.embed(context), embedded], 1)
        hidden = read_embedded(self.backbone, both, attention_mask)
        return self.head(hidden[:, context.shape[1] :])[..., 0].float()


@final
class StepDiscriminator(DialogueDiscriminator):
    """StepGAN's discriminator: after each prefix the value Q(prefix, y) of every next token.

    Args:
        backbone: A causal `AutoModel`.
        vocab: Number of ids that have a value.

    Source: Tuan & Lee 2019, "Improving Conditional Sequence Generative Adversarial Networks by
        Stepwise Evaluation".
    """

    def __init__(self, backbone: Any, vocab: int):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(width_of(backbone), vocab)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    @classmethod
    def like(cls, model: Any, vocab: int) -> "StepDiscriminator":
        """A copy of a causal language model as it is now: its logits are the first values."""
        step = cls(copy_backbone(model), vocab)
        step.copy_head(model)
        return step

    @torch.no_grad()
    def copy_head(self, model: Any) -> None:
        """Let the values be the logits of a language model of the same transformer.

        Args:
            model: Causal language model, with a head as wide as `vocab` or wider.
        """
        own = model.get_output_embeddings()
        self.head.weight.copy_(own.weight[: len(self.head.weight)])
        if own.bias is not None:
            self.head.bias.copy_(own.bias[: len(self.head.bias)])
        else:
            self.head.bias.zero_()

    def values(
        self, context: Contexts, attention_mask: AttentionMask, reply: Replies
    ) -> Float[Tensor, "B T V"]:
        """Q(y_<t, y) of every y."""
        embed = self.backbone.get_input_embeddings()
        both = embed(torch.cat([context, reply[:, :-1]], 1))
        hidden = read_embedded(self.backbone, both, attention_mask)
        return self.head(hidden[:, context.shape[1] - 1 :]).float()

    def forward(self, context: Contexts, attention_mask: AttentionMask, reply: Replies) -> Scores:
        values = self.values(context, attention_mask, reply)
        return values.gather(2, reply[..., None])[..., 0]

    def nll(
        self,
        context: Contexts,
        attention_mask: AttentionMask,
        reply: Replies,
        mask: Bool[Tensor, "B T"],
    ) -> Float[Tensor, ""]:
        """As a language model whose logits are the values: nats a token that counts."""
        values = self.values(context, attention_mask, reply)
        loss = F.cross_entropy(values.flatten(0, 1), reply.flatten(), reduction="none")
        return loss.view_as(reply).masked_fill(~mask, 0).sum() / mask.sum()


@final
class LanguageModelDiscriminator(DialogueDiscriminator):
    """DP-GAN's discriminator, a language model: what it finds surprising is new, and so rewarded.

    score_t = min(-log D(y_t | x, y_<t), cap)

    which it learns to make high on human replies and low on generated ones, that is, it learns to
    expect what the generator writes. The cap bounds what a rare word can earn.

    Args:
        model: A policy; it learns, so give it a copy.
        cap: Greatest score, in nats.

    Source: Xu et al. 2018, "Diversity-Promoting GAN"; cap 12 as in the released code.
    """

    def __init__(self, model: DialoguePolicy, cap: float = 12.0):
        super().__init__()
        self.model, self.cap = model, cap

    def forward(self, context: Contexts, attention_mask: AttentionMask, reply: Replies) -> Scores:
        return (-self.model.log_prob(context, attention_mask, reply)).clamp(max=self.cap)


@final
class LogRatioDiscriminator(DialogueDiscriminator):
    """How much likelier a reply has become to a language model than to its frozen copy.

    score_t = beta sum_(s <= t) log D(y_s | x, y_<s) / D_0(y_s | x, y_<s)

    It begins at 0, and its optimum log p(y | x) / p_0(y | x) is one that a language model can hold:
    no head has to be found first.

    Args:
        model: A policy; it learns, so give it a copy.
        beta: Scale of the log ratio.

    Source: Rafailov et al. 2023, "Direct Preference Optimization", section 4 (beta 0.1); Chen et
        al. 2024, "Self-Play Fine-Tuning", section 4.1.
    """

    def __init__(self, model: DialoguePolicy, beta: float = 0.1):
        super().__init__()
        self.model, self.beta = model, beta
        self.frozen = model.twin().requires_grad_(False)

    def forward(self, context: Contexts, attention_mask: AttentionMask, reply: Replies) -> Scores:
        with torch.no_grad():
            self.frozen.eval()
            before = self.frozen.log_prob(context, attention_mask, reply)
        now = self.model.log_prob(context, attention_mask, reply)
        return self.beta * (now - before).cumsum(1)


@final
class HierarchicalDiscriminator(EmbeddedDiscriminator):
    """An LSTM reads each turn, another the turns' vectors (Li et al. 2017).

    The reply is the last turn; after each of its tokens the second LSTM takes one step with the
    first one's state there, so that all prefixes are judged in one pass.

    Args:
        vocab: Number of ids.
        marks: Ids that begin a turn; without any the context is one turn.
        size: Size of embeddings and states.
        turns: Number of turns of the context that are read, counted from its end.
        turn_tokens: Number of tokens of a turn that are read, counted from its beginning.
    """

    def __init__(
        self, vocab: int, marks: Sequence[int], size: int, *, turns: int, turn_tokens: int
    ):
        super().__init__()
        self.marks: Tensor
        self.turns, self.turn_tokens = turns, turn_tokens
        self.register_buffer("marks", torch.tensor(list(marks)), persistent=False)
        self.embedding = nn.Embedding(vocab, size)
        self.turn = nn.LSTM(size, size, batch_first=True)
        self.dialogue = nn.LSTM(size, size, batch_first=True)
        self.head = nn.Linear(size, 1)

    def embed(self, reply: Replies) -> Float[Tensor, "B T E"]:
        return self.embedding(reply)

    def score(
        self, context: Contexts, attention_mask: AttentionMask, embedded: Float[Tensor, "B T E"]
    ) -> Scores:
        _, state = recurrent(self.dialogue, self._turn_vectors(context, attention_mask))
        states, _ = recurrent(self.turn, embedded)
        rows, length, size = states.shape
        many = [s.repeat_interleave(length, 1).contiguous() for s in state]
        judged, _ = recurrent(
            lambda x, h, c: self.dialogue(x, (h, c)),
            states.reshape(rows * length, 1, size),
            *many,
        )
        return self.head(judged).view(rows, length)

    def _turn_vectors(
        self, context: Contexts, attention_mask: AttentionMask
    ) -> Float[Tensor, "B U H"]:
        """The first LSTM's state after each of the last turns; zero where there are fewer."""
        rows, columns = context.shape
        place = torch.arange(columns, device=context.device).expand(rows, columns)
        begins = torch.isin(context, self.marks) & attention_mask
        number = begins.long().cumsum(1)
        before_end = number[:, -1:] - number
        since = place - torch.where(begins, place, 0).cummax(1).values
        since = torch.where(number == 0, place - (~attention_mask).sum(1, keepdim=True), since)
        read = attention_mask & (before_end < self.turns) & (since < self.turn_tokens)
        # One slot more takes what is not read
        slots = self.turns * self.turn_tokens
        turn = self.turns - 1 - before_end
        target = torch.where(read, turn * self.turn_tokens + since, slots)
        tokens = context.new_zeros(rows, slots + 1).scatter_(1, target, context)
        filled = torch.zeros_like(tokens, dtype=torch.bool).scatter_(1, target, read)
        tokens = tokens[:, :slots].reshape(rows * self.turns, self.turn_tokens)
        count = filled[:, :slots].reshape(rows * self.turns, self.turn_tokens).sum(1)
        states, _ = recurrent(self.turn, self.embedding(tokens))
        last = states[torch.arange(len(states), device=states.device), (count - 1).clamp(min=0)]
        return (last * (count > 0)[:, None]).view(rows, self.turns, -1)


def width_of(backbone: Any) -> int:
    """Size of a transformer's hidden states.

    Args:
        backbone: Transformer of transformers, without its head.
    """
    return int(backbone.config.hidden_size)


def has_adapters(model: Any) -> bool:
    """Whether peft has wrapped the model.

    Args:
        model: Model of transformers.
    """
    return any("lora_" in name for name, _ in model.named_parameters())


def copy_backbone(model: Any) -> Any:
    """A copy of a causal language model's transformer, without its head.

    Args:
        model: Causal language model of transformers.

    Raises:
        UserError: The model is an encoder-decoder.
    """
    if model.config.is_encoder_decoder:
        raise UserError(
            "a discriminator that copies the generator needs a causal model; name --discriminator "
            "hierarchical"
        )
    plain = model.get_base_model() if has_adapters(model) else model
    backbone = copy.deepcopy(plain.base_model)
    return backbone.requires_grad_(True)


def read_embedded(
    backbone: Any, embedded: Float[Tensor, "B L E"], attention_mask: Bool[Tensor, "B C"]
) -> Float[Tensor, "B L H"]:
    """Hidden states of embedded context and reply, padding of the context not seen.

    Args:
        backbone: Transformer of transformers, without its head.
        embedded: Embedded context and reply, (B, L, E).
        attention_mask: True = no padding, of the context, (B, C).
    """
    seen = F.pad(attention_mask, (0, embedded.shape[1] - attention_mask.shape[1]), value=True)
    return backbone(
        inputs_embeds=embedded,
        attention_mask=mask_for(backbone, seen, seen.shape[1]),
        position_ids=positions(seen),
        use_cache=False,
    ).last_hidden_state
