"""The table of a dialogue run: models and floors on the test set, and result.json."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from image_core.adversarial import parallel
from image_core.adversarial.discrimination import accuracy, auc
from image_core.runs import plots
from image_core.runs.folder import RunFolder, write_text
from image_core.runs.html_report import Shown
from image_core.runs.paper import Paper
from image_core.runs.run_page import told_facts, write_page
from image_core.runs.table import print_table
from seqgan.dialogue.card import AUTO, SHOWN, card
from seqgan.dialogue.config import DialogueRunOptions
from seqgan.dialogue.encode import EncodedPairs, Format
from seqgan.dialogue.figures import (
    AnsweredPairs,
    Row,
    Training,
    alike,
    answers,
    drawn_of,
    figures,
    line_of,
    lines_of,
    training_of,
)
from seqgan.dialogue.floors import dull_replies, nearest_replies, random_replies
from seqgan.dialogue.generation import PLAIN, GenerationOptions
from seqgan.dialogue.judging import HUMAN, OVER, JudgedRows, Said, judge_rows
from seqgan.dialogue.language_models import LanguageModelPolicy, Seq2SeqLMPolicy
from seqgan.dialogue.measurable import check_halves, too_few
from seqgan.dialogue.policies import DialoguePolicy, nll_per_token
from seqgan.dialogue.turns import Splits
from seqgan.dialogue.words import words_of

if TYPE_CHECKING:
    import matplotlib.figure

SAMPLES = 8
"""Replies of each row on the page."""
BEST_OF = " best of "
"""In the name of a row whose replies the discriminator has chosen."""
TEMPERATURES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Of both models' rows; 1 is what the adversary trained."""

BEST = "ms_jaccard"
"""Figure of quality and diversity in one, whose greatest value chooses the best temperature."""

ALONE = ("bleu2", "bleu4", "likeness", "embedding_average", "embedding_greedy", "embedding_extrema")
"""Figures of a reply and the reference of its context, which people's other replies do not have."""


class DialogueSubject(NamedTuple):
    """What of a finished run its report measures.

    Args:
        config: Options of the run.
        paper: Parts of its paper.
        folder: Folder where everything is written.
        source: Options that name the data, and their values.
        dialogues: Dialogues as they were read.
        facts: Facts of the data.
        pairs: The whole test set, encoded.
        form: Turns tokens into text.
        policies: Both generators, the one of maximum likelihood under "MLE", the last under "GAN".
        discriminate: Function from pairs to the discriminator's logits of their replies.
        device: Device of the policies.
        played: Rounds and steps, by their names in `result.json`.
        alarms: Sentences on signs of collapse.
    """

    config: DialogueRunOptions
    paper: Paper
    folder: RunFolder
    source: str
    dialogues: Splits
    facts: Mapping[str, float]
    pairs: EncodedPairs
    form: Format
    policies: Mapping[str, DialoguePolicy]
    discriminate: Callable[[EncodedPairs], Tensor]
    device: torch.device
    played: Mapping[str, Any]
    alarms: Sequence[str]


