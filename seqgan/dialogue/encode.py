"""From turns to padded ids and back: role marks, a chat template, or end tokens between turns."""

import copy
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.data.hub_request import ask_hub_for_model
from seqgan.data.errors import reason
from seqgan.data.pretrained import check_has_tokens
from seqgan.dialogue.templates import with_marks
from seqgan.dialogue.turns import Dialogues, Utterance, pairs_of

MARKS = {"user": "<user>", "assistant": "<assistant>", "system": "<system>"}
"""Role marks of a tokenizer that is trained here."""

TEMPLATE = (
    "{%% for message in messages[-%d:] %%}{{ '<' + message['role'] + '>' }}"
    "{%% if message['role'] == 'assistant' %%}"
    "{%% generation %%}{{ message['content'] + '<end>' }}{%% endgeneration %%}"
    "{%% else %%}{{ message['content'] }}{%% endif %%}{%% endfor %%}"
    "{%% if add_generation_prompt %%}{{ '<assistant>' }}{%% endif %%}"
)
"""The same marks as a chat template, for whoever loads the tokenizer elsewhere: the last turns, and
marks for `return_assistant_tokens_mask` around what an assistant says and its end.
"""

ENDED = (
    "{%% for message in messages[-%d:] %%}{%% if message['role'] == 'assistant' %%}"
    "{%% generation %%}{{ message['content'] + eos_token }}{%% endgeneration %%}"
    "{%% else %%}{{ message['content'] + eos_token }}{%% endif %%}{%% endfor %%}"
)
"""The same for a tokenizer that has neither marks nor a template: an end token after each turn."""

UNLIMITED = 1_000_000
"""More turns than a dialogue has."""


class EncodedPairs(NamedTuple):
    """Contexts and replies of one set.

    Args:
        context: Contexts, padded on the left.
        attention_mask: True where there is no padding.
        reply: Replies up to and with the end token, then padding; a reply that was cut has no end.
    """

    context: Int64[Tensor, "N C"]
    attention_mask: Bool[Tensor, "N C"]
    reply: Int64[Tensor, "N T"]


