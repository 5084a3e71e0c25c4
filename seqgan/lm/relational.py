"""A policy with a relational memory: slots that attend to one another and to the input."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from image_core.adversarial.errors import UserError
from seqgan.lm.policies import RecurrentPolicy, State


class RelationalPolicy(RecurrentPolicy):
    """A language model whose state is a memory of slots, updated by attention and gates.

    A   = attention(queries M, keys and values [M; x])
    M'  = norm(M + A),  M'' = norm(M' + mlp(M'))
    M  <- sigmoid(f) M + sigmoid(i) tanh(M''),  (i, f) = x W + tanh(M) U + b

    Args:
        vocab: Number of token ids.
        embedding: Size of the token embeddings.
        hidden: Size of a slot, a multiple of the number of heads.
        slots: Number of memory slots; all of them are decoded.
        heads: Number of attention heads.
        layers: Number of layers; must be 1.
        start: Token id read before the first token.
        end: Token id that ends a sequence; None if all sequences have the same length.
        pad: Token id after the end; if there is an end, neither it nor `start` is ever drawn.
        dropout: Dropout rate on the input and the output of the memory, in training mode only.

    Raises:
        UserError: There is more than one layer, or the number of heads does not divide `hidden`.

    Source: Santoro et al. 2018; as a generator Nie et al. 2019 (RelGAN: 1 slot, 2 heads of 256).
    """

    def __init__(
        self,
        vocab: int,
        embedding: int = 32,
        hidden: int = 512,
        *,
        slots: int = 1,
        heads: int = 2,
        layers: int = 1,
        start: int = 0,
        end: int | None = None,
        pad: int = 0,
        dropout: float = 0.0,
    ):
        super().__init__()
        if layers != 1 or hidden % heads:
            raise UserError(
                f"a relational memory has 1 layer, not {layers}, and a --hidden that is a multiple "
                f"of its {heads} heads, not {hidden}"
            )
        self.vocab, self.start, self.end, self.pad = vocab, start, end, pad
        self.hidden, self.slots, self.heads, self.dropout = hidden, slots, heads, dropout
        self.embedding = nn.Embedding(vocab, embedding)
        self.read = nn.Linear(embedding, hidden)
        self.query = nn.Linear(hidden, hidden)
        self.key_value = nn.Linear(hidden, 2 * hidden)
        self.mlp = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
        self.norms = nn.ModuleList([nn.LayerNorm(hidden) for _ in range(2)])
        self.gate_read = nn.Linear(hidden, 2 * hidden)
        self.gate_memory = nn.Linear(hidden, 2 * hidden, bias=False)
        self.output_weight = nn.Parameter(torch.empty(slots * hidden, vocab))
        self.output_bias = nn.Parameter(torch.zeros(vocab))
        nn.init.trunc_normal_(self.embedding.weight, std=0.1)
        nn.init.trunc_normal_(self.output_weight, std=0.1)
        with torch.no_grad():  # the memory is kept initially, until the model learns to forget
            self.gate_read.bias[hidden:] = 1.0
        self.forbid_start_and_pad()

    def token_vectors(self) -> Tensor:
        return self.embedding.weight

    def begin(self, rows: int) -> State:
        """Initial slots, distinguished by an identity matrix.

        Args:
            rows: Number of sequences.
        """
        identity = torch.eye(self.slots, self.hidden, device=self.output_bias.device)
        return (identity.expand(rows, self.slots, self.hidden),)

    def step(self, tokens: Int64[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N H"], State]:
        return self._advance(self._inputs(tokens), state[0])

    def _read(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        inputs = self._inputs(F.pad(tokens[:, :-1], (1, 0), value=self.start))
        (memory,) = self.begin(len(tokens))
        hidden = []
        for x in inputs.unbind(1):
            out, (memory,) = self._advance(x, memory)
            hidden.append(out)
        return torch.stack(hidden, 1)

    def _inputs(self, tokens: Int64[Tensor, "*shape"]) -> Float[Tensor, "*shape H"]:
        return self.read(F.dropout(self.embedding(tokens), self.dropout, self.training))

    def _advance(
        self, x: Float[Tensor, "N H"], memory: Float[Tensor, "N S H"]
    ) -> tuple[Float[Tensor, "N SH"], State]:
        seen = torch.cat([memory, x[:, None]], 1)
        key, value = (self._split(part) for part in self.key_value(seen).chunk(2, -1))
        attended = F.scaled_dot_product_attention(self._split(self.query(memory)), key, value)
        renewed = self.norms[0](memory + attended.transpose(1, 2).flatten(2))
        renewed = self.norms[1](renewed + self.mlp(renewed))
        gates = self.gate_read(x)[:, None] + self.gate_memory(memory.tanh())
        let_in, keep = gates.sigmoid().chunk(2, -1)
        memory = keep * memory + let_in * renewed.tanh()
        return F.dropout(memory.flatten(1), self.dropout, self.training), (memory,)

    def _split(self, x: Float[Tensor, "N L W"]) -> Float[Tensor, "N heads L W2"]:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)
