"""A mixture of policies, one for each label of the text."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from seqgan.lm.policies import RecurrentPolicy, SequencePolicy, State
from seqgan.lm.softmax import Draw


class MixturePolicy(SequencePolicy):
    """Draws a label by its share and a sequence of its policy.

    p(y) = sum_i share_i G_i(y),   p(y_t | y_<t) = p(y_1..y_t) / p(y_1..y_t-1)

    Args:
        parts: Policy of each label.
        shares: Probability of each label.
    """

    def __init__(self, parts: Sequence[RecurrentPolicy], shares: Sequence[float]):
        super().__init__()
        first = parts[0]
        self.vocab, self.start, self.end, self.pad = first.vocab, first.start, first.end, first.pad
        self.parts = nn.ModuleList(parts)
        self.log_share: Tensor
        self.register_buffer("log_share", torch.tensor(shares).log())

    def labelled(self) -> list[RecurrentPolicy]:
        """The policy of each label, in the order of the labels."""
        return [part for part in self.parts if isinstance(part, RecurrentPolicy)]

    def begin(self, rows: int) -> State:
        """Log-weights of the labels, their hidden states (none yet), and the state of each part."""
        states = [part for policy in self.labelled() for part in policy.begin(rows)]
        empty = self.log_share.new_zeros(rows, len(self.labelled()), 0)
        return (self.log_share.expand(rows, -1), empty, *states)

    def step(self, tokens: Int64[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N H"], State]:
        weight, hidden, *states = state
        if hidden.shape[2]:  # what was read tells which label it may be
            told = [
                part.logits(h).log_softmax(-1).gather(1, tokens[:, None])
                for part, h in zip(self.labelled(), hidden.unbind(1), strict=True)
            ]
            weight = weight + torch.cat(told, 1)
        each = len(states) // len(self.labelled())
        now: list[Tensor] = []
        after: list[Tensor] = []
        for i, part in enumerate(self.labelled()):
            h, own = part.step(tokens, tuple(states[i * each : (i + 1) * each]))
            now.append(h)
            after += own
        hidden = torch.stack(now, 1)
        seen = torch.cat([weight[:, :, None], hidden], 2).flatten(1)
        return seen, (weight, hidden, *after)

    def drawer(
        self, temperature: float = 1.0, top_p: float = 1.0, never: Sequence[int] = ()
    ) -> Draw:
        draws = [part.drawer(temperature, top_p, never) for part in self.labelled()]

        def draw(seen: Float[Tensor, "N H"]) -> Int64[Tensor, " N"]:
            parts = seen.view(len(seen), len(draws), -1)
            label = torch.multinomial(parts[:, :, 0].softmax(1), 1)
            tokens = [own(h[:, 1:]) for own, h in zip(draws, parts.unbind(1), strict=True)]
            return torch.stack(tokens, 1).gather(1, label)[:, 0]

        return draw

    def log_prob(
        self, tokens: Int64[Tensor, "B T"], temperature: float = 1.0
    ) -> Float[Tensor, "B T"]:
        each = torch.stack([part.log_prob(tokens, temperature) for part in self.labelled()], 2)
        so_far = (each.cumsum(1) + self.log_share).logsumexp(2)
        before = torch.nn.functional.pad(so_far[:, :-1], (1, 0))
        return so_far - before
