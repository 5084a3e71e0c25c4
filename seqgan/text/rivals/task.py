"""A task: lines with answers, prompts without, players, and the check of answers."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from image_core.adversarial.errors import UserError
from image_core.runs import outside
from seqgan.data.source import read_texts
from seqgan.data.tokenizer import END, PAD, START, UNK, TextTokenizer
from seqgan.lm.policies import LSTMPolicy, SequencePolicy
from seqgan.text import own
from seqgan.text.features import FeaturedPolicy, Features
from seqgan.text.pooled import PooledDiscriminator
from seqgan.text.prompts import Prompts, mark_of, prompts_of, read_prompts
from seqgan.text.rewards import Objective
from seqgan.text.rivals.config import CHECK, RivalOptions
from seqgan.text.sequences import Sequences


@dataclass(frozen=True)
class RivalTask:
    """A task, the same for all seeds and rows.

    Args:
        options: Options.
        tokenizer: Tokenizer of all lines.
        mark: Id that ends a prompt.
        length: Tokens of a sequence.
        pairs: Lines with answers, (N, T).
        valid: Validation lines, (V, T).
        test: Test lines, (W, T).
        prompts: Prompts without answers.
        labelled: Lines of the ceiling, (M, T); none without a file.
    """

    options: RivalOptions
    tokenizer: TextTokenizer
    mark: int
    length: int
    pairs: Int64[Tensor, "N T"]
    valid: Int64[Tensor, "V T"]
    test: Int64[Tensor, "W T"]
    prompts: Prompts
    labelled: Int64[Tensor, "M T"]

    def sequences(self, rows: Int64[Tensor, "N T"] | None = None) -> Sequences:
        """What a player is built for.

        Args:
            rows: Lines, those with answers when left out.
        """
        real = self.pairs if rows is None else rows
        return Sequences(
            self.tokenizer.vocab_size,
            real.shape[1],
            START,
            END,
            PAD,
            lambda: real,
            self.tokenizer.decode,
        )

    def policy(self, name: str, s: Sequences, times: int = 1) -> SequencePolicy:
        """A new generator: one's own, or an LSTM, which reads the features if there are some.

        Args:
            name: `module:name`, or empty.
            s: What it is built for.
            times: Factor of the LSTM's size.
        """
        o = self.options
        if name:
            policy: SequencePolicy = own.build("policy", name, SequencePolicy, s)
            return policy
        embedding, hidden = o.embedding * times, o.hidden * times
        if o.features:
            return FeaturedPolicy(
                self.features(s), s.vocab, embedding, hidden, start=s.start, end=s.end, pad=s.pad
            )
        return LSTMPolicy(s.vocab, embedding, hidden, start=s.start, end=s.end, pad=s.pad)

    def generator(self) -> SequencePolicy:
        """A new generator of answers."""
        return self.policy(self.options.policy, self.sequences())

    def features(self, s: Sequences) -> Features:
        """The features of prefixes.

        Args:
            s: Vocabulary and length of the sequences.
        """
        found: Features = outside.load_function(
            "features", self.options.features, "(sequences) -> Features"
        )(s)
        return found

    def discriminator(self) -> PooledDiscriminator:
        """A new discriminator."""
        o, s = self.options, self.sequences()
        return PooledDiscriminator(
            s.vocab,
            mark=self.mark,
            start=s.start,
            end=s.end,
            features=self.features(s) if o.features else None,
            hidden=o.d_hidden,
            pooling=o.pooling,
        )

    def valid_rows(self, tokens: Int64[Tensor, "B T"]) -> Bool[Tensor, " B"]:
        """Whether the answer of each row is valid; a row without an end is not.

        Args:
            tokens: Prompts with answers, (B, T).

        Raises:
            UserError: The check returns something else.
        """
        check = outside.load_function("check", self.options.check, CHECK, 2)
        split = [self._texts(row) for row in tokens.tolist()]
        found = torch.as_tensor(list(check([p for p, _ in split], [a for _, a in split])))
        if found.shape != (len(tokens),):
            raise UserError(
                f"--check {self.options.check}: for {len(tokens)} answers it returned values of "
                f"shape {tuple(found.shape)}; return one for each"
            )
        return found.bool() & (tokens == END).any(1)

    def _texts(self, row: list[int]) -> tuple[str, str]:
        place = row.index(self.mark)
        return self.tokenizer.decode(row[:place]), self.tokenizer.decode(row[place + 1 :])

    def some_test(self, count: int) -> Int64[Tensor, "M T"]:
        """At most so many test lines, drawn evenly and always alike: files are often sorted.

        Args:
            count: Greatest number of lines.
        """
        generator = torch.Generator().manual_seed(0)
        order = torch.randperm(len(self.test), generator=generator, device="cpu")
        return self.test[order[:count].sort().values]

    def truth(self) -> Objective:
        """1 for a valid answer, else 0: a reward that no rival has."""
        return lambda tokens: self.valid_rows(tokens).float()

    def objective(self) -> Objective:
        """The user's reward."""
        return own.objective(self.options.reward, self.tokenizer.decode)


