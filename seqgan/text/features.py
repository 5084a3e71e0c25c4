"""Features of prefixes, for a generator and a discriminator that are to know the same."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from seqgan.lm.policies import LSTMPolicy, State


class Features(ABC):
    """Numbers computed from each prefix of a sequence, by a rule that is not learned.

    Args:
        size: Number of features.
    """

    size: int

    @abstractmethod
    def begin(self, rows: int) -> State:
        """State before any token, of tensors with rows first.

        Args:
            rows: Number of sequences.
        """

    @abstractmethod
    def step(self, tokens: Int64[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N F"], State]:
        """Read one token per row; return the features of the longer prefix, and the new state.

        Args:
            tokens: Token of each row, (N,).
            state: State of each row.
        """

    def of(self, tokens: Int64[Tensor, "B T"], start: int) -> Float[Tensor, "B T F"]:
        """Features of what stands before each token.

        Args:
            tokens: Token ids, (B, T).
            start: Id read before the first token.
        """
        state = self.begin(len(tokens))
        found = []
        for column in F.pad(tokens[:, :-1], (1, 0), value=start).unbind(1):
            values, state = self.step(column, state)
            found.append(values)
        return torch.stack(found, 1)


class FeaturedPolicy(LSTMPolicy):
    """An LSTM policy that reads the features of the prefix beside its last token.

    x_t = [y_(t-1), phi(y_<t)],   h_t = LSTM(h_(t-1), x_t)
    pi(. | y_<t) = softmax(W relu(A [h_t, x_t] + a) + b)

    Args:
        features: Features of prefixes.
        vocab: Number of token ids.
        embedding: Size of the token embeddings.
        hidden: Size of the state.
        start: Token id read before the first token.
        end: Token id that ends a sequence; None if all sequences have the same length.
        pad: Token id after the end.
    """

    def __init__(
        self,
        features: Features,
        vocab: int,
        embedding: int = 32,
        hidden: int = 64,
        *,
        start: int = 0,
        end: int | None = None,
        pad: int = 0,
    ):
        super().__init__(vocab, embedding, hidden, start=start, end=end, pad=pad)
        self.features = features
        read = embedding + features.size
        wide = torch.empty(4 * hidden, read)
        self.input_weight[0] = nn.Parameter(nn.init.normal_(wide, std=0.1))
        self.join = nn.Linear(hidden + read, hidden)

    def begin(self, rows: int) -> State:
        device = self.embedding.device
        return (*super().begin(rows), *(x.to(device) for x in self.features.begin(rows)))

    def step(self, tokens: Int64[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N H"], State]:
        values, known = self.features.step(tokens, state[2:])
        x = torch.cat([F.embedding(tokens, self.embedding), values], 1)
        h, c = torch.lstm_cell(
            x,
            (state[0][:, 0], state[1][:, 0]),
            self.input_weight[0],
            self.state_weight[0],
            self.bias[0],
            self.no_bias,
        )
        return self._joined(h, x), (h[:, None], c[:, None], *known)

    def _joined(self, h: Float[Tensor, "*N H"], x: Float[Tensor, "*N E"]) -> Float[Tensor, "*N H"]:
        return self.join(torch.cat([h, x], -1)).relu()

    def _read(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        x = self._inputs(tokens)
        return self._joined(self._through(x), x)

    def _inputs(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T E"]:
        read = super()._inputs(tokens)
        return torch.cat([read, self.features.of(tokens, self.start).to(read.dtype)], 2)
