"""GPT-2 token by token, as models from scratch are: the same sums without the waiting.

transformers copies all keys and values of a layer to append one, and multiplies a few rows by
matrices as they lie for training. Here keys and values are written where they stay, the last layer
reads a context for its last token alone, and each batch of contexts brings the matrices once into
the form that they are read in: on a CPU as oneDNN packs them, on a GPU in the precision of
autocast. What it returns is what transformers returns, but for rounding.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

ROOM = 32
"""Tokens that there is room for before keys and values have to move."""
FEW = 4
"""Rows from which on packed matrices are faster than packing takes."""

Linear = Callable[[Tensor], Tensor]


class StaticState(NamedTuple):
    """What GPT-2 has read.

    Args:
        decoder: The decoder that read it.
        keys: Keys of every layer, written up to `used`.
        values: Values of every layer.
        seen: False at padding, True at all that is to come.
        used: Number of tokens that are written, padding counted.
        position: Place of the next token among those that are no padding.
    """

    decoder: "GPT2Decoder"
    keys: Float[Tensor, "L N H S D"]
    values: Float[Tensor, "L N H S D"]
    seen: Bool[Tensor, "N S"]
    used: int
    position: Int64[Tensor, " N"]

    def select(self, rows: Int64[Tensor, " M"]) -> "StaticState":
        """A new state of some rows, each as often as it is named."""
        return self._replace(
            keys=self.keys.index_select(1, rows),
            values=self.values.index_select(1, rows),
            seen=self.seen[rows],
            position=self.position[rows],
        )

    def with_room(self) -> "StaticState":
        """The state with room for one more token at least."""
        if self.used < self.seen.shape[1]:
            return self
        more = max(ROOM, self.used // 2)
        return self._replace(
            keys=F.pad(self.keys, (0, 0, 0, more)),
            values=F.pad(self.values, (0, 0, 0, more)),
            seen=F.pad(self.seen, (0, more), value=True),
        )


class Layer(NamedTuple):
    """What a layer computes, but for its attention.

    Args:
        before_attention: Its first norm.
        attend: To queries, keys and values.
        join: From what the heads found.
        before_feed_forward: Its second norm.
        widen: To the hidden units.
        narrow: From the hidden units.
    """

    before_attention: Linear
    attend: Linear
    join: Linear
    before_feed_forward: Linear
    widen: Linear
    narrow: Linear


def decodes(model: Any) -> bool:
    """Whether `GPT2Decoder` does what the model does, now.

    Args:
        model: Any model of transformers.
    """
    from transformers import GPT2LMHeadModel

    if type(model) is not GPT2LMHeadModel or model.training or torch.is_grad_enabled():
        return False
    weight, c = model.lm_head.weight, model.config
    on_cpu, mixed = weight.device.type == "cpu", torch.is_autocast_enabled(weight.device.type)
    return (
        weight.dtype == torch.float32
        and not (on_cpu and mixed)
        and c.activation_function == "gelu_new"
        and c.scale_attn_weights
        and not c.scale_attn_by_inverse_layer_idx
    )


@final
class GPT2Decoder:
    """GPT-2 with the weights that it has now; made anew for each batch of contexts.

    Args:
        model: A GPT-2 of transformers that `decodes`.
        rows: Number of contexts.
    """

    def __init__(self, model: Any, rows: int):
        self.model, self.heads = model.transformer, model.config.n_head
        self.dtype = _read_as(model.lm_head.weight)
        self.head = _linear(model.lm_head.weight, None, rows)

        def turned(part: Any) -> Linear:
            return _linear(part.weight.t(), part.bias, rows)  # it lies the other way round

        self.layers = [
            Layer(
                layer.ln_1,
                turned(layer.attn.c_attn),
                turned(layer.attn.c_proj),
                layer.ln_2,
                turned(layer.mlp.c_fc),
                turned(layer.mlp.c_proj),
            )
            for layer in self.model.h
        ]

    def read(
        self,
        context: Int64[Tensor, "N C"],
        attention_mask: Bool[Tensor, "N C"],
        mask: Bool[Tensor, "N 1 C C"],
        position: Int64[Tensor, "N C"],
    ) -> tuple[Float[Tensor, "N V"], StaticState]:
        """Logits after the contexts, and the state behind them.

        Args:
            context: Contexts, padded on the left.
            attention_mask: False at padding.
            mask: What each token sees.
            position: Place of each token among those that are no padding.
        """
        rows, length = context.shape
        hidden = self.model.wte(context) + self.model.wpe(position)
        depth = hidden.shape[-1] // self.heads
        shape = (len(self.layers), rows, self.heads, length + ROOM, depth)
        keys, values = (hidden.new_zeros(shape, dtype=self.dtype) for _ in "kv")
        seen = F.pad(attention_mask, (0, ROOM), value=True)
        last = len(self.layers) - 1
        for number, layer in enumerate(self.layers):
            query, key, value = self._heads(layer.attend(layer.before_attention(hidden)))
            keys[number, :, :, :length], values[number, :, :, :length] = key, value
            if number == last:
                query, mask, hidden = query[:, :, -1:], mask[:, :, -1:], hidden[:, -1:]
            found = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
            hidden = _feed_forward(layer, hidden + layer.join(_joined(found)))
        state = StaticState(self, keys, values, seen, length, attention_mask.sum(1))
        return self._logits(hidden), state

    def step(
        self, tokens: Int64[Tensor, " N"], state: StaticState
    ) -> tuple[Float[Tensor, "N V"], StaticState]:
        """Logits after one more token, which is written into the state.

        Args:
            tokens: The token of each row.
            state: What was read before.
        """
        state = state.with_room()
        place, keys, values = state.used, state.keys, state.values
        seen = state.seen[:, None, None, : place + 1]
        hidden = (self.model.wte(tokens) + self.model.wpe(state.position))[:, None]
        for number, layer in enumerate(self.layers):
            query, key, value = self._heads(layer.attend(layer.before_attention(hidden)))
            keys[number, :, :, place], values[number, :, :, place] = key[:, :, 0], value[:, :, 0]
            found = F.scaled_dot_product_attention(
                query,
                keys[number, :, :, : place + 1],
                values[number, :, :, : place + 1],
                attn_mask=seen,
            )
            hidden = _feed_forward(layer, hidden + layer.join(_joined(found)))
        after = state._replace(used=place + 1, position=state.position + 1)
        return self._logits(hidden), after

    def _heads(self, mixed: Float[Tensor, "N T F"]) -> tuple[Tensor, ...]:
        """Queries, keys and values, each (N, H, T, D)."""
        parts = mixed.unflatten(2, (3, self.heads, -1)).unbind(2)
        return tuple(part.transpose(1, 2) for part in parts)

    def _logits(self, hidden: Float[Tensor, "N 1 W"]) -> Float[Tensor, "N V"]:
        return self.head(self.model.ln_f(hidden[:, 0]))


def _joined(found: Float[Tensor, "N H T D"]) -> Float[Tensor, "N T W"]:
    return found.transpose(1, 2).flatten(2)


def _feed_forward(layer: Layer, hidden: Float[Tensor, "N T W"]) -> Float[Tensor, "N T W"]:
    wide = F.gelu(layer.widen(layer.before_feed_forward(hidden)), approximate="tanh")
    return hidden + layer.narrow(wide)


def _read_as(weight: Tensor) -> torch.dtype:
    """Precision of products with the weight: its own, or that of autocast."""
    kind = weight.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype


def _linear(weight: Float[Tensor, "O I"], bias: Tensor | None, rows: int) -> Linear:
    """x W^T + b, with W packed where it is worth it."""
    if weight.device.type != "cpu":
        cast = weight.to(_read_as(weight))
        return lambda x: F.linear(x, cast, bias)
    if rows < FEW or not torch.backends.mkldnn.is_available():
        return lambda x: F.linear(x, weight, bias)
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
    return lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