def read_task(options: RivalOptions) -> RivalTask:
    """Read the files of a task.

    Args:
        options: Options.

    Raises:
        UserError: A file cannot be read, a line has no mark or an unknown token, or a test prompt
            stands in another file, too.
    """
    names = [options.data, options.valid, options.test]
    names += [options.labelled] if options.labelled else []
    lines = [list(read_texts(name, None).lines) for name in names]
    tokenizer = TextTokenizer.train(lines[0], "blank", 1, 8000, lowercase=False)
    mark = mark_of(tokenizer, options.prompt_end)
    length = 1 + max(len(row) for part in lines for row in tokenizer.encode(part))
    encoded = [
        _encoded(tokenizer, part, name, length) for part, name in zip(lines, names, strict=True)
    ]
    for part, name in zip(encoded, names, strict=True):
        prompts_of(part, mark, name)
    prompts = read_prompts(options.prompts, tokenizer, mark, length)
    _check_apart(options, encoded, prompts, mark)
    return RivalTask(
        options,
        tokenizer,
        mark,
        length,
        pairs=encoded[0],
        valid=encoded[1],
        test=encoded[2],
        prompts=prompts,
        labelled=encoded[3] if options.labelled else encoded[0][:0],
    )


def _encoded(tokenizer: TextTokenizer, lines: list[str], name: str, length: int) -> Tensor:
    rows = torch.full((len(lines), length), PAD)
    for place, ids in enumerate(tokenizer.encode(lines)):
        if UNK in ids:
            raise UserError(f"{name}: line {place + 1} has a token that --data lack; leave it out")
        rows[place, : len(ids) + 1] = torch.tensor([*ids, END])
    return rows


def _check_apart(options: RivalOptions, encoded: list[Tensor], prompts: Prompts, mark: int) -> None:
    """Refuse test prompts that a player learns from."""
    tested = _distinct(prompts_of(encoded[2], mark, options.test))
    others = {options.data: prompts_of(encoded[0], mark, options.data)}
    others[options.valid] = prompts_of(encoded[1], mark, options.valid)
    others[options.prompts] = prompts
    if options.labelled:
        others[options.labelled] = prompts_of(encoded[3], mark, options.labelled)
    for name, part in others.items():
        shared = len(tested & _distinct(part))
        if shared:
            raise UserError(
                f"{shared} prompts of --test {options.test} stand in {name}, too; take them out"
            )


def _distinct(prompts: Prompts) -> set[tuple[int, ...]]:
    """Different prompts; the mark alone, which asks for any sequence, is none."""
    rows = (tuple(row) for group in prompts.groups for row in group.tolist())
    return {row for row in rows if len(row) > 1}
