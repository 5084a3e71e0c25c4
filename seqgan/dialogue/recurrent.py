"""The 2017 baseline: an LSTM encoder and decoder with attention (Li et al. 2017)."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from image_core.adversarial.precision import recurrent
from seqgan.dialogue.policies import AttentionMask, Contexts, DialoguePolicy, Replies


class AttentionState(NamedTuple):
    """What the decoder goes on from; rows first everywhere.

    Args:
        hidden: (N, layers, H).
        cell: (N, layers, H).
        encoded: (N, C, H).
        attention_mask: (N, C), False at padding.
    """

    hidden: Float[Tensor, "N L H"]
    cell: Float[Tensor, "N L H"]
    encoded: Float[Tensor, "N C H"]
    attention_mask: Bool[Tensor, "N C"]


@final
class AttentionPolicy(DialoguePolicy, PyTorchModelHubMixin):
    """LSTM sequence to sequence with dot-product attention.

    a = softmax_c(h . e_c),  logits = W tanh(W_a [h; sum_c a_c e_c])             (Luong et al. 2015)

    The encoder has no bias and reads zeros at padding, so its state is exactly zero before the
    context begins: a row means the same whatever it is padded to.

    Args:
        vocab: As in `DialoguePolicy`, like `end`, `pad` and `forbidden`.
        size: Size of embeddings and states.
        layers: LSTMs on top of one another, of the encoder and of the decoder.
        dropout: Dropout between layers and before the output, in training mode.
    """

    def __init__(
        self,
        vocab: int,
        size: int = 512,
        layers: int = 2,
        dropout: float = 0.0,
        *,
        end: int,
        pad: int,
        forbidden: Sequence[int] = (),
    ):
        super().__init__(vocab, end=end, pad=pad, forbidden=forbidden)
        between = dropout if layers > 1 else 0.0
        self.dropout = dropout
        self.embedding = nn.Embedding(vocab, size)
        self.start = nn.Parameter(torch.zeros(size))
        self.encoder = nn.LSTM(size, size, layers, bias=False, batch_first=True, dropout=between)
        self.decoder = nn.LSTM(size, size, layers, batch_first=True, dropout=between)
        self.attention = nn.Linear(2 * size, size)
        self.output = nn.Linear(size, vocab)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)

    def read(
        self, context: Contexts, attention_mask: AttentionMask
    ) -> tuple[Float[Tensor, "B V"], AttentionState]:
        state = self._encode(context, attention_mask)
        return self._decode(self.start.expand(len(context), 1, -1), state)

    def step(
        self, tokens: Int64[Tensor, " B"], state: AttentionState
    ) -> tuple[Float[Tensor, "B V"], AttentionState]:
        return self._decode(self.embedding(tokens)[:, None], state)

    def select(self, state: AttentionState, rows: Int64[Tensor, " N"]) -> AttentionState:
        return AttentionState(*(part[rows] for part in state))

    def join(self, first: AttentionState, second: AttentionState) -> AttentionState:
        return AttentionState(*(torch.cat(pair) for pair in zip(first, second, strict=True)))

    def logits(
        self, context: Contexts, attention_mask: AttentionMask, reply: Replies
    ) -> Float[Tensor, "B T V"]:
        start = self.start.expand(len(reply), 1, -1)
        inputs = torch.cat([start, self.embedding(reply[:, :-1])], 1)
        return self._read_out(inputs, self._encode(context, attention_mask))[0]

    def save_pretrained(self, folder: Path) -> None:
        PyTorchModelHubMixin.save_pretrained(self, folder)

    def _encode(self, context: Contexts, attention_mask: AttentionMask) -> AttentionState:
        inputs = self.embedding(context) * attention_mask[..., None]
        encoded, (hidden, cell) = recurrent(self.encoder, inputs)
        return AttentionState(hidden.transpose(0, 1), cell.transpose(0, 1), encoded, attention_mask)

    def _decode(self, inputs: Tensor, state: AttentionState) -> tuple[Tensor, AttentionState]:
        logits, after = self._read_out(inputs, state)
        return logits[:, -1], after

    def _read_out(self, inputs: Tensor, state: AttentionState) -> tuple[Tensor, AttentionState]:
        before = [part.transpose(0, 1).contiguous() for part in (state.hidden, state.cell)]
        h, (hidden, cell) = recurrent(lambda x, h, c: self.decoder(x, (h, c)), inputs, *before)
        fit = (h @ state.encoded.mT).masked_fill(~state.attention_mask[:, None], -torch.inf)
        read = fit.softmax(-1) @ state.encoded
        out = torch.tanh(self.attention(torch.cat([h, read], -1)))
        logits = self.output(F.dropout(out, self.dropout, self.training))
        after = AttentionState(
            hidden.transpose(0, 1), cell.transpose(0, 1), state.encoded, state.attention_mask
        )
        return self.ban(logits), after
