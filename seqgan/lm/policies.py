"""Generators of token sequences: the interface, and an LSTM."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from image_core.adversarial import waits
from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.border import check_tokens
from image_core.adversarial.errors import UserError
from image_core.adversarial.precision import recurrent
from seqgan.data.encode import check_vocabulary, mask_of
from seqgan.lm import softmax
from seqgan.lm.draws import check_draw
from seqgan.lm.softmax import Draw

State = tuple[Tensor, ...]
"""A recurrent state, rows first, so that rows can be selected, repeated and joined."""


class SequencePolicy(nn.Module, ABC):
    """A distribution over token sequences, with sampling, scoring and continuation of prefixes."""

    vocab: int
    start: int
    end: int | None
    pad: int
    exact: bool = True
    """Whether samples follow the density of `log_prob`; a divergence needs both of one policy."""

    @abstractmethod
    def begin(self, rows: int) -> State:
        """State before any token.

        Args:
            rows: Number of sequences.
        """

    @abstractmethod
    def step(self, tokens: Int64[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N H"], State]:
        """Read one token per row; return the hidden state for a `drawer`, and the new state.

        Args:
            tokens: Token of each row, (N,).
            state: State of each row.
        """

    @abstractmethod
    def drawer(
        self, temperature: float = 1.0, top_p: float = 1.0, never: Sequence[int] = ()
    ) -> Draw:
        """A function from the hidden states of `step` to one next token per row, for fixed weights.

        Args:
            temperature: Sampling temperature, above 0; below 1 sharpens.
            top_p: Probability mass of nucleus sampling; 1 samples from all tokens.
            never: Ids that are not drawn; the probabilities of the others are renormalised.
        """

    @abstractmethod
    def log_prob(
        self, tokens: Int64[Tensor, "B T"], temperature: float = 1.0
    ) -> Float[Tensor, "B T"]:
        """Log probability log pi(y_t | y_<t) at a temperature, differentiable; 0 after the end.

        Args:
            tokens: Token ids, (B, T).
            temperature: Temperature of the density.
        """

    def nll(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, ""]:
        """Mean negative log-likelihood in nats per token, excluding padding; differentiable.

        Args:
            tokens: Token ids, (B, T).
        """
        return -self.log_prob(tokens).sum() / self.mask(tokens).sum()

    def mask(self, tokens: Int64[Tensor, "*B T"]) -> Bool[Tensor, "*B T"]:
        """True up to and including the first end token.

        Args:
            tokens: Token ids, (..., T).
        """
        return mask_of(tokens, self.end)

    def token_vectors(self) -> Tensor | None:
        """The learned vector of each token, (V, E); None if the policy has no such table."""
        return None

    def trim(self, tokens: Int64[Tensor, "B T"]) -> Int64[Tensor, "B U"]:
        """Remove columns of padding only; unchanged on a GPU, where the check costs more.

        Args:
            tokens: Token ids, (B, T).

        Raises:
            UserError: The tokens are no ids of sequences.
        """
        check_tokens("a policy", tokens)
        if self.end is None or not waits.reading_is_free(tokens.device):
            return tokens
        return tokens[:, : int(self.mask(tokens).sum(1).max())]

    @python_call()
    @torch.no_grad()
    def sample(
        self,
        count: int,
        length: int,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        never: Sequence[int] = (),
        prompt: Int64[Tensor, "*rows P"] | None = None,
    ) -> Int64[Tensor, "B T"]:
        """Draw sequences, padded after their end.

        Args:
            count: Number of sequences.
            length: Maximum number of tokens, end token included.
            temperature: Sampling temperature, above 0; below 1 sharpens.
            top_p: Probability mass of nucleus sampling: below 1, only the most likely tokens with
                this total mass are drawn.
            never: Ids that are not drawn.
            prompt: First tokens of every sequence, (P,) or (count, P); counted in `length`.

        Raises:
            UserError: A number is out of range, or the prompt is longer than `length`.
        """
        given = 0 if prompt is None else prompt.shape[-1]
        check_within(0, count=count, length=length)
        check_draw(temperature, top_p)
        if given > length:
            raise UserError(f"prompt has {given} tokens, but length={length}; give a longer one")
        if prompt is not None and prompt.dim() not in (1, 2):
            raise UserError(f"prompt has {prompt.dim()} axes; give one prompt, or one for each row")
        if prompt is not None and prompt.dim() == 2 and len(prompt) != count:
            raise UserError(f"prompt has {len(prompt)} rows, but count={count}; give as many")
        if never:
            check_within(0, self.vocab - 1, never=min(never))
            check_within(0, self.vocab - 1, never=max(never))
            special = {self.pad, self.start} if self.end is not None else set()
            if len(special.union(never)) == self.vocab:
                raise UserError("never holds every id of the vocabulary; leave one to be drawn")
        device = next(self.parameters()).device
        if prompt is not None and waits.reading_is_free(device):
            check_vocabulary(prompt, self.vocab, "prompt")
        tokens = torch.full((count, length), self.pad, dtype=torch.int64, device=device)
        if prompt is not None:
            tokens[:, :given] = prompt
        # On a CPU finished rows are removed; a GPU draws on, and tokens after an end are erased.
        drop_ended = self.end is not None and waits.reading_is_free(device)
        rows = torch.arange(count, device=device)
        draw = self.drawer(temperature, top_p, never)
        state = self.begin(count)
        previous = torch.full((count,), self.start, dtype=torch.int64, device=device)
        for t in range(length):
            hidden, state = self.step(previous, state)
            if t >= given:
                tokens[rows, t] = draw(hidden)
            previous = tokens[rows, t]
            if drop_ended:
                going = previous != self.end
                rows, previous = rows[going], previous[going]
                state = tuple(part[going] for part in state)
                if not len(rows):
                    break
        return torch.where(self.mask(tokens), tokens, self.pad)


class RecurrentPolicy(SequencePolicy):
    """A policy whose state is decoded by one softmax over the vocabulary.

    Subclasses set `output_weight` (H, V), `output_bias` (V) and `forbidden` (V), True for a token
    that is never drawn.
    """

    output_weight: nn.Parameter
    output_bias: nn.Parameter
    forbidden: Tensor

    def forbid_start_and_pad(self) -> None:
        """Make `forbidden` of the ids: where sequences end, neither pad nor start is drawn."""
        forbidden = torch.zeros(self.vocab, dtype=torch.bool)
        if self.end is not None:
            forbidden[[self.pad, self.start]] = True
        self.register_buffer("forbidden", forbidden, persistent=False)

    @abstractmethod
    def _read(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        """Hidden state that predicts each token, from the start token and all tokens before it."""

    def logits(self, hidden: Float[Tensor, "N H"]) -> Float[Tensor, "N V"]:
        """Unnormalised log-probabilities of the next token, differentiable.

        Args:
            hidden: Hidden states of `step`, (N, H).
        """
        return torch.addmm(self._output_bias(), hidden, self.output_weight)

    def every_logit(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Unnormalised log-probabilities of all tokens at each position, given those before it.

        Args:
            tokens: Token ids, (B, T).

        Raises:
            UserError: The tokens are no ids of the vocabulary.
        """
        hidden = self._read_checked(tokens)
        return self.logits(hidden.flatten(0, 1)).view(*tokens.shape, self.vocab)

    def drawer(
        self, temperature: float = 1.0, top_p: float = 1.0, never: Sequence[int] = ()
    ) -> Draw:
        bias = softmax.without(self._output_bias(), never, -1e9)
        return softmax.drawer(self.output_weight, bias, temperature, top_p)

    def log_prob(
        self, tokens: Int64[Tensor, "B T"], temperature: float = 1.0
    ) -> Float[Tensor, "B T"]:
        check_draw(temperature)
        return self.log_prob_of(self._read_checked(tokens), tokens, temperature)

    def nll(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, ""]:
        states = self._read_checked(tokens)
        if not tokens.numel():
            raise UserError("a policy got no tokens; give at least one sequence")
        return self.nll_of(states, tokens)

    def _read_checked(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        """`_read` of tokens from outside; their ids are looked at where reading them failed."""
        check_tokens("a policy", tokens)
        try:
            return self._read(tokens)
        except IndexError:
            check_vocabulary(tokens, self.vocab, "tokens")
            raise

    def log_prob_of(
        self, states: Float[Tensor, "B T H"], tokens: Int64[Tensor, "B T"], temperature: float = 1.0
    ) -> Float[Tensor, "B T"]:
        """`log_prob` where the hidden states that predict the tokens are computed already.

        Args:
            states: Hidden state that predicts each token, (B, T, H).
            tokens: Token ids, (B, T).
            temperature: Temperature of the density.
        """
        mask = self.mask(tokens)
        hidden, counted = states.flatten(0, 1), self._counted(mask)
        bias = self._output_bias() / temperature
        values = softmax.log_prob(
            hidden[counted] / temperature, self.output_weight, bias, tokens.flatten()[counted]
        )
        all_values = values.new_zeros(mask.numel()).index_copy(0, counted, values)
        return torch.where(mask, all_values.view_as(tokens), 0.0)

    def nll_of(
        self, states: Float[Tensor, "B T H"], tokens: Int64[Tensor, "B T"]
    ) -> Float[Tensor, ""]:
        """`nll` where the hidden states that predict the tokens are computed already.

        Args:
            states: Hidden state that predicts each token, (B, T, H).
            tokens: Token ids, (B, T).
        """
        mask = self.mask(tokens)
        hidden, counted = states.flatten(0, 1), self._counted(mask)
        weight, bias = self.output_weight, self._output_bias()
        tokens, mask = tokens.flatten()[counted], mask.flatten()[counted]
        return softmax.mean_nll(hidden[counted], weight, bias, tokens, mask)

    def _counted(self, mask: Bool[Tensor, "B T"]) -> Int64[Tensor, " N"]:
        """Positions that need a softmax: the counted ones, or all on a GPU, which is faster."""
        if self.end is None or not waits.reading_is_free(mask.device):
            return torch.arange(mask.numel(), device=mask.device)
        return mask.flatten().nonzero()[:, 0]

    def _output_bias(self) -> Tensor:
        return self.output_bias.masked_fill(self.forbidden, -1e9)


class LSTMPolicy(RecurrentPolicy):
    """An LSTM language model, as in SeqGAN.

    i, f, g, o = x W_x + h W_h + b
    c <- sigmoid(f) c + sigmoid(i) tanh(g)
    h <- sigmoid(o) tanh(c)
    pi(. | y_<t) = softmax(h W_out + b_out)

    Args:
        vocab: Number of token ids.
        embedding: Size of the token embeddings.
        hidden: Size of each layer's state.
        layers: Number of stacked LSTM layers.
        start: Token id read before the first token.
        end: Token id that ends a sequence; None if all sequences have the same length.
        pad: Token id after the end; if there is an end, neither it nor `start` is ever drawn.
        dropout: Dropout rate on the inputs of every layer and of the softmax, in training mode
            only.
        init_std: Standard deviation of the initial parameters, N(0, init_std^2); SeqGAN uses 0.1,
            its oracle 1.

    Raises:
        UserError: A size is below 1, a rate is out of range, or an id is none of the vocabulary.

    Source: Hochreiter & Schmidhuber 1997; sizes and initialisation of Yu et al. 2017.
    """

    @python_call()
    def __init__(
        self,
        vocab: int,
        embedding: int = 32,
        hidden: int = 32,
        *,
        layers: int = 1,
        start: int = 0,
        end: int | None = None,
        pad: int = 0,
        dropout: float = 0.0,
        init_std: float = 0.1,
    ):
        super().__init__()
        self.no_bias: Tensor
        check_within(1, vocab=vocab, embedding=embedding, hidden=hidden, layers=layers)
        check_within(0, vocab - 1, start=start, pad=pad, end=pad if end is None else end)
        check_within(0, 1, dropout=dropout)
        check_within(0, init_std=init_std)
        if end is not None and end in (start, pad):
            raise UserError(f"end={end} is also start or pad; it could never be drawn")
        self.vocab, self.start, self.end, self.pad = vocab, start, end, pad
        self.hidden, self.layers, self.dropout = hidden, layers, dropout
        sizes = [embedding] + [hidden] * (layers - 1)
        self.embedding = nn.Parameter(torch.empty(vocab, embedding))
        self.input_weight = nn.ParameterList([torch.empty(4 * hidden, size) for size in sizes])
        self.state_weight = nn.ParameterList([torch.empty(4 * hidden, hidden) for _ in sizes])
        self.bias = nn.ParameterList([torch.empty(4 * hidden) for _ in sizes])
        self.output_weight = nn.Parameter(torch.empty(hidden, vocab))
        self.output_bias = nn.Parameter(torch.empty(vocab))
        # torch's LSTM has a second bias; it is a constant zero, so that one bias is trained.
        self.register_buffer("no_bias", torch.zeros(4 * hidden), persistent=False)
        self.forbid_start_and_pad()
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=init_std)

    def token_vectors(self) -> Tensor:
        return self.embedding

    def begin(self, rows: int) -> State:
        zeros = self.embedding.new_zeros(rows, self.layers, self.hidden)
        return zeros, zeros

    def step(self, tokens: Int64[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N H"], State]:
        x = F.embedding(tokens, self.embedding)
        hs, cs = [], []
        for layer, (w_x, w_h, b) in enumerate(self._layers()):
            h, c = state[0][:, layer], state[1][:, layer]
            x, c = torch.lstm_cell(self._drop(x), (h, c), w_x, w_h, b, self.no_bias)
            hs.append(x)
            cs.append(c)
        return self._drop(x), (torch.stack(hs, 1), torch.stack(cs, 1))

    def _read(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        return self._through(self._inputs(tokens))

    def _through(self, x: Float[Tensor, "B T E"]) -> Float[Tensor, "B T H"]:
        """Outputs of the last layer."""
        state = x.new_zeros(1, len(x), self.hidden)
        for w_x, w_h, b in self._layers():
            x = recurrent(_lstm, self._drop(x), state, w_x, w_h, b, self.no_bias)
        return self._drop(x)

    def _inputs(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T E"]:
        """What the first layer reads before each token."""
        return F.embedding(F.pad(tokens[:, :-1], (1, 0), value=self.start), self.embedding)

    def _layers(self) -> zip:
        return zip(self.input_weight, self.state_weight, self.bias, strict=True)

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


def _lstm(x: Tensor, state: Tensor, *weights: Tensor) -> Tensor:
    """Outputs of one layer, (B, T, H), from a state that holds both h and c."""
    return torch.lstm(x, (state, state), weights, True, 1, 0.0, False, False, True)[0]
