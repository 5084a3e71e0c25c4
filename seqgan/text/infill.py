"""Networks of in-filling: a policy and a discriminator that read a sentence with gaps."""

import re
import sys
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from image_core.adversarial.errors import UserError
from image_core.adversarial.precision import recurrent
from seqgan.lm import softmax
from seqgan.lm.policies import RecurrentPolicy, State


def draw_gaps(
    inside: Bool[Tensor, "B T"], rate: float, kind: str, uniform: Float[Tensor, "B T"]
) -> Bool[Tensor, "B T"]:
    """Gaps in sequences: a share of the tokens of each, at least one.

    Args:
        inside: True for tokens that may be a gap, the first n of each sequence, (B, T).
        rate: Share of the tokens that become gaps.
        kind: "contiguous" for one run of gaps, "random" for any tokens.
        uniform: Uniform random numbers, (B, T).
    """
    count = inside.sum(1, keepdim=True)
    size = torch.minimum((rate * count).round().clamp(min=1).long(), count)
    if kind == "contiguous":
        place = torch.arange(inside.shape[1], device=inside.device)
        first = (uniform[:, :1] * (count - size + 1)).long()
        return (place >= first) & (place < first + size)
    rank = uniform.masked_fill(~inside, 2.0).argsort(1).argsort(1)
    return rank < size


def sentence_with_gaps(
    text: str, encode: Callable[[str], Int64[Tensor, " P"]], policy: "InfillPolicy", length: int
) -> tuple[Int64[Tensor, "1 T"], Bool[Tensor, "1 T"]]:
    """A sentence in which two or more underscores stand for a missing token, and its gaps.

    Args:
        text: The sentence.
        encode: Function from words to their ids.
        policy: Policy that is to fill the gaps.
        length: Tokens of a sequence, including padding.

    Raises:
        UserError: There is no gap, or the sentence is too long, or not of the one length.
    """
    parts = [encode(part) for part in re.split("_{2,}", text)]
    if len(parts) < 2:
        raise UserError(f"--text {text}: it has no gap; write ___ for each token that is missing")
    missing, between = torch.full((1,), policy.pad), torch.ones(1, dtype=torch.bool)
    tokens, gaps = [parts[0]], [torch.zeros(len(parts[0]), dtype=torch.bool)]
    for part in parts[1:]:
        tokens += [missing, part]
        gaps += [between, torch.zeros(len(part), dtype=torch.bool)]
    ends = [] if policy.end is None else [policy.end]
    row = torch.cat([*tokens, torch.tensor(ends, dtype=torch.int64)])
    if len(row) > length or (policy.end is None and len(row) < length):
        most = length - len(ends)
        raise UserError(
            f"--text has {len(row) - len(ends)} tokens, and the run's sentences have "
            f"{'exactly' if policy.end is None else 'at most'} {most}"
        )
    after = length - len(row)
    return F.pad(row, (0, after), value=policy.pad)[None], F.pad(
        torch.cat(gaps), (0, after + len(ends)), value=False
    )[None]


def tell_of_separate_gaps(gaps: Bool[Tensor, "1 T"], kind: str) -> None:
    """Say that a run has learned one run of gaps a sentence, where the sentence has several.

    Args:
        gaps: True = gap, (1, T).
        kind: Kind of the gaps in training, as in `draw_gaps`.
    """
    begins = gaps & ~F.pad(gaps[:, :-1], (1, 0), value=False)
    if kind == "contiguous" and int(begins.sum()) > 1:
        print(
            "the run has learned to fill one run of gaps in a sentence (--gaps contiguous); gaps "
            "with words between them are filled better by one with --gaps random --gap_rate 0.3",
            file=sys.stderr,
        )


