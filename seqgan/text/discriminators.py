"""Discriminators of token sequences: one logit per sequence, high = real."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.border import check_floating, check_tokens
from image_core.adversarial.errors import UserError
from seqgan.data.encode import check_vocabulary, mask_of
from seqgan.text.conv_bank import max_over_time
from seqgan.text.products import affine

Scorer = Callable[[Tensor], Tensor]

SEQGAN_FILTERS = (
    *((1, 100), (2, 200), (3, 200), (4, 200), (5, 200), (6, 100), (7, 100), (8, 100)),
    *((9, 100), (10, 100), (15, 160), (20, 160)),
)
"""(width, number of filters) of SeqGAN's convolutions: 1,720 features."""


class SequenceDiscriminator(nn.Module, ABC):
    """Distinguishes real sequences from generated ones."""

    embedding: Tensor
    """A vector for each token, (V, E)."""

    end: int | None = None
    """Id that ends a sequence; None where none does."""

    @abstractmethod
    def embed(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T E"]:
        """Embed tokens, zero past the end; gradient penalties differentiate at these vectors.

        Args:
            tokens: Token ids, (B, T).
        """

    def embed_relaxed(
        self, x: Float[Tensor, "B T V"], mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B T E"]:
        """Embed relaxed tokens: the mean of the token vectors, weighted by x; zero past the end.

        Args:
            x: Relaxed tokens, (B, T, V), each a distribution.
            mask: True up to the end, (B, T).
        """
        return (x @ self.embedding) * mask[:, :, None]

    @abstractmethod
    def score(
        self, embedded: Float[Tensor, "B T E"], lengths: Int64[Tensor, " B"] | None
    ) -> Float[Tensor, " B"]:
        """Compute the logits of embedded sequences, differentiable twice.

        Args:
            embedded: Embedded sequences, (B, T, E).
            lengths: Number of tokens of each, (B,); None = all T.
        """

    @abstractmethod
    def forward(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, " B"]:
        """Compute logits, high = real.

        Args:
            tokens: Token ids, (B, T).
        """

    def lengths(self, tokens: Int64[Tensor, "B T"]) -> Int64[Tensor, " B"] | None:
        """Number of tokens in each sequence up to its end; None = all.

        Args:
            tokens: Token ids, (B, T).
        """
        return None if self.end is None else mask_of(tokens, self.end).sum(1)

    @abstractmethod
    def regularizer(self) -> Float[Tensor, ""]:
        """Term that is added to the discriminator's loss."""

    @abstractmethod
    def scorer(self) -> Scorer:
        """Return a function from many sequences to their logits, for fixed weights.

        It uses neither dropout nor gradients, and is invalid after the discriminator's next update.
        """


class CNNDiscriminator(SequenceDiscriminator):
    """SeqGAN's discriminator: embedding, convolutions of many widths, highway layer, two outputs.

    y = t * relu(A x + a) + (1 - t) * x,  t = sigmoid(B x + b)            (highway)
    logit = o_real - o_fake                          (the softmax over two classes in one number)

    Args:
        vocab: Number of token ids.
        embedding: Size of a token's vector.
        filters: Filters as (width, number) of each convolution.
        end: Id that ends a sequence; None if all sequences have one length.
        dropout: Probability of dropping a feature in training mode.
        l2: Weight of the squared norm of the output layer's parameters.
        highway: Whether there is a highway layer; without one, features are maxima over time.

    Raises:
        UserError: A size is below 1, a rate is out of range, or the end is no id.

    Source: Yu et al. 2017, sizes and initial values of the released code; Zhang & LeCun 2015;
        Srivastava et al. 2015.
    """

    @python_call()
    def __init__(
        self,
        vocab: int,
        embedding: int = 64,
        filters: Sequence[tuple[int, int]] = SEQGAN_FILTERS,
        *,
        end: int | None = None,
        dropout: float = 0.25,
        l2: float = 0.2,
        highway: bool = True,
    ):
        super().__init__()
        check_within(1, vocab=vocab, embedding=embedding)
        check_within(0, vocab - 1, end=0 if end is None else end)
        check_within(0, 1, dropout=dropout)
        check_within(0, l2=l2)
        if not filters or min(min(pair) for pair in filters) < 1:
            raise UserError(f"filters={filters}: give pairs of a width and a number of at least 1")
        self.end, self.dropout, self.l2 = end, dropout, l2
        features = sum(number for _, number in filters)
        self.embedding = nn.Parameter(torch.empty(vocab, embedding).uniform_(-1, 1))
        self.conv_weight = nn.ParameterList([torch.empty(w, embedding, n) for w, n in filters])
        self.conv_bias = nn.ParameterList([torch.full((n,), 0.1) for _, n in filters])
        self.highway_weight = self.highway_bias = None
        if highway:
            self.highway_weight = nn.Parameter(torch.empty(features, 2 * features))
            self.highway_bias = nn.Parameter(torch.zeros(2 * features))
        self.output_weight = nn.Parameter(torch.empty(features, 2))
        self.output_bias = nn.Parameter(torch.full((2,), 0.1))
        for weight in (*self.conv_weight, self.output_weight):
            nn.init.trunc_normal_(weight, std=0.1, a=-0.2, b=0.2)
        if self.highway_weight is not None:
            for half in self.highway_weight.detach().chunk(2, 1):
                nn.init.xavier_uniform_(half)

    def forward(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, " B"]:
        check_tokens("a discriminator", tokens)
        if not len(tokens):
            raise UserError("a discriminator got no sequences; give at least one")
        try:
            return self.logit_of(self.represent(tokens))
        except IndexError:
            check_vocabulary(tokens, len(self.embedding), "tokens")
            raise

    def represent(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B F"]:
        """Compute the features of whole sequences, the input of the output layer.

        Args:
            tokens: Token ids, (B, T).
        """
        lengths = self.lengths(tokens)
        x = self.embed(tokens).transpose(0, 1).contiguous()
        return self._highway(max_over_time(x, lengths, self.conv_weight, self.conv_bias))

    def embed(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T E"]:
        check_tokens("a discriminator", tokens)
        # Looked up time-major, the layout of the convolutions, and returned as (B, T, E).
        x = F.embedding(tokens.t().contiguous(), self.embedding)
        if self.end is not None:
            x = x * mask_of(tokens, self.end).t()[:, :, None]
        return x.transpose(0, 1)

    def score(
        self, embedded: Float[Tensor, "B T E"], lengths: Int64[Tensor, " B"] | None
    ) -> Float[Tensor, " B"]:
        check_floating("score got embedded sequences", embedded)
        if embedded.dim() != 3:
            raise UserError(
                f"score got embedded sequences of shape {tuple(embedded.shape)}; give those of "
                "embed, (batch, time, features)"
            )
        return self.logit_of(self.represent_embedded(embedded, lengths))

    def represent_embedded(
        self, embedded: Float[Tensor, "B T E"], lengths: Int64[Tensor, " B"] | None
    ) -> Float[Tensor, "B F"]:
        """Compute the features of embedded sequences, differentiable twice.

        Args:
            embedded: Embedded sequences, (B, T, E).
            lengths: Number of tokens of each, (B,); None = all T.
        """
        x = embedded.transpose(0, 1)
        if lengths is not None:  # a window wider than its sequence has no gradient past the end
            inside = torch.arange(len(x), device=x.device)[:, None] < lengths
            x = x * inside[:, :, None]
        features = max_over_time(x, lengths, self.conv_weight, self.conv_bias, twice=True)
        return self._highway(features, twice=True)

    def regularizer(self) -> Float[Tensor, ""]:
        """l2 times half the sum of squares of the output layer's parameters."""
        squares = self.output_weight.square().sum() + self.output_bias.square().sum()
        return self.l2 * 0.5 * squares

    def scorer(self) -> Scorer:
        return self._while_fixed(self.forward, self.logit_of)

    def representer(self) -> Scorer:
        """The same as `scorer` for the features (N, F) of `represent`."""
        return self._while_fixed(self.represent, lambda features: features)

    def _while_fixed(self, whole: Scorer, last: Scorer) -> Scorer:
        """Apply `whole`, or for many sequences on a CPU look up features and apply `last`."""
        training = self.training

        def score(tokens: Tensor) -> Tensor:
            self.eval()
            try:
                with torch.no_grad():
                    on_cpu = tokens.device.type == "cpu"
                    parts = tokens.split(256 if on_cpu else 4096)
                    if not on_cpu or len(parts) == 1:
                        # Does not call the module, which may be compiled for the training step
                        return torch.cat([whole(part) for part in parts])
                    return torch.cat(
                        [last(self._highway(part)) for part in self._looked_up(tokens).split(1024)]
                    )
            finally:
                self.train(training)

        return score

    def _highway(
        self, features: Float[Tensor, "B F"], *, twice: bool = False
    ) -> Float[Tensor, "B F"]:
        return F.dropout(self._gated(features, twice=twice), self.dropout, self.training)

    def _gated(
        self, features: Float[Tensor, "B F"], *, twice: bool = False
    ) -> Float[Tensor, "B F"]:
        if self.highway_weight is None or self.highway_bias is None:
            return features
        if twice:
            both = torch.addmm(self.highway_bias, features, self.highway_weight)
        else:
            both = affine(features, self.highway_weight, self.highway_bias)
        plain, gate = both.chunk(2, 1)
        return features + gate.sigmoid() * (plain.relu() - features)

    def no_maxima(self, rows: int) -> Float[Tensor, "N F"]:
        """Maxima of the filters over a sequence of no tokens, before their biases: zeros."""
        return self.output_weight.new_zeros(rows, len(self.output_weight))

    def next_maxima(
        self, maxima: Float[Tensor, "N F"], tokens: Int64[Tensor, "N t"]
    ) -> Float[Tensor, "N F"]:
        """Maxima of the filters over sequences that have become one token longer.

        A window that is wider than a sequence begins with it and hangs over its end, as elsewhere.

        Args:
            maxima: Maxima over the sequences without their last token, (N, F).
            tokens: Sequences that have not ended before their last token, (N, t).
        """
        found, length = [], tokens.shape[1]
        sizes = [weight.shape[2] for weight in self.conv_weight]
        widest = max(len(weight) for weight in self.conv_weight)
        vectors = F.embedding(tokens[:, -widest:], self.embedding)
        for weight, before in zip(self.conv_weight, maxima.split(sizes, 1), strict=True):
            width = min(len(weight), length)
            now = vectors[:, -width:].flatten(1) @ weight[:width].flatten(0, 1)
            found.append(now if length <= len(weight) else torch.maximum(before, now))
        return torch.cat(found, 1)

    def features_of(self, maxima: Float[Tensor, "N F"]) -> Float[Tensor, "N F"]:
        """Features, as `represent` computes them without dropout, from maxima of the filters."""
        return self._gated((maxima + torch.cat(list(self.conv_bias))).relu())

    def logit_of(self, x: Float[Tensor, "B F"]) -> Float[Tensor, " B"]:
        """Logits from the features of `represent`.

        Args:
            x: Features, (B, F).
        """
        outputs = torch.addmm(self.output_bias, x, self.output_weight)
        return outputs[:, 1] - outputs[:, 0]

    def _looked_up(self, tokens: Int64[Tensor, "R T"], rows: int = 256) -> Float[Tensor, "R F"]:
        """Compute the features of many sequences under fixed weights, by table lookup.

        A fixed convolution over embeddings is a sum of table rows: token v at offset j adds E[v]
        W_j, computed once for all tokens. A product of size w E becomes a sum of w rows.
        """
        vocab, widest = len(self.embedding), max(len(w) for w in self.conv_weight)
        nothing = vocab  # an additional row of zeros, for positions past the end
        if self.end is not None:
            tokens = torch.where(mask_of(tokens, self.end), tokens, nothing)
        given = tokens.shape[1]
        tokens = F.pad(tokens, (0, max(0, widest - given)), value=nothing).int()
        lengths = (tokens != nothing).sum(1)
        vectors = F.pad(self.embedding, (0, 0, 0, 1))
        features = vectors.new_empty(len(tokens), sum(len(b) for b in self.conv_bias))
        slots = features.split([len(b) for b in self.conv_bias], 1)
        for weight, bias, slot in zip(self.conv_weight, self.conv_bias, slots, strict=True):
            width = len(weight)
            table = torch.matmul(vectors, weight).flatten(0, 1)
            offsets = torch.arange(width, dtype=torch.int32) * (vocab + 1)
            last = (lengths - width).clamp(min=0)
            for part, last_part, out in zip(
                tokens.split(rows), last.split(rows), slot.split(rows), strict=True
            ):
                windows = part.unfold(1, width, 1) + offsets
                y = F.embedding_bag(windows.flatten(0, 1), table, mode="sum")
                y = y.view(len(part), -1, len(bias))
                if self.end is not None or tokens.shape[1] > given:
                    outside = torch.arange(y.shape[1]) > last_part[:, None]
                    y.masked_fill_(outside[:, :, None], float("-inf"))
                out.copy_(y.amax(1).add_(bias).relu_())
        return features
