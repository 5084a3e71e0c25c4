"""Replies that a generation server writes, vLLM's or TRL's, and what a trainer owes to them.

A server has weights of its own, some updates old, and computes probabilities with other kernels. So
a reply keeps the log-probabilities of the model that drew it and that model's version; replies of
too old a version are drawn again; and the policy gradient weighs each token by how much likelier
the trainer finds it. The discriminator stays in the trainer and scores with its newest weights.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from image_core.adversarial.errors import UserError


class ServedReply(NamedTuple):
    """One reply as a server returns it.

    Args:
        tokens: Token ids of the reply, its end counted.
        log_prob: Log-probability of each token under the model that drew it, in nats, at the
            temperature of the draw; NaN where the server has none.
        version: Version of that model.
    """

    tokens: Sequence[int]
    log_prob: Sequence[float]
    version: int


@runtime_checkable
class GenerationServer(Protocol):
    """What is needed of a server: vLLM's `/generate` and weight update, or TRL's `vllm-serve`."""

    def generate(
        self, prompts: Sequence[Sequence[int]], *, max_tokens: int
    ) -> Sequence[ServedReply]:
        """One reply to each prompt, in their order.

        Args:
            prompts: Token ids of each prompt.
            max_tokens: Most tokens of a reply.
        """
        ...

    def update(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        """Take over weights; replies that are drawn with them carry the version.

        Args:
            weights: Names and tensors, whole ones.
            version: Version of the weights.
        """
        ...


class Replies(NamedTuple):
    """A batch of replies, padded on the right.

    Args:
        tokens: Token ids, (B, L).
        mask: True at tokens of the replies, (B, L).
        sampler_log_prob: Log-probabilities of the models that drew them, (B, L); 0 past the end.
        version: Version of the model that drew each, (B,).
    """

    tokens: Int64[Tensor, "B L"]
    mask: Bool[Tensor, "B L"]
    sampler_log_prob: Float[Tensor, "B L"]
    version: Int64[Tensor, " B"]


class ServedPolicy:
    """A policy whose replies come from a server.

    Args:
        model: The model that learns.
        server: Server that draws with copies of its weights.
        pad: Id that fills the end of shorter replies.
        max_tokens: Most tokens of a reply.
        sync_every: Updates of the model between two updates of the server.
        max_staleness: Most updates of the model since those weights that a reply was drawn with.
        tries: How often replies that are too old are drawn again.

    Raises:
        UserError: Replies would be too old before the server is updated.
    """

    def __init__(
        self,
        model: nn.Module,
        server: GenerationServer,
        *,
        pad: int,
        max_tokens: int,
        sync_every: int = 1,
        max_staleness: int = 4,
        tries: int = 3,
    ):
        if sync_every < 1 or max_staleness < sync_every - 1:
            raise UserError(
                f"sync_every={sync_every} leaves replies {sync_every - 1} updates old, and "
                f"max_staleness={max_staleness} refuses them; update the server more often"
            )
        self.model, self.server, self.pad, self.max_tokens = model, server, pad, max_tokens
        self.sync_every, self.max_staleness, self.tries = sync_every, max_staleness, tries
        self.version = 0
        self._push()

    def updated(self) -> None:
        """Count an update of the model, and send its weights to the server when it is time.

        Raises:
            UserError: The generation server does not take the weights.
        """
        self.version += 1
        if self.version % self.sync_every == 0:
            self._push()

    def _push(self) -> None:
        weights = ((name, value.detach()) for name, value in self.model.state_dict().items())
        with _answering("take weights"):
            self.server.update(weights, self.version)

    def sample(self, prompts: Sequence[Sequence[int]]) -> Replies:
        """One reply to each prompt; those of too old a model are drawn again.

        Args:
            prompts: Token ids of each prompt.

        Raises:
            UserError: The server still answers with too old a model, or with log-probabilities of
                another number of tokens; or it does not answer.
        """
        drawn = list(self._drawn(prompts))
        for _ in range(self.tries):
            old = [i for i, each in enumerate(drawn) if self._stale(each)]
            if not old:
                return self._padded(drawn)
            for i, each in zip(old, self._drawn([prompts[i] for i in old]), strict=True):
                drawn[i] = each
        if not any(self._stale(each) for each in drawn):
            return self._padded(drawn)
        wrong = next(each.version for each in drawn if self._stale(each))
        raise UserError(
            f"the server answers with version {wrong} of the policy, which has {self.version}; "
            f"max_staleness={self.max_staleness} refuses that: see whether its updates arrive"
        )

    def _stale(self, drawn: ServedReply) -> bool:
        """Whether it is of too old weights, or of later ones than a resumed run has."""
        return not 0 <= self.version - drawn.version <= self.max_staleness

    def _drawn(self, prompts: Sequence[Sequence[int]]) -> Sequence[ServedReply]:
        with _answering("draw replies"):
            found = self.server.generate(prompts, max_tokens=self.max_tokens)
        if len(found) != len(prompts):
            raise UserError(f"the server gave {len(found)} replies to {len(prompts)} prompts")
        for each in found:
            if len(each.tokens) != len(each.log_prob):
                raise UserError(
                    f"the server gave {len(each.log_prob)} log-probabilities of "
                    f"{len(each.tokens)} tokens; ask it for those of the tokens drawn"
                )
        return found

    def _padded(self, drawn: Sequence[ServedReply]) -> Replies:
        longest = max(len(each.tokens) for each in drawn)
        tokens = torch.full((len(drawn), longest), self.pad)
        log_prob = torch.zeros(len(drawn), longest)
        mask = torch.zeros(len(drawn), longest, dtype=torch.bool)
        for row, each in enumerate(drawn):
            count = len(each.tokens)
            tokens[row, :count] = torch.tensor(each.tokens)
            log_prob[row, :count] = torch.tensor(each.log_prob)
            mask[row, :count] = True
        return Replies(tokens, mask, log_prob, torch.tensor([each.version for each in drawn]))


@contextmanager
def _answering(what: str) -> Iterator[None]:
    """Context in which the server is asked, whose failures may be of any kind."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UserError(
            f"the generation server did not {what} ({reason}); start it again, then resume from "
            "the last checkpoint"
        ) from error


