"""A policy that answers a context, token by token.

Contexts are padded on the left, so that what is written next stands in one column; replies on the
right, after the first end token. Positions count what is no padding, so that a row means the same
whatever it is batched with. Symbols: B rows, C tokens of a context, T tokens of a reply, V ids.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from image_core.adversarial import parallel, waits
from seqgan.data.encode import mask_of
from seqgan.dialogue.encode import EncodedPairs
from seqgan.dialogue.generation import PLAIN, GenerationOptions, draw

Contexts = Int64[Tensor, "B C"]
AttentionMask = Bool[Tensor, "B C"]
Replies = Int64[Tensor, "B T"]


class DialoguePolicy(nn.Module, ABC):
    """p(reply | context), token by token; abstract, every subclass is final.

    A state stands for what the policy has read. `step` uses its state up; `select` copies one.

    Args:
        vocab: Number of ids of the tokenizer; higher outputs of the model are never sampled.
        end: Id that ends a reply.
        pad: Id after the end.
        forbidden: Ids below `vocab` that no reply holds: padding, role marks, unknown.
    """

    banned: Tensor

    def __init__(self, vocab: int, *, end: int, pad: int, forbidden: Sequence[int] = ()):
        super().__init__()
        self.vocab, self.end, self.pad = vocab, end, pad
        ids = sorted({i for i in forbidden if i != end})
        self.register_buffer("banned", torch.tensor(ids, dtype=torch.int64), persistent=False)

    @abstractmethod
    def read(
        self, context: Contexts, attention_mask: AttentionMask
    ) -> tuple[Float[Tensor, "B V"], Any]:
        """Logits of the first token, and the state behind them."""

    @abstractmethod
    def step(self, tokens: Int64[Tensor, " B"], state: Any) -> tuple[Float[Tensor, "B V"], Any]:
        """Logits of the token after `tokens`."""

    @abstractmethod
    def select(self, state: Any, rows: Int64[Tensor, " N"]) -> Any:
        """A new state of some rows, each as often as it is named."""

    @abstractmethod
    def logits(
        self, context: Contexts, attention_mask: AttentionMask, reply: Replies
    ) -> Float[Tensor, "B T V"]:
        """Logits of every token of a reply, given those before it; carries the gradient."""

    @abstractmethod
    def save_pretrained(self, folder: Path) -> None:
        """Write the model to a folder."""

    def twin(self) -> "DialoguePolicy":
        """A copy that learns and changes alone, but shares what learns in neither.

        Under adapters that is the whole language model, which is then in memory once.
        """
        still = {id(p): p for p in self.parameters() if not p.requires_grad}
        return copy.deepcopy(self, still)

    def mask(self, reply: Replies) -> Bool[Tensor, "B T"]:
        """True up to and including the first end token."""
        return mask_of(reply, self.end)

    def ban(self, logits: Float[Tensor, "*rows V"]) -> Float[Tensor, "*rows V"]:
        """Give what is never drawn no mass, in place."""
        logits[..., self.vocab :] = -torch.inf
        return logits.index_fill_(-1, self.banned, -torch.inf)

    def log_prob(
        self, context: Contexts, attention_mask: AttentionMask, reply: Replies
    ) -> Float[Tensor, "B T"]:
        """Log-probability of each token of a reply; 0 after its end."""
        return self.picked(self.logits(context, attention_mask, reply), reply)

    def picked(self, logits: Float[Tensor, "B T V"], reply: Replies) -> Float[Tensor, "B T"]:
        """log softmax of the logits at the tokens of a reply; 0 after its end.

        There the padding has no mass, and an infinity would make gradients of zero weight NaN.
        """
        loss = F.cross_entropy(logits.flatten(0, 1).float(), reply.flatten(), reduction="none")
        return -loss.view_as(reply).masked_fill(~self.mask(reply), 0)

    def nll(
        self,
        context: Contexts,
        attention_mask: AttentionMask,
        reply: Replies,
        mask: Bool[Tensor, "B T"],
    ) -> Float[Tensor, ""]:
        """Mean negative log-likelihood, nats a token that counts."""
        return (
            -self.log_prob(context, attention_mask, reply).masked_fill(~mask, 0).sum() / mask.sum()
        )

    @torch.no_grad()
    def sample(
        self,
        context: Contexts,
        attention_mask: AttentionMask,
        length: int,
        generation: GenerationOptions = PLAIN,
        copies: int = 1,
    ) -> Int64[Tensor, "N T"]:
        """Replies of at most `length` tokens, padded after their end.

        A context is read once, however many copies of it are answered. On a CPU sampling stops when
        every reply has ended; a GPU is never asked, nor is one of several processes, which share
        the model's parts among them.

        Args:
            context: (B, C), padded on the left.
            attention_mask: True where there is no padding.
            length: Most tokens, the end counted.
            generation: How tokens are sampled.
            copies: Number of replies to each context, in contiguous rows.
        """
        logits, state = self.read(context, attention_mask)
        if copies > 1:
            rows = torch.arange(len(context), device=context.device).repeat_interleave(copies)
            logits, state = logits[rows], self.select(state, rows)
            context, attention_mask = context[rows], attention_mask[rows]
        reply = context.new_full((len(context), length), self.pad)
        open_ = torch.ones(len(context), dtype=torch.bool, device=context.device)
        may_stop = waits.reading_is_free(context.device) and parallel.world()[1] == 1
        for t in range(length):
            if t:
                logits, state = self.step(reply[:, t - 1], state)
            drawn = draw(logits, generation, self.end, reply[:, :t], context, attention_mask)
            reply[:, t] = torch.where(open_, drawn, self.pad)
            open_ = open_ & (drawn != self.end)
            if may_stop and not open_.any():
                break
        return reply


@torch.no_grad()
def nll_per_token(policy: DialoguePolicy, pairs: EncodedPairs, device: torch.device) -> float:
    """Mean negative log-likelihood of people's replies, in nats a token.

    Args:
        policy: Policy that is measured.
        pairs: Contexts and people's replies to them.
        device: Device of the policy.
    """
    total, count = 0.0, 0
    for context, attention_mask, reply in zip(*(part.split(64) for part in pairs), strict=True):
        reply = reply.to(device)
        mask = policy.mask(reply)
        log_prob = policy.log_prob(context.to(device), attention_mask.to(device), reply)
        total -= float(log_prob.masked_fill(~mask, 0).double().sum())
        count += int(mask.sum())
    return total / count
