"""The table of a dialogue run: models and floors on the test set, and result.json."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from difflib import SequenceMatcher
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError
from image_core.runs import plots
from image_core.runs.folder import RunFolder, write_text
from image_core.runs.papers import Paper
from image_core.runs.table import print_table
from seqgan import metrics
from seqgan.dialogue.card import card
from seqgan.dialogue.config import DialogueRunOptions
from seqgan.dialogue.encode import EncodedPairs, Format
from seqgan.dialogue.floors import dull_replies, nearest_replies, random_replies
from seqgan.dialogue.generation import GenerationOptions
from seqgan.dialogue.language_models import Seq2SeqLMPolicy
from seqgan.dialogue.policies import DialoguePolicy, nll_per_token
from seqgan.dialogue.turns import Dialogues, Splits, pairs_of
from seqgan.dialogue.words import joined, matrix_of, number_words, words_of
from seqgan.judges import judge
from seqgan.judges.encoders import TransformerEncoder

TEMPERATURES = (0.5, 0.7, 0.85, 1.0)
"""Of both models' rows; 1 is what the adversary trained."""

SHOWN = (
    "bleu2", "distinct2", "entropy4", "length", "nll_test", "adversuc", "ere", "machine_vs_random",
)  # fmt: skip
"""Columns on the terminal; `result.json` has more."""

WIDTH = 32
"""Words of a text that a judge reads."""

LEAST = 40
"""Test pairs that a judge and MAUVE need: 20 in each half."""

DULL = 10
"""So many of the most frequent training replies are called dull."""

Row = dict[str, float | str]


class DialogueSubject(NamedTuple):
    """What of a finished run its report measures.

    Args:
        config: Options of the run.
        paper: Parts of its paper.
        folder: Folder where everything is written.
        source: Options that name the data, and their values.
        dialogues: Dialogues as they were read.
        pairs: The whole test set, encoded.
        form: Turns tokens into text.
        policies: Both generators, the one of maximum likelihood under "MLE", the last under "GAN".
        device: Device of the policies.
        played: Rounds, steps and how often either player rested, by their names in `result.json`.
        alarms: Sentences on signs of collapse.
    """

    config: DialogueRunOptions
    paper: Paper
    folder: RunFolder
    source: str
    dialogues: Splits
    pairs: EncodedPairs
    form: Format
    policies: Mapping[str, DialoguePolicy]
    device: torch.device
    played: Mapping[str, Any]
    alarms: Sequence[str]


class Test(NamedTuple):
    """Contexts that are answered, and what they are answered with by people.

    Args:
        pairs: Contexts and replies, encoded.
        contexts: The last turn of each context.
        replies: People's replies.
    """

    pairs: EncodedPairs
    contexts: list[str]
    replies: list[str]


def texts_of(dialogues: Dialogues) -> tuple[list[str], list[str]]:
    """The turn before each reply, and the reply; in the order in which they are encoded."""
    pairs = [(before[-1].text, r.text) for d in dialogues.items for before, r in pairs_of(d)]
    return [context for context, _ in pairs], [reply for _, reply in pairs]


def check_measurable(c: DialogueRunOptions, pairs: int) -> None:
    """Refuse a test set of so few pairs before anything is learned.

    Raises:
        UserError: The test set is too small; names the options.
    """
    measured = min(pairs, c.eval_samples)
    if measured < LEAST and (c.judge_seeds or c.encoder):
        raise UserError(
            f"{measured} test pairs are too few for a judge or MAUVE, which need {LEAST}; name a "
            "larger --test or --eval_samples, or pass --judge_seeds 0 and no --encoder"
        )


def test_of(subject: DialogueSubject) -> Test:
    """A draw of the test set, the same in every run on it."""
    encoded = subject.pairs
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(encoded.reply), generator=generator)[: subject.config.eval_samples]
    contexts, replies = texts_of(subject.dialogues.test)
    picked = order.tolist()
    return Test(
        EncodedPairs(*(part[order].to(subject.device) for part in encoded)),
        [contexts[i] for i in picked],
        [replies[i] for i in picked],
    )


def answers(
    policy: DialoguePolicy,
    pairs: EncodedPairs,
    generation: GenerationOptions,
    form: Format,
    length: int,
) -> list[str]:
    """A model's replies as text.

    Args:
        policy: Generator that writes them.
        pairs: Pairs whose contexts are answered.
        generation: How tokens are sampled.
        form: Turns tokens into text.
        length: Most tokens of a reply.
    """
    found: list[str] = []
    for context, attention_mask, _ in zip(*(part.split(64) for part in pairs), strict=True):
        reply = policy.sample(context, attention_mask, length, generation)
        found += [form.decode(row) for row in reply.tolist()]
    return found