class GapReader(nn.Module):
    """States of a sentence with gaps, in both directions.

    c = LSTM_both(e_1, ..., e_T),   e_t = the vector of token t, or of a gap

    Args:
        vocab: Number of token ids.
        embedding: Size of a token's vector.
        hidden: Size of the state in each direction.
    """

    def __init__(self, vocab: int, embedding: int, hidden: int):
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(vocab, embedding))
        self.gap = nn.Parameter(torch.randn(embedding))
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True, bidirectional=True)

    def forward(
        self, tokens: Int64[Tensor, "B T"], gaps: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B T C"]:
        x = torch.where(gaps[:, :, None], self.gap, F.embedding(tokens, self.embedding))
        return recurrent(lambda inputs: self.lstm(inputs)[0], x)


class InfillPolicy(RecurrentPolicy):
    """A language model that reads a sentence with gaps before it writes the sentence anew.

    h_t = LSTM(e(y_(t-1)), c_t),   pi(. | y_<t, c) = softmax(tanh(W_j [h_t, c_t]) W + b)

    c are the states of a `GapReader`. Tokens that are given are copied, and no gap is filled with
    an end. As a policy of whole sequences it has no sentence to read, and c is 0.

    Args:
        vocab: Number of token ids.
        embedding: Size of a token's vector.
        hidden: Size of the state.
        start: Token id read before the first token.
        end: Token id that ends a sequence; None if all sequences have the same length.
        pad: Token id after the end; if there is an end, neither it nor `start` is ever drawn.
        dropout: Dropout of the inputs of the decoder and of the softmax, in training mode.

    Source: Fedus, Goodfellow & Dai 2018, there with attention in place of c_t.
    """

    def __init__(
        self,
        vocab: int,
        embedding: int = 32,
        hidden: int = 32,
        *,
        start: int = 0,
        end: int | None = None,
        pad: int = 0,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.vocab, self.start, self.end, self.pad = vocab, start, end, pad
        self.hidden, self.dropout = hidden, dropout
        self.reader = GapReader(vocab, embedding, hidden)
        self.decoder = nn.LSTM(embedding + 2 * hidden, hidden, batch_first=True)
        self.join = nn.Linear(3 * hidden, hidden)
        self.output_weight = nn.Parameter(0.1 * torch.randn(hidden, vocab))
        self.output_bias = nn.Parameter(torch.zeros(vocab))
        self.forbid_start_and_pad()

    def token_vectors(self) -> Tensor:
        return self.reader.embedding

    def begin(self, rows: int) -> State:
        return self._begun(self.output_bias.new_zeros(rows, 1, 2 * self.hidden))

    def step(self, tokens: Int64[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N H"], State]:
        h, c, place, context = state
        now = context[torch.arange(len(place), device=place.device), place]
        x = torch.cat([F.embedding(tokens, self.reader.embedding), now], 1)
        d = self.decoder
        weights = (d.weight_ih_l0, d.weight_hh_l0, d.bias_ih_l0, d.bias_hh_l0)
        h, c = torch.lstm_cell(self._drop(x), (h, c), *weights)  # type: ignore[arg-type]
        after = (place + 1).clamp(max=context.shape[1] - 1)
        return self._joined(h, now), (h, c, after, context)

    def _read(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        return self._states(tokens, self.output_bias.new_zeros(*tokens.shape, 2 * self.hidden))

    def fill_log_prob(
        self,
        tokens: Int64[Tensor, "B T"],
        gaps: Bool[Tensor, "B T"],
        filled: Int64[Tensor, "B T"],
    ) -> Float[Tensor, "B T"]:
        """Log probability of each token that fills a gap; 0 elsewhere; differentiable.

        Args:
            tokens: Sentences whose gaps are not read, (B, T).
            gaps: True = gap, (B, T).
            filled: Filled sentences, (B, T).
        """
        hidden = self._states(filled, self.reader(tokens, gaps)).flatten(0, 1)
        counted = self._counted(gaps)
        bias = self._fill_bias()
        values = softmax.log_prob(
            hidden[counted], self.output_weight, bias, filled.flatten()[counted]
        )
        every = values.new_zeros(gaps.numel()).index_copy(0, counted, values)
        return torch.where(gaps, every.view_as(gaps), 0.0)

    @torch.no_grad()
    def fill(
        self,
        tokens: Int64[Tensor, "B T"],
        gaps: Bool[Tensor, "B T"],
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        never: Sequence[int] = (),
    ) -> Int64[Tensor, "B T"]:
        """Fill gaps by samples, from left to right; other tokens stay as they are.

        Args:
            tokens: Sentences whose gaps are not read, (B, T).
            gaps: True = gap, (B, T).
            temperature: Sampling temperature, above 0; below 1 sharpens.
            top_p: Probability mass of nucleus sampling.
            never: Further ids that are not drawn.
        """
        ends = [] if self.end is None else [self.end]
        draw = self.drawer(temperature, top_p, [*never, *ends])
        state = self._begun(self.reader(tokens, gaps))
        previous = torch.full_like(tokens[:, 0], self.start)
        filled = []
        for given, gap in zip(tokens.unbind(1), gaps.unbind(1), strict=True):
            hidden, state = self.step(previous, state)
            previous = torch.where(gap, draw(hidden), given)
            filled.append(previous)
        return torch.stack(filled, 1)

    def _fill_bias(self) -> Tensor:
        bias = self._output_bias()
        if self.end is None:
            return bias
        ends = torch.arange(self.vocab, device=bias.device) == self.end
        return bias.masked_fill(ends, -1e9)

    def _begun(self, context: Float[Tensor, "B T C"]) -> State:
        zeros = context.new_zeros(len(context), self.hidden)
        place = torch.zeros(len(context), dtype=torch.int64, device=context.device)
        return zeros, zeros, place, context

    def _states(
        self, tokens: Int64[Tensor, "B T"], context: Float[Tensor, "B T C"]
    ) -> Float[Tensor, "B T H"]:
        before = F.pad(tokens[:, :-1], (1, 0), value=self.start)
        x = torch.cat([F.embedding(before, self.reader.embedding), context], 2)
        h = recurrent(lambda inputs: self.decoder(inputs)[0], self._drop(x))
        return self._joined(h, context)

    def _joined(
        self, h: Float[Tensor, "*rows H"], context: Float[Tensor, "*rows C"]
    ) -> Float[Tensor, "*rows H"]:
        return self._drop(self.join(torch.cat([h, context], -1)).tanh())

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


class InfillDiscriminator(nn.Module):
    """A logit for every token of a filled sentence, from the sentence with gaps and tokens so far.

    k_t = LSTM(e(y_t), c_t),   d_t = w . k_t + b,   high = real

    Without the gaps it could not know which of two tokens that clash was filled in.

    Args:
        vocab: Number of token ids.
        embedding: Size of a token's vector.
        hidden: Size of the state.
        dropout: Dropout of the decoder's inputs in training mode.

    Source: Fedus, Goodfellow & Dai 2018, section 3.
    """

    def __init__(self, vocab: int, embedding: int, hidden: int, *, dropout: float = 0.0):
        super().__init__()
        self.dropout = dropout
        self.reader = GapReader(vocab, embedding, hidden)
        self.decoder = nn.LSTM(embedding + 2 * hidden, hidden, batch_first=True)
        self.last = nn.Linear(hidden, 1)

    def states(
        self,
        tokens: Int64[Tensor, "B T"],
        gaps: Bool[Tensor, "B T"],
        filled: Int64[Tensor, "B T"],
    ) -> Float[Tensor, "B T H"]:
        """States k after each token of the filled sentences.

        Args:
            tokens: Sentences whose gaps are not read, (B, T).
            gaps: True = gap, (B, T).
            filled: Filled sentences, (B, T).
        """
        x = torch.cat([F.embedding(filled, self.reader.embedding), self.reader(tokens, gaps)], 2)
        x = F.dropout(x, self.dropout, self.training)
        return recurrent(lambda inputs: self.decoder(inputs)[0], x)

    def logits(self, states: Float[Tensor, "B T H"]) -> Float[Tensor, "B T"]:
        """Logit of each token from the state after it.

        Args:
            states: States, (B, T, H).
        """
        return self.last(states)[:, :, 0]

    def forward(
        self,
        tokens: Int64[Tensor, "B T"],
        gaps: Bool[Tensor, "B T"],
        filled: Int64[Tensor, "B T"],
    ) -> Float[Tensor, "B T"]:
        return self.logits(self.states(tokens, gaps, filled))