def write_report(subject: DialogueSubject, cpu_seconds: float | None) -> None:
    """Write `result.json`, samples and plots, and print the table.

    Of several processes all answer, for they may share the models; the first one does the rest.

    Args:
        subject: A run at its end.
        cpu_seconds: CPU seconds of the training in this process; None keeps what `result.json`
            says.

    Raises:
        UserError: Half of the test set has fewer than two pairs.
    """
    c = subject.config
    check_halves(len(subject.pairs.reply))
    test, human = drawn_of(subject.pairs, subject.dialogues.test, c.eval_samples, subject.device)
    torch.manual_seed(c.seed + 1)
    policies = {name: policy.eval() for name, policy in subject.policies.items()}
    nll = {n: nll_per_token(p, test.encoded, subject.device) for n, p in policies.items()}
    said: dict[str, list[str]] = {}
    d_fake = {HUMAN: subject.discriminate(human.encoded)}
    for name, policy in policies.items():
        for temperature in TEMPERATURES:
            generation = GenerationOptions(temperature)
            tokens = answers(policy, test.encoded, generation, c.reply_tokens)
            said[row_name(name, temperature)] = lines_of(tokens, subject.form)
        # The last temperature is 1
        d_fake[name] = subject.discriminate(test.encoded._replace(reply=tokens))
        if c.best_of > 1:
            tokens = best_replies(
                tokens,
                c.best_of,
                partial(answers, policy, test.encoded, PLAIN, c.reply_tokens),
                lambda tokens: subject.discriminate(test.encoded._replace(reply=tokens)),
            )
            said[f"{name}{BEST_OF}{c.best_of}"] = lines_of(tokens, subject.form)
    d_real = subject.discriminate(test.encoded)
    quality = {
        name: {"d_auc": float(auc(d_real, fake)), "d_accuracy": float(accuracy(d_real, fake))}
        for name, fake in d_fake.items()
    }
    if parallel.first():
        with parallel.alone():
            _write(subject, test, human, nll, said, quality, cpu_seconds)


def row_name(policy: str, temperature: float) -> str:
    """The table's name of a model at a temperature.

    Args:
        policy: Name of the model.
        temperature: Temperature of its draws.
    """
    return f"{policy} T={temperature}"


def best_replies(
    first: Tensor, count: int, answer: Callable[[], Tensor], score: Callable[[Tensor], Tensor]
) -> Tensor:
    """Of several replies to each context, that of the greatest score.

    Args:
        first: One reply to each context (N, T).
        count: Number of replies to each.
        answer: Gives another reply to each.
        score: Scores of such replies (N,).
    """
    best, highest = first, score(first)
    for _ in range(count - 1):
        other = answer()
        found = score(other)
        best = torch.where((found > highest)[:, None], other, best)
        highest = torch.maximum(found, highest)
    return best


def floors(test: AnsweredPairs, training: Training) -> dict[str, list[str]]:
    """Replies that need no model, to the contexts that models answer.

    Args:
        test: Contexts of the test and their replies.
        training: Training set as text.
    """
    return {
        "random": random_replies(training.replies, len(test.replies)),
        "dull": dull_replies(training.replies, len(test.replies)),
        "echo": test.contexts,
        "nearest": nearest_replies(training.contexts, training.replies, test.contexts),
    }


def best_temperatures(rows: Mapping[str, Row], policies: Sequence[str]) -> dict[str, float]:
    """The temperature of each model's greatest `BEST`.

    Args:
        rows: Figures by name of row.
        policies: Names of the models.
    """
    return {
        name: max(reversed(TEMPERATURES), key=lambda t: float(rows[row_name(name, t)][BEST]))
        for name in policies
    }


def per_word(subject: DialogueSubject, test: AnsweredPairs, per_token: float) -> float:
    """Nats a word of what was scored: comparable between tokenizers, as nats a token are not.

    Args:
        subject: Models and data of the table.
        test: Pairs that were scored.
        per_token: Nats a token.
    """
    replies = test.encoded.reply
    tokens = int(subject.policies["GAN"].mask(replies).sum())
    words = sum(len(words_of(subject.form.decode(row))) for row in replies.tolist())
    return per_token * tokens / words


