"""The table of a dialogue run: models and floors on the test set, and result.json."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from image_core.adversarial.errors import UserError
from seqgan import metrics, plots
from seqgan.dialogue.drawing import Drawing
from seqgan.dialogue.encode import Encoded
from seqgan.dialogue.floors import dull_replies, nearest_replies, random_replies
from seqgan.dialogue.policies import DialoguePolicy
from seqgan.dialogue.turns import Dialogues, pairs_of
from seqgan.dialogue.words import joined, matrix_of, number_words, words_of
from seqgan.recipes.report import print_table
from seqgan.recipes.run import write_text

if TYPE_CHECKING:
    from seqgan.recipes.dialogue import DialogueRun

TEMPERATURES = (0.5, 0.7, 0.85, 1.0)
"""Of both models' rows; 1 is what the adversary trained."""

SHOWN = (
    "bleu2", "distinct2", "entropy4", "length", "nll_test", "adversuc", "ere", "machine_vs_random",
)  # fmt: skip
"""Columns on the terminal; `result.json` has more."""

WIDTH = 32
"""Words of a text that a judge reads."""

Row = dict[str, float | str]


class Test(NamedTuple):
    """Contexts that are answered, and what they are answered with by people.

    Args:
        pairs: encoded.
        contexts: the last turn of each context.
        replies: people's.
    """

    pairs: Encoded
    contexts: list[str]
    replies: list[str]


def texts_of(dialogues: Dialogues) -> tuple[list[str], list[str]]:
    """The turn before each reply, and the reply; in the order in which they are encoded."""
    pairs = [(before[-1].text, r.text) for d in dialogues.items for before, r in pairs_of(d)]
    return [context for context, _ in pairs], [reply for _, reply in pairs]


def test_of(run: "DialogueRun") -> Test:
    """A draw of the test set, the same in every run on it."""
    encoded = run.sets[2]
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(encoded.reply), generator=generator)[: run.config.test_pairs]
    contexts, replies = texts_of(run.dialogues.test)
    picked = order.tolist()
    return Test(
        Encoded(*(part[order].to(run.device) for part in encoded)),
        [contexts[i] for i in picked],
        [replies[i] for i in picked],
    )


def answers(
    run: "DialogueRun", policy: DialoguePolicy, pairs: Encoded, drawing: Drawing
) -> list[str]:
    """A model's replies as text."""
    found: list[str] = []
    for context, known, _ in zip(*(part.split(64) for part in pairs), strict=True):
        reply = policy.sample(context, known, run.config.reply_tokens, drawing)
        found += [run.form.decode(row) for row in reply.tolist()]
    return found


def figures(replies: Sequence[str], human: Sequence[str], contexts: Sequence[str]) -> Row:
    """Figures of replies as text; BLEU against people's, in per cent."""
    sentences = _numbered(replies)
    spoken = [" ".join(words_of(text)) for text in replies]
    asked = [" ".join(words_of(text)) for text in contexts]
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
        "echoes": sum(a == b for a, b in zip(spoken, asked, strict=True)) / len(spoken),
    }


def _numbered(texts: Sequence[str]) -> list[list[int]]:
    ids: dict[str, int] = {}
    return [[ids.setdefault(word, len(ids)) for word in words_of(text)] for text in texts]


def judged(run: "DialogueRun", test: Test, replies: Sequence[str]) -> Row:
    """Adversarial success, never without its reliability and machine against random."""
    ids = number_words([*test.contexts, *test.replies], 4000)
    matrices = [matrix_of(texts, ids, WIDTH) for texts in (test.contexts, test.replies, replies)]
    found = metrics.adversuc(
        *matrices, vocab=len(ids) + 2, seeds=tuple(range(run.config.judge_seeds))
    )
    return {
        "adversuc": found.success,
        "ere": found.error,
        "machine_vs_random": found.machine_vs_random,
    }


def floors(run: "DialogueRun", test: Test) -> dict[str, list[str]]:
    """Replies that need no model, and people's own."""
    contexts, replies = texts_of(run.dialogues.train)
    return {
        "human": test.replies,
        "random": random_replies(replies, len(test.replies)),
        "dull": dull_replies(replies, len(test.replies)),
        "echo": test.contexts,
        "nearest": nearest_replies(contexts, replies, test.contexts),
    }


def write_report(run: "DialogueRun", cpu_seconds: float | None) -> None:
    """Write `result.json`, samples and plots, and print the table.

    Raises:
        UserError: the test set holds too few pairs to measure on.
    """
    c, test = run.config, test_of(run)
    if len(test.replies) < 40 and c.judge_seeds:
        raise UserError(
            f"the test set has {len(test.replies)} pairs, too few for a judge; name a larger "
            "--test or pass --judge_seeds 0, then `seqgan resume`"
        )
    torch.manual_seed(c.seed + 1)
    rows: dict[str, Row] = {}
    said = floors(run, test)
    policies = {"MLE": run.game.mle.eval(), "GAN": run.game.G.eval()}
    nll = {name: run.nll(policy, test.pairs) for name, policy in policies.items()}
    for name, policy in policies.items():
        for temperature in TEMPERATURES:
            drawing = Drawing(temperature, min_length=c.min_length)
            said[f"{name} T={temperature}"] = answers(run, policy, test.pairs, drawing)
    for name, replies in said.items():
        rows[name] = figures(replies, test.replies, test.contexts)
        if name == "human":
            rows[name]["bleu2"] = rows[name]["bleu4"] = ""
        if name.endswith("T=1.0"):
            rows[name]["nll_test"] = nll[name.split()[0]]
            if c.judge_seeds:
                rows[name] |= judged(run, test, replies)
        pairs = zip(test.contexts, replies, strict=True)
        lines = ("\t".join(" ".join(text.split()) for text in pair) + "\n" for pair in pairs)
        write_text(run.folder.samples / f"{name.replace(' ', '_').lower()}.txt", "".join(lines))
    run.folder.write_result(_result(run, rows, cpu_seconds))
    keys = ["nll_valid", "D/accuracy", "G/reward", "distinct2", "G/length", "G/entropy"]
    run.folder.plots.mkdir(parents=True, exist_ok=True)
    figure = plots.draw_learning_curves(plots.read_log(run.folder.log), keys)
    plots.write_figure(figure, run.folder.plots / "learning.png")
    shown = {n: {k: row[k] for k in SHOWN if k in row} for n, row in rows.items()}
    print_table(f"{run.folder.folder}: {len(test.replies)} test contexts", shown)


def _result(
    run: "DialogueRun", rows: Mapping[str, Row], cpu_seconds: float | None
) -> dict[str, Any]:
    import transformers

    game, engine = run.game, run.engine
    return {
        "table": rows,
        "test": run.data_source(),
        "selected": "last adversarial round; maximum likelihood by validation NLL",
        "bleu": "sacrebleu, 13a, lower case, detokenized, one reference",
        "rounds": engine.round,
        "steps": engine.steps,
        "critic_rested": float(game.rested),
        "policy_held": float(game.held),
        "counts": {name: part.counts.told() for name, part in run.dialogues._asdict().items()},
        "alarms": engine.notes.get("alarms", []),
        "seed": run.config.seed,
        "config": run.as_dict(),
        "cpu_seconds": run.folder.cpu_seconds() if cpu_seconds is None else cpu_seconds,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