def train_tokenizer(texts: Sequence[str], vocab: int) -> Any:
    """A byte-level BPE of some texts, with role marks and their chat template.

    Args:
        texts: Texts of the turns.
        vocab: Most ids, of which 261 are the bytes and the special ones.

    Raises:
        UserError: `vocab` is too small.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<end>", *MARKS.values()]
    least = 256 + len(special)
    if vocab < least:
        raise UserError(f"--vocab_size {vocab}: bytes and marks alone are {least}; raise it")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        min_frequency=2,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<end>",
        additional_special_tokens=list(MARKS.values()),
        chat_template=TEMPLATE % UNLIMITED,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def load_tokenizer(name: str) -> Any:
    """The tokenizer of a folder or hub name.

    Args:
        name: Folder, or name in the hub.

    Raises:
        UserError: It cannot be loaded, or there is none.
    """
    from transformers import AutoTokenizer

    try:
        ask_hub_for_model(name)
        tokenizer = AutoTokenizer.from_pretrained(name)
    except Exception as error:  # transformers raises many kinds
        raise UserError(f"no tokenizer can be loaded from {name} ({reason(error)})") from error
    check_has_tokens(tokenizer, name)
    return tokenizer


@final
class Format:
    """How dialogues become ids for one tokenizer.

    Its own role marks where it has them; else its chat template; else an end token after each turn
    (DialoGPT). Special tokens spelled out in a text are text.

    Args:
        tokenizer: A tokenizer of transformers.

    Raises:
        UserError: The tokenizer names no end token, or its chat template cannot write a chat.
    """

    def __init__(self, tokenizer: Any):
        if tokenizer.eos_token_id is None:
            raise UserError("the tokenizer names no end token; set its eos_token")
        self.tokenizer, self.end = tokenizer, int(tokenizer.eos_token_id)
        pad = tokenizer.pad_token_id
        self.pad = self.end if pad is None else int(pad)
        self.vocab = len(tokenizer)
        vocabulary = tokenizer.get_vocab()
        self._marks = {role: vocabulary[mark] for role, mark in MARKS.items() if mark in vocabulary}
        self.own_marks = len(self._marks) == len(MARKS)
        self.template = not self.own_marks and tokenizer.chat_template is not None
        if self.template:
            _check_template(tokenizer)
        self.forbidden = [int(i) for i in tokenizer.all_special_ids if i != self.end]

    @property
    def marks(self) -> list[int]:
        """Ids that begin a turn; none where a template decides."""
        if self.own_marks:
            return list(self._marks.values())
        return [] if self.template else [self.end]

    def encode(
        self, sets: Dialogues, *, context_tokens: int, reply_tokens: int, turns: int
    ) -> EncodedPairs:
        """Every reply of some dialogues after its context.

        Contexts lose their oldest turns until they fit, and the last one its beginning; replies
        their end. Both are counted in `sets.counts`.

        Args:
            sets: The dialogues.
            context_tokens: C, columns of a context.
            reply_tokens: T, columns of a reply.
            turns: Most turns of a context.

        Raises:
            UserError: There are no turns, or the tokenizer's chat template refuses them.
        """
        contexts, replies = [], []
        for dialogue in sets.items:
            ids = self.texts([turn.text for turn in dialogue.turns])
            for before, reply in pairs_of(dialogue):
                number = len(before)
                found = self._context(before[-turns:], ids[:number][-turns:], reply.role)
                row, cut = found(context_tokens)
                contexts.append(row)
                sets.counts.cut += cut
                written = ids[number]
                sets.counts.long += len(written) >= reply_tokens
                replies.append([*written, self.end][:reply_tokens])
        seen = [[False] * (context_tokens - len(row)) + [True] * len(row) for row in contexts]
        left = [[self.pad] * (context_tokens - len(row)) + row for row in contexts]
        right = [row + [self.pad] * (reply_tokens - len(row)) for row in replies]
        return EncodedPairs(torch.tensor(left), torch.tensor(seen), torch.tensor(right))

    def context(self, turns: Sequence[Utterance], tokens: int) -> tuple[Tensor, Tensor]:
        """One context, for the assistant to answer: ids (1, tokens) and what is no padding.

        Args:
            turns: Turns before the reply.
            tokens: Greatest number of tokens; earlier ones are cut off.

        Raises:
            UserError: There are no turns, or the tokenizer's chat template refuses them.
        """
        ids = self.texts([turn.text for turn in turns])
        row, _ = self._context(turns, ids, "assistant")(tokens)
        gap = tokens - len(row)
        context = torch.tensor([[self.pad] * gap + row])
        return context, torch.tensor([[False] * gap + [True] * len(row)])

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a reply, up to its end.

        Byte pairs can spell a NUL, which no text file holds.

        Args:
            ids: Ids of a reply.
        """
        ids = list(itertools.takewhile(lambda i: i != self.end, ids))
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        return text.replace("\0", "\ufffd").strip()

    def said(self, ids: Sequence[int]) -> str:
        """The text of a context, a turn a line; under a chat template as that spells it.

        Args:
            ids: Its tokens, without padding.
        """
        marks = set(self.marks)
        turns = (g for is_mark, g in itertools.groupby(ids, marks.__contains__) if not is_mark)
        texts = [self.tokenizer.decode(list(turn), skip_special_tokens=True) for turn in turns]
        return "\n".join(text.strip() for text in texts).replace("\0", "\ufffd").strip()

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The text that each token of a reply adds, up to its end.

        Args:
            ids: Ids of a reply.
        """
        ids = list(itertools.takewhile(lambda i: i != self.end, ids))
        # Half a character is shown when its other half is there
        texts = [self.tokenizer.decode(ids[:n]).rstrip("\ufffd") for n in range(len(ids) + 1)]
        return [after[len(before) :] for before, after in itertools.pairwise(texts)]

    def save(self, folder: Path) -> None:
        """Write the tokenizer, as transformers does.

        Args:
            folder: Folder to write to.
        """
        self.tokenizer.save_pretrained(str(folder))

    def save_limited(self, folder: Path, context_tokens: int, turns: int) -> None:
        """Write the tokenizer for use elsewhere: with `truncation=True` it cuts as in training.

        That is to so many tokens, from the left; by the templates here also to so many turns.

        Args:
            folder: Folder of the model.
            context_tokens: Most tokens of a context.
            turns: Most turns of a context.
        """
        limited = copy.deepcopy(self.tokenizer)
        limited.model_max_length = context_tokens
        limited.truncation_side = limited.padding_side = "left"
        # What is saved is what a tokenizer was made with, where the attributes agree
        limited.init_kwargs |= {"truncation_side": "left", "padding_side": "left"}
        if self.template:
            limited.chat_template = with_marks(self.tokenizer)
        else:
            limited.chat_template = (TEMPLATE if self.own_marks else ENDED) % turns
        limited.save_pretrained(str(folder))

    def texts(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, special tokens spelled out in it taken for text.

        Args:
            texts: Texts, without ends.
        """
        if not texts:
            return []
        return self.tokenizer(
            list(texts), add_special_tokens=False, split_special_tokens=True, verbose=False
        )["input_ids"]

    def _context(self, turns: Sequence[Utterance], ids: Sequence[list[int]], speaker: str) -> Any:
        """A function from a limit to the context's ids and whether it was cut."""

        def role(turn: Utterance) -> str:
            if turn.role == "system":
                return "system"
            return "assistant" if turn.role == speaker else "user"

        def fit(limit: int) -> tuple[list[int], bool]:
            if self.template:
                return self._templated([Utterance(role(t), t.text) for t in turns], limit)
            if self.own_marks:
                # What the assistant said ends as a reply does, as the chat template writes it
                parts = [
                    [self._marks[role(t)], *row, *([self.end] if role(t) == "assistant" else [])]
                    for t, row in zip(turns, ids, strict=True)
                ]
                ending = [self._marks["assistant"]]
            else:
                parts, ending = [[*row, self.end] for row in ids], []
            first = 0
            while first < len(parts) - 1 and _length(parts[first:]) + len(ending) > limit:
                first += 1
            row = [*itertools.chain(*parts[first:]), *ending]
            return row[-limit:], first > 0 or len(row) > limit

        return fit

    def _templated(self, turns: list[Utterance], limit: int) -> tuple[list[int], bool]:
        messages: list[dict[str, str]] = []
        for turn in turns:
            if messages and messages[-1]["role"] == turn.role:
                messages[-1]["content"] += "\n" + turn.text
            else:
                messages.append({"role": turn.role, "content": turn.text})
        cut = False
        row = self._apply(messages)
        while len(row) > limit and len(messages) > 1:
            drop = 1 if messages[0]["role"] == "system" and len(messages) > 2 else 0
            del messages[drop]
            row, cut = self._apply(messages), True
        if len(row) > limit:
            ids = self.texts([messages[-1]["content"]])[0][len(row) - limit :]
            messages[-1]["content"] = self.tokenizer.decode(ids)
            row, cut = self._apply(messages), True
        return row[-limit:], cut

    def _apply(self, messages: list[dict[str, str]]) -> list[int]:
        """Some templates want a user to begin; what stands before one is then left out."""
        from jinja2 import TemplateError

        for first in range(len(messages)):
            try:
                return self.tokenizer.apply_chat_template(
                    messages[first:], add_generation_prompt=True, return_dict=True
                )["input_ids"]
            except TemplateError as error:
                if first + 1 == len(messages):
                    raise UserError(
                        f"the tokenizer's chat template refuses the dialogue ({reason(error)})"
                    ) from error
        raise UserError("a context without turns cannot be answered")


def _check_template(tokenizer: Any) -> None:
    """A template without the roles would leave turns out, or run them together.

    Raises:
        UserError: It refuses a chat of user and assistant, or writes the texts and nothing else.
    """
    from jinja2 import TemplateError

    roles, texts = ("user", "assistant", "user"), ("a", "b", "c")
    chat = [{"role": r, "content": text} for r, text in zip(roles, texts, strict=True)]
    needed = "give the model one that marks the turns of user and assistant"
    try:
        written = tokenizer.apply_chat_template(chat, tokenize=False)
    except TemplateError as error:
        raise UserError(
            f"the tokenizer's chat template refuses a chat of user and assistant "
            f"({reason(error)}); {needed}"
        ) from error
    if "".join(written.split()) == "".join(texts):
        raise UserError(
            f"the tokenizer's chat template writes the texts of a chat alone, so that nobody could "
            f"tell who says what; {needed}"
        )


def _length(parts: Sequence[Sequence[int]]) -> int:
    return sum(map(len, parts))