def _write(
    subject: DialogueSubject,
    test: AnsweredPairs,
    human: AnsweredPairs,
    nll: Mapping[str, float],
    answered: Mapping[str, list[str]],
    quality: Mapping[str, Mapping[str, float]],
    cpu_seconds: float | None,
) -> None:
    c, training = subject.config, training_of(subject.dialogues.train)
    references = [line_of(text) for text in test.replies]
    given = {HUMAN: human.replies, **floors(test, training)}
    said = {name: [line_of(text) for text in texts] for name, texts in given.items()}
    said |= answered
    rows = {
        name: figures(
            replies, references, human.contexts if name == HUMAN else test.contexts, training
        )
        for name, replies in said.items()
    }
    for name, per_token in nll.items():
        rows[row_name(name, 1.0)]["nll_test"] = per_token
        rows[row_name(name, 1.0)]["nll_word"] = per_word(subject, test, per_token)
    best = best_temperatures(rows, list(nll))
    chosen = dict.fromkeys(row_name(name, t) for name in nll for t in (1.0, best[name]))
    chosen |= dict.fromkeys(name for name in answered if BEST_OF in name)
    # A run without a report may have had any test set
    few = too_few(len(subject.pairs.reply), c.eval_samples) if c.judge_seeds or c.encoder else ""
    judged = JudgedRows({}, {}, [few] if few else [], {})
    if c.judge_seeds and not few:
        judged = _judged(subject, test, human, {name: said[name] for name in chosen}, training)
        for name, found in judged.rows.items():
            rows[name] |= found
    encoder = ""
    if c.encoder and not few:
        encoder, vectors = alike(c.encoder, references, said)
        rows = {name: row | vectors[name] for name, row in rows.items()}
    rows[HUMAN] |= {name: "" for name in ALONE if name in rows[HUMAN]}
    _save_samples(subject.folder, test, human, said)
    _draw(subject.folder, rows, list(nll))
    result = {
        **_result(subject, cpu_seconds),
        "table": rows,
        "best_temperature": {**best, "chosen_by": BEST},
        "discriminator": quality,
        "intervals": judged.intervals,
        "intervals_over": OVER,
        "not_reported": judged.refused,
        "judge_checks": judged.checks,
        "encoder": encoder,
    }
    subject.folder.write_result(result)
    shown = {name: row for name, row in rows.items() if name in chosen or "T=" not in name}
    page = card(c, subject.paper, result, shown, contexts=len(test.replies), auto=_loader(subject))
    write_text(subject.folder.folder / "model" / "README.md", page)
    _write_page(subject, result, shown, said)
    print_table(
        f"{subject.folder.folder}: {len(test.replies)} test contexts, one seed",
        {n: {k: row[k] for k in SHOWN if k in row} for n, row in shown.items()},
    )
    print(*_told(result), sep="\n")


def _loader(subject: DialogueSubject) -> str | None:
    """The class of transformers that loads the saved model; None where none does."""
    policy, (causal, seq2seq) = subject.policies["GAN"], AUTO
    if isinstance(policy, Seq2SeqLMPolicy):
        return seq2seq
    return causal if isinstance(policy, LanguageModelPolicy) else None


def _write_page(
    subject: DialogueSubject,
    result: Mapping[str, Any],
    shown: Mapping[str, Row],
    said: Mapping[str, Sequence[str]],
) -> None:
    """report.html: the table, what is to be read with it, curves, and some replies."""
    c, plots_ = subject.config, subject.folder.plots
    written = {name: said[name] for name in shown if name in said}
    write_page(
        subject.folder.html,
        f"{subject.paper.title} on {subject.source.removeprefix('--data ')}",
        facts=asdict(c),
        table=shown,
        intervals=result["intervals"],
        notes=[*_told(result), f"BLEU is {result['bleu']}.", *told_facts(subject.facts)],
        pictures={
            "Curves of the log": plots_ / "learning.png",
            "Quality over diversity by temperature": plots_ / "temperature.png",
        },
        samples=[Shown(name, line) for name, lines in written.items() for line in lines[:SAMPLES]],
    )


