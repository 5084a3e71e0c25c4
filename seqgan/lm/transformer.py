"""A small transformer decoder as a policy, with a cache of keys and values."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from image_core.adversarial.errors import UserError
from seqgan.lm.policies import RecurrentPolicy, State

BASE = 10_000.0
"""Longest period of the rotations of a position, in units of 2 pi tokens."""


class TransformerPolicy(RecurrentPolicy):
    """A decoder-only transformer with rotated queries and keys.

    x <- x + out(attention(norm(x))),   x <- x + mlp(norm(x))        in each layer
    pi(. | y_<t) = softmax(norm(x_t) W_out + b_out)

    Its state is a cache: keys and values of each layer, rows first, (N, 2, heads, t, d), which
    grows by one position in each step. Positions are rotations, so that no weight depends on the
    length.

    Args:
        vocab: Number of token ids.
        embedding: Size of the token embeddings, which are projected to `hidden`.
        hidden: Size of a layer, a multiple of twice the number of heads.
        layers: Number of layers.
        heads: Number of attention heads.
        start: Token id read before the first token.
        end: Token id that ends a sequence; None if all sequences have the same length.
        pad: Token id after the end; if there is an end, neither it nor `start` is ever drawn.
        dropout: Dropout rate on the embeddings and on what each layer adds, in training mode only.

    Raises:
        UserError: `hidden` is not a multiple of twice the number of heads.

    Source: Radford et al. 2019 (GPT-2); positions of Su et al. 2021.
    """

    def __init__(
        self,
        vocab: int,
        embedding: int = 64,
        hidden: int = 64,
        *,
        layers: int = 2,
        heads: int = 4,
        start: int = 0,
        end: int | None = None,
        pad: int = 0,
        dropout: float = 0.0,
    ):
        super().__init__()
        if hidden % (2 * heads):
            raise UserError(
                f"--hidden {hidden}: a transformer of {heads} heads needs a multiple of {2 * heads}"
            )
        self.vocab, self.start, self.end, self.pad = vocab, start, end, pad
        self.dropout, self.heads, self.size = dropout, heads, hidden // heads
        self.embedding = nn.Embedding(vocab, embedding)
        self.project = nn.Linear(embedding, hidden, bias=False)
        self.blocks = nn.ModuleList([_Block(hidden, heads, dropout) for _ in range(layers)])
        self.norm = nn.LayerNorm(hidden)
        self.output_weight = nn.Parameter(torch.empty(hidden, vocab))
        self.output_bias = nn.Parameter(torch.zeros(vocab))
        nn.init.normal_(self.output_weight, std=hidden**-0.5)
        self.forbid_start_and_pad()

    def token_vectors(self) -> Tensor:
        return self.embedding.weight

    def begin(self, rows: int) -> State:
        empty = self.output_bias.new_zeros(rows, 2, self.heads, 0, self.size)
        return (empty,) * len(self.blocks)

    def step(self, tokens: Int64[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N H"], State]:
        x, turn = self._embed(tokens[:, None]), self._rotation(state[0].shape[3], 1)
        after = []
        for block, past in zip(self.blocks, state, strict=True):
            x, present = block(x, turn, past)
            after.append(present)
        return self.norm(x)[:, 0], tuple(after)

    def _read(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        x = self._embed(F.pad(tokens[:, :-1], (1, 0), value=self.start))
        turn = self._rotation(0, tokens.shape[1])
        for block in self.blocks:
            x, _ = block(x, turn, None)
        return self.norm(x)

    def _embed(self, tokens: Int64[Tensor, "N T"]) -> Float[Tensor, "N T H"]:
        return F.dropout(self.project(self.embedding(tokens)), self.dropout, self.training)

    def _rotation(self, first: int, count: int) -> Float[Tensor, "2 count half"]:
        """Cosines and sines of positions `first` and after, which all heads share."""
        half = self.size // 2
        device = self.output_bias.device
        rate = BASE ** (-torch.arange(half, device=device) / half)
        angle = torch.arange(first, first + count, device=device)[:, None] * rate
        return torch.stack([angle.cos(), angle.sin()])


class _Block(nn.Module):
    """One layer: attention to what came before, then a network of each position.

    Args:
        hidden: Size of the layer.
        heads: Number of attention heads.
        dropout: Dropout rate of what is added.
    """

    def __init__(self, hidden: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norms = nn.ModuleList([nn.LayerNorm(hidden) for _ in range(2)])
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.out = nn.Linear(hidden, hidden)
        self.mlp = nn.Sequential(
            nn.Linear(hidden, 4 * hidden), nn.GELU(), nn.Linear(4 * hidden, hidden)
        )

    def forward(
        self,
        x: Float[Tensor, "N T H"],
        turn: Float[Tensor, "2 T half"],
        past: Float[Tensor, "N 2 heads t d"] | None,
    ) -> tuple[Float[Tensor, "N T H"], Float[Tensor, "N 2 heads u d"]]:
        """Outputs, and keys and values of all positions so far.

        Args:
            x: Inputs of the new positions; one of them if there is a past.
            turn: Rotation of the new positions.
            past: Keys and values of earlier positions; None if there are none.
        """
        parts = self.query_key_value(self.norms[0](x)).unflatten(2, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        present = torch.stack([_rotated(key, turn), value], 1)
        if past is not None:
            present = torch.cat([past, present], 3)
        attended = F.scaled_dot_product_attention(
            _rotated(query, turn), present[:, 0], present[:, 1], is_causal=past is None
        )
        x = x + self._drop(self.out(attended.transpose(1, 2).flatten(2)))
        return x + self._drop(self.mlp(self.norms[1](x))), present

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


def _rotated(
    x: Float[Tensor, "N heads T d"], turn: Float[Tensor, "2 T half"]
) -> Float[Tensor, "N heads T d"]:
    """Each pair of coordinates rotated by the angle of its position."""
    cos, sin = turn.to(x.dtype)
    one, other = x.chunk(2, -1)
    return torch.cat([one * cos - other * sin, other * cos + one * sin], -1)