class Training(NamedTuple):
    """What a model has read.

    Args:
        contexts: The turn before each reply.
        replies: People's replies.
        often: Number of times that each reply is said, as its words.
    """

    contexts: list[str]
    replies: list[str]
    often: Counter[str]


def training_of(dialogues: Dialogues) -> Training:
    """The training set as text."""
    contexts, replies = texts_of(dialogues)
    return Training(contexts, replies, Counter(map(spoken, replies)))


def spoken(text: str) -> str:
    """A text as its words alone."""
    return " ".join(words_of(text))


def figures(
    replies: Sequence[str], human: Sequence[str], contexts: Sequence[str], training: Training
) -> Row:
    """Figures of replies as text; BLEU against people's, in per cent.

    `from_training`: share said word for word in training; `dull`: share that is one of its ten most
    frequent replies; `from_context`: mean share of a reply that is one piece of its context.
    """
    sentences = _numbered(replies)
    said, asked = [spoken(text) for text in replies], [spoken(text) for text in contexts]
    dull = {text for text, _ in training.often.most_common(DULL)}
    plain, wanted = [joined(text) for text in replies], [[joined(text) for text in human]]
    row: Row = {
        f"bleu{n}": metrics.corpus_bleu(plain, wanted, order=n, lowercase=True).score
        for n in (2, 4)
    }
    return row | {
        "distinct1": metrics.distinct(sentences, 1),
        "distinct2": metrics.distinct(sentences, 2),
        "entropy4": metrics.ngram_entropy(sentences, 4),
        "self_bleu4": metrics.self_bleu(sentences, [4])[4],
        "length": metrics.lengths(sentences).mean,
        "unique": metrics.unique_share(sentences),
        "repeats": metrics.repetition_share(sentences, 2),
        "echoes": sum(a == b for a, b in zip(said, asked, strict=True)) / len(said),
        "from_context": sum(map(_piece, replies, contexts)) / len(said),
        "from_training": sum(text in training.often for text in said) / len(said),
        "dull": sum(text in dull for text in said) / len(said),
    }


def _piece(reply: str, context: str) -> float:
    """The longest run of words of a reply that its context holds, as a share of the reply."""
    a, b = words_of(reply), words_of(context)
    return SequenceMatcher(None, a, b, autojunk=False).find_longest_match().size / max(1, len(a))


def _numbered(texts: Sequence[str]) -> list[list[int]]:
    ids: dict[str, int] = {}
    return [[ids.setdefault(word, len(ids)) for word in words_of(text)] for text in texts]


def judged(test: Test, replies: Sequence[str], judges: int) -> Row:
    """Adversarial success, never without its reliability and machine against random.

    Args:
        test: Contexts and people's replies.
        replies: The model's replies.
        judges: Number of judges that are trained, each from a seed of its own.
    """
    ids = number_words([*test.contexts, *test.replies], 4000)
    matrices = [matrix_of(texts, ids, WIDTH) for texts in (test.contexts, test.replies, replies)]
    found = judge.adversuc(*matrices, vocab=len(ids) + 2, seeds=tuple(range(judges)))
    return {
        "adversuc": found.success,
        "ere": found.error,
        "machine_vs_random": found.machine_vs_random,
    }


def alike(source: str, said: Mapping[str, list[str]]) -> tuple[str, dict[str, Row]]:
    """Figures of vectors, for each row: likeness to people's replies, word vectors, MAUVE.

    `likeness` is the mean cosine of both sentences' vectors. MAUVE compares one half of the rows
    with the other half of people's, so that people's own row is its ceiling.

    Args:
        source: An encoder, see `judges.encoders.TransformerEncoder`.
        said: Replies by the table's rows, people's under "human".

    Returns:
        The encoder's name, and figures by row.
    """
    encoder, human = TransformerEncoder(source), said["human"]
    wanted, words = encoder.sentences(human), [words_of(text) for text in human]
    half, rows = len(human) // 2, {}
    for name, replies in said.items():
        vectors = encoder.sentences(replies)
        found = metrics.embedding_similarity(
            [words_of(text) for text in replies], words, encoder.words
        )
        row: Row = {f"embedding_{key}": value for key, value in found._asdict().items()}
        row["likeness"] = float(F.cosine_similarity(vectors, wanted).mean())
        if find_spec("mauve"):
            row["mauve"] = metrics.mauve(wanted[:half], vectors[half:])
        rows[name] = row
    return encoder.name, rows