def _save_samples(
    folder: RunFolder, test: AnsweredPairs, human: AnsweredPairs, said: Mapping[str, list[str]]
) -> None:
    """All replies that were measured, one a line, with their references and contexts."""
    files = {
        "references": [line_of(text) for text in test.replies],
        "contexts": [line_of(text) for text in test.contexts],
        f"{HUMAN}_contexts": [line_of(text) for text in human.contexts],
        **said,
    }
    for name, lines in files.items():
        text = "".join(line + "\n" for line in lines)
        write_text(folder.samples / f"{name.replace(' ', '_').lower()}.txt", text)


def _judged(
    subject: DialogueSubject,
    test: AnsweredPairs,
    human: AnsweredPairs,
    said: Mapping[str, list[str]],
    training: Training,
) -> JudgedRows:
    """Judges of people's replies, all of them cut and spelled as the models' are."""
    sides = [Said(p.contexts, lines_of(p.encoded.reply, subject.form)) for p in (test, human)]
    text = [*training.contexts, *training.replies]
    return judge_rows(sides[0], sides[1], said, text, subject.config.judge_seeds)


def _result(subject: DialogueSubject, cpu_seconds: float | None) -> dict[str, Any]:
    import transformers

    sets = subject.dialogues._asdict()
    return {
        "method": subject.config.method(),
        "test": subject.source,
        "data": dict(subject.facts),
        "selected": "last adversarial round; maximum likelihood by validation NLL",
        "bleu": "sacrebleu, 13a, lower case, detokenized, one reference",
        **subject.played,
        "counts": {name: part.counts.told() for name, part in sets.items()},
        "alarms": subject.alarms,
        "seed": subject.config.seed,
        "config": asdict(subject.config),
        "cpu_seconds": subject.folder.cpu_seconds() if cpu_seconds is None else cpu_seconds,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }


def _told(result: Mapping[str, Any]) -> list[str]:
    """What is to be read with the table."""
    best = result["best_temperature"]
    at = ", ".join(f"{name} at T = {best[name]}" for name in best if name != "chosen_by")
    aucs = ", ".join(f"{row['d_auc']:.3f} from {n}" for n, row in result["discriminator"].items())
    lines = [
        f"Method: {'; '.join(f'{name} {value}' for name, value in result['method'].items())}.",
        f"Greatest {best['chosen_by']}: {at}. All temperatures are in result.json and plots/.",
        f"AUC of the discriminator, held-out replies of people: {aucs} (0.5 is chance).",
    ]
    if result["intervals"]:
        bands = result["intervals"][HUMAN].items()
        found = ", ".join(f"{name} {band.low:.3f} to {band.high:.3f}" for name, band in bands)
        lines.append(f"People's other replies in the machine's place: {found} ({OVER}).")
    return [*lines, *(f"{sentence}." for sentence in result["not_reported"])]


def _draw(folder: RunFolder, rows: Mapping[str, Row], policies: Sequence[str]) -> None:
    """The learning curves, and quality over diversity by temperature."""
    keys = ["nll_valid", "D/accuracy", "d_auc", "G/reward", "distinct2", "G/length", "G/entropy"]
    folder.plots.mkdir(parents=True, exist_ok=True)
    learning = plots.draw_learning_curves(plots.read_log(folder.log), keys)
    plots.write_figure(learning, folder.plots / "learning.png")
    curves = {}
    for name in policies:
        swept = [(rows[row_name(name, t)], t) for t in TEMPERATURES]
        curves[name] = [
            plots.Place(float(row["distinct2"]), float(row["bleu2"]), t) for row, t in swept
        ]
    plots.write_figure(draw_temperatures(curves), folder.plots / "temperature.png")


def draw_temperatures(curves: Mapping[str, Sequence[plots.Place]]) -> "matplotlib.figure.Figure":
    """Quality over diversity, a point a temperature.

    Args:
        curves: distinct-2, BLEU-2 and temperature of each model.
    """
    return plots.draw_quality_diversity(
        curves,
        {},
        "distinct-2: diversity",
        "BLEU-2, one reference: quality",
        "Sweep of the temperature",
        x_better="higher",
        y_better="higher",
    )