def truncated_ratio(
    log_prob: Float[Tensor, "B L"],
    replies: Replies,
    *,
    cap: float = 2.0,
) -> Float[Tensor, "B L"]:
    """Weight of each token's term of the policy gradient; no gradient flows through it.

    w = min(pi(a) / mu(a), cap)

    Args:
        log_prob: Log-probability of each token under the trainer's policy before its update.
        replies: Replies with those of the policy mu that drew them; NaN counts as pi's own.
        cap: Greatest weight: it bounds the variance, and biases what is above it.

    Source: Ionides 2008; for rollouts of another engine Yao et al. 2025.
    """
    apart = (log_prob.detach() - replies.sampler_log_prob).nan_to_num(nan=0.0)
    return apart.exp().clamp(max=cap) * replies.mask


def served_loss(
    log_prob: Float[Tensor, "B L"],
    advantage: Float[Tensor, " B"],
    replies: Replies,
    *,
    cap: float = 2.0,
) -> tuple[Float[Tensor, ""], Mapping[str, Float[Tensor, ""]]]:
    """The policy gradient on served replies, and what to log of their distance.

    L = -sum_t w_t A log pi(a_t) / sum_t 1

    Args:
        log_prob: Log-probability of each token under the policy that learns, with its graph.
        advantage: Advantage of each reply, from the discriminator's newest weights.
        replies: Replies of the server.
        cap: Greatest weight of a token.

    Returns:
        The loss, and the mean weight, the share of tokens at the cap, and the mean distance in
        nats.
    """
    weight, mask = truncated_ratio(log_prob, replies, cap=cap), replies.mask
    tokens = mask.sum().clamp(min=1)
    # The padding may be forbidden to the policy, and 0 times minus infinity is no number
    loss = -(weight * advantage[:, None] * log_prob.masked_fill(~mask, 0)).sum() / tokens
    apart = (log_prob.detach() - replies.sampler_log_prob).masked_fill(~mask, 0).nan_to_num(nan=0.0)
    logs = {
        "importance_weight": weight.sum() / tokens,
        "truncated": ((weight >= cap) & mask).sum() / tokens,
        "sampler_distance": apart.abs().sum() / tokens,
    }
    return loss, logs
