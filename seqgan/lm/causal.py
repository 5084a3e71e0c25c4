"""A causal language model of transformers as a policy of token sequences."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.data.hub_request import ask_hub_for_model
from seqgan.data.errors import reason
from seqgan.data.tokenizer import END, PAD, SPECIALS, START, UNK
from seqgan.lm import softmax
from seqgan.lm.policies import RecurrentPolicy, SequencePolicy, State
from seqgan.lm.softmax import Draw

OWN = len(SPECIALS)
"""Ids of this toolkit before the model's: pad, start, end and unknown."""


@final
class CausalPolicy(RecurrentPolicy):
    """Any `AutoModelForCausalLM`; its token i is id i + 4 here, after the four special ones.

    Start and end are read and written as the model's own tokens for them; end is the only id of
    that token. The hidden state of a step is the logits themselves, since models differ in how they
    make them.

    Args:
        model: Model of transformers.
        known: Number of ids of its tokenizer; the model may have more, which are never drawn.
        fixed_length: Whether sequences have no end.

    Raises:
        UserError: The model's configuration names no end token, or has fewer ids than the
            tokenizer.
    """

    ids: Tensor

    def __init__(self, model: Any, known: int, *, fixed_length: bool):
        super().__init__()
        config, count = model.config, model.get_input_embeddings().weight.shape[0]
        last = _only(config.eos_token_id)
        if last is None or count < known:
            raise UserError(
                f"--policy: the model has {count} tokens and the end token {last}, its tokenizer "
                f"{known} tokens; use a tokenizer that belongs to the model, and name an "
                "eos_token_id in its config.json"
            )
        first = last if config.bos_token_id is None else config.bos_token_id
        self.model = model
        self.vocab, self.start, self.end, self.pad = OWN + known, START, END, PAD
        if fixed_length:
            self.end = None
        special = torch.tensor([last, first, last, last])
        self.register_buffer("ids", torch.cat([special, torch.arange(known)]), persistent=False)
        forbidden = torch.zeros(self.vocab, dtype=torch.bool)
        forbidden[[PAD, START, UNK, OWN + last, *([END] if fixed_length else [])]] = True
        self.register_buffer("forbidden", forbidden, persistent=False)

    def begin(self, rows: int) -> State:
        """State before any token: no keys and values, which is one empty tensor."""
        return (self.ids.new_zeros(rows, 0),)

    def step(self, tokens: Int64[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N V"], State]:
        from transformers import DynamicCache

        cache = DynamicCache()
        for layer, (key, value) in enumerate(zip(state[::2], state[1::2])):
            cache.update(key, value, layer)
        out = self.model(input_ids=self.ids[tokens][:, None], past_key_values=cache, use_cache=True)
        after = [part for each in out.past_key_values.layers for part in (each.keys, each.values)]
        return self._own(out.logits[:, 0]), tuple(after)

    def _read(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        inputs = F.pad(tokens[:, :-1], (1, 0), value=START)
        return self._own(self.model(input_ids=self.ids[inputs], use_cache=False).logits)

    def _own(self, logits: Tensor) -> Tensor:
        """Logits of our ids from those of the model's tokens, in float32."""
        return logits.float().index_select(-1, self.ids).masked_fill(self.forbidden, -1e9)

    def logits(self, hidden: Float[Tensor, "N V"]) -> Float[Tensor, "N V"]:
        return hidden

    def every_logit(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        return self._read(tokens)

    def drawer(
        self, temperature: float = 1.0, top_p: float = 1.0, never: Sequence[int] = ()
    ) -> Draw:
        return softmax.logit_drawer(temperature, top_p, never)

    def log_prob(
        self, tokens: Int64[Tensor, "B T"], temperature: float = 1.0
    ) -> Float[Tensor, "B T"]:
        each = (self._read(tokens) / temperature).log_softmax(-1)
        return torch.where(self.mask(tokens), each.gather(2, tokens[:, :, None])[:, :, 0], 0.0)

    nll = SequencePolicy.nll  # that of a recurrent policy reads its own output layer


def load_model(name: str, configuration: Path) -> Any:
    """A causal language model: pretrained, or with the configuration that a run keeps.

    Args:
        name: Folder or name on the hub.
        configuration: Folder with the `config.json` of a run; where it exists, the weights are
            random, for a checkpoint to replace.

    Raises:
        UserError: There is no such model.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        if (configuration / "config.json").exists():
            kept = AutoConfig.from_pretrained(str(configuration))
            return AutoModelForCausalLM.from_config(kept, dtype=torch.float32)
        ask_hub_for_model(name)
        return AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32)
    except Exception as error:  # transformers and the hub raise many kinds
        raise UserError(
            f"--policy {name}: it is no causal language model ({reason(error)}); give lstm, "
            "transformer, a folder or hub name of a model, or mypackage.mine:policy"
        ) from error


def _only(ids: Any) -> int | None:
    """The first of several end tokens."""
    return ids[0] if isinstance(ids, list) else ids