def floors(test: Test, training: Training) -> dict[str, list[str]]:
    """Replies that need no model, and people's own."""
    return {
        "human": test.replies,
        "random": random_replies(training.replies, len(test.replies)),
        "dull": dull_replies(training.replies, len(test.replies)),
        "echo": test.contexts,
        "nearest": nearest_replies(training.contexts, training.replies, test.contexts),
    }


def per_word(subject: DialogueSubject, test: Test, per_token: float) -> float:
    """Nats a word of what was scored: comparable between tokenizers, as nats a token are not."""
    replies = test.pairs.reply
    tokens = int(subject.policies["GAN"].mask(replies).sum())
    words = sum(len(words_of(subject.form.decode(row))) for row in replies.tolist())
    return per_token * tokens / words


def write_report(subject: DialogueSubject, cpu_seconds: float | None) -> None:
    """Write `result.json`, samples and plots, and print the table.

    Of several processes all answer, for they may share the models; the first one does the rest.

    Args:
        subject: A run at its end.
        cpu_seconds: CPU seconds of the training in this process; None keeps what `result.json`
            says.
    """
    c, test = subject.config, test_of(subject)
    torch.manual_seed(c.seed + 1)
    policies = {name: policy.eval() for name, policy in subject.policies.items()}
    nll = {n: nll_per_token(p, test.pairs, subject.device) for n, p in policies.items()}
    said: dict[str, list[str]] = {}
    for name, policy in policies.items():
        for temperature in TEMPERATURES:
            generation = GenerationOptions(temperature, min_length=c.min_length)
            replies = answers(policy, test.pairs, generation, subject.form, c.reply_tokens)
            said[f"{name} T={temperature}"] = replies
    if parallel.first():
        with parallel.alone():
            _write(subject, test, nll, said, cpu_seconds)


def _write(
    subject: DialogueSubject,
    test: Test,
    nll: Mapping[str, float],
    answered: Mapping[str, list[str]],
    cpu_seconds: float | None,
) -> None:
    c, training = subject.config, training_of(subject.dialogues.train)
    said = {**floors(test, training), **answered}
    rows: dict[str, Row] = {}
    for name, replies in said.items():
        rows[name] = figures(replies, test.replies, test.contexts, training)
        if name == "human":
            rows[name]["bleu2"] = rows[name]["bleu4"] = ""
        if name.endswith("T=1.0"):
            rows[name]["nll_test"] = nll[name.split()[0]]
            rows[name]["nll_word"] = per_word(subject, test, nll[name.split()[0]])
            if c.judge_seeds:
                rows[name] |= judged(test, replies, c.judge_seeds)
        pairs = zip(test.contexts, replies, strict=True)
        lines = ("\t".join(" ".join(text.split()) for text in pair) + "\n" for pair in pairs)
        write_text(subject.folder.samples / f"{name.replace(' ', '_').lower()}.txt", "".join(lines))
    encoder = ""
    if c.encoder:
        encoder, found = alike(c.encoder, said)
        rows = {name: row | found[name] for name, row in rows.items()}
    result = _result(subject, rows, encoder, cpu_seconds)
    subject.folder.write_result(result)
    seq2seq = isinstance(subject.policies["GAN"], Seq2SeqLMPolicy)
    page = card(c, subject.paper, result, contexts=len(test.replies), seq2seq=seq2seq)
    write_text(subject.folder.folder / "model" / "README.md", page)
    keys = ["nll_valid", "D/accuracy", "G/reward", "distinct2", "G/length", "G/entropy"]
    subject.folder.plots.mkdir(parents=True, exist_ok=True)
    figure = plots.draw_learning_curves(plots.read_log(subject.folder.log), keys)
    plots.write_figure(figure, subject.folder.plots / "learning.png")
    shown = {n: {k: row[k] for k in SHOWN if k in row} for n, row in rows.items()}
    print_table(f"{subject.folder.folder}: {len(test.replies)} test contexts", shown)


def _result(
    subject: DialogueSubject, rows: Mapping[str, Row], encoder: str, cpu_seconds: float | None
) -> dict[str, Any]:
    import transformers

    sets = subject.dialogues._asdict()
    return {
        "table": rows,
        "test": subject.source,
        "selected": "last adversarial round; maximum likelihood by validation NLL",
        "bleu": "sacrebleu, 13a, lower case, detokenized, one reference",
        "encoder": encoder,
        **subject.played,
        "counts": {name: part.counts.told() for name, part in sets.items()},
        "alarms": subject.alarms,
        "seed": subject.config.seed,
        "config": asdict(subject.config),
        "cpu_seconds": subject.folder.cpu_seconds() if cpu_seconds is None else cpu_seconds,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
