"""SentiGAN and labelled text: the mixture, the classes, the penalty, a run by label."""

import csv
import random

import numpy as np
import pytest
import torch

import seqgan as sg
from image_core.adversarial.errors import UserError
from seqgan.cli import main
from seqgan.text.games.multi import penalised, tiny
from seqgan.text.label_discriminator import LabelDiscriminator
from seqgan.text.labels import LabelBatches, NaiveBayes
from seqgan.text.mixture import MixturePolicy
from seqgan.text.rewards import label_reward, rollout_reward
from tests.recipes.made import (
    TINY,
    TINY_ORACLE,
    WORDS,
    corpus,
    read_result,
    refusal,
    shorten,
)
from tests.seqgan.lm.enumeration import counted, everything, tiny_policy, too_far
from tests.seqgan.text.papers.table import SEQUENCES, TablePolicy, counts, multiset, share

# ------------------------------------------------------------------------------------- mixture


@pytest.fixture(scope="module")
def mixture():
    parts = [tiny_policy(4, end=2, seed=seed) for seed in (0, 1)]
    return MixturePolicy(parts, [0.25, 0.75]).double()


def test_the_density_of_a_mixture_is_the_mean_of_its_parts(mixture):
    sequences, probability = everything(mixture, 3)
    expected = sum(
        weight * part.log_prob(sequences).sum(1).exp()
        for weight, part in zip((0.25, 0.75), mixture.parts, strict=True)
    )
    torch.testing.assert_close(probability, expected.double(), rtol=1e-6, atol=1e-9)
    assert float(probability.sum()) == pytest.approx(1)


def test_steps_of_a_mixture_know_what_was_read(mixture):
    """Whatever is drawn follows the conditional probabilities, which forget no token."""
    torch.manual_seed(1)
    sequences, probability = everything(mixture, 3)
    drawn = mixture.sample(3000, 3)
    assert too_far(counted(drawn, sequences), probability) < 4
    prompt = torch.tensor([3])
    inside = sequences[:, 0] == 3
    given = mixture.sample(2000, 3, prompt=prompt)
    conditional = probability[inside] / probability[inside].sum()
    assert too_far(counted(given, sequences[inside]), conditional) < 4


# ------------------------------------------------------------------------------------- classes


def test_classes_by_hand():
    torch.manual_seed(0)
    D = LabelDiscriminator(12, 2, ((1, 4), (2, 4)), end=2).eval()
    tokens = torch.randint(3, 12, (5, 6))
    with torch.no_grad():
        p = D.classify(tokens).softmax(1)
        torch.testing.assert_close(torch.sigmoid(D(tokens)), p[:, 0] + p[:, 1])
        torch.testing.assert_close(D.scorer()(tokens), D(tokens))
        for label in (0, 1):
            torch.testing.assert_close(torch.sigmoid(D.label_scorer(label)(tokens)), p[:, label])
        many = tokens.repeat(80, 1)  # enough for the table lookup
        torch.testing.assert_close(
            torch.sigmoid(D.label_scorer(1)(many)), p[:, 1].repeat(80), atol=1e-5, rtol=1e-4
        )
    policy = tiny_policy(12, end=2)
    policy.output_bias[5] = 1e4  # the same completion each time
    found = label_reward(policy, D, tokens, 0, 2)
    D.scorer = lambda: D.label_scorer(0)
    torch.testing.assert_close(found, rollout_reward(2)(policy, D, tokens))


def test_the_discriminator_learns_labels_and_what_is_generated():
    game, data = tiny()
    seen = []
    game.D.classify = lambda tokens: seen.append(tokens) or torch.zeros(len(tokens), 3)
    (loss,) = game.discriminator_steps(iter([data]), 1)
    (tokens,) = seen
    assert torch.equal(tokens[:2, :5], data[0][:2, :5])
    assert torch.equal(tokens[2:4, :5], data[1][:2, :5])
    entropy = (loss.total - game.D.regularizer()).item()
    assert entropy == pytest.approx(np.log(3), abs=1e-5)


# ------------------------------------------------------------------------------------- penalty


def test_the_penalty_lowers_what_it_penalises():
    """Exact on the table: V G d log G; a step along it lowers the expected penalty."""
    often = counts(3)
    policy = TablePolicy(often)
    rows = multiset(often)
    value = torch.rand(27, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    penalty = value[rows @ torch.tensor([9, 3, 1])][:, None].expand(rows.shape)
    mask = torch.ones_like(rows, dtype=torch.bool)
    log_prob = policy.log_prob(rows)
    loss = penalised(log_prob, penalty, mask)
    (found,) = torch.autograd.grad(loss, log_prob, retain_graph=True)
    torch.testing.assert_close(found, penalty * log_prob.exp() / mask.sum())
    (slope,) = torch.autograd.grad(loss, policy.table)
    before = (share(often) * value).sum()
    with torch.no_grad():
        policy.table.sub_(0.5 * slope)
        after = (policy.log_prob(SEQUENCES).sum(1).exp() * value).sum()
    assert after < before


# --------------------------------------------------------------------------------- batches, bayes


def test_batches_hold_each_label_by_its_frequency():
    rows, labels = torch.arange(40).view(40, 1), torch.tensor([0] * 30 + [1] * 10)
    batches = LabelBatches(rows, labels, 8, seed=0)
    assert len(batches) == 5
    epoch = [batches(i) for i in range(5)]
    assert all([len(part) for part in batch] == [6, 2] for batch in epoch)
    assert sorted(torch.cat([b[0] for b in epoch])[:, 0].tolist()) == list(range(30))
    assert sorted(torch.cat([b[1] for b in epoch])[:, 0].tolist()) == list(range(30, 40))
    assert not torch.equal(epoch[0][0], batches(5)[0])
    assert torch.equal(batches(3)[0], LabelBatches(rows, labels, 8, seed=0)(3)[0])


def test_naive_bayes_by_hand():
    bayes = NaiveBayes([[5, 6], [7], [7, 7]], [0, 1, 1], 2)
    # Label 0 has the n-grams 5, 6 and 5 6; label 1 has 7 three times and 7 7
    assert bayes.bias == pytest.approx(np.log([2 / 5, 3 / 5]))
    size = bayes.weight.shape[1]
    assert bayes.weight[:, 7] == pytest.approx(np.log([1 / (size + 3), 4 / (size + 4)]))
    assert bayes.accuracy([[5], [7, 6], [6, 5]], [0, 0, 1]).tolist() == [1.0, 0.0, 0.0]


# ----------------------------------------------------------------------------------------- a run


def labelled(file, count=160, labels=("bad", "good"), seed=0):
    """Sentences whose last word tells the label, as often not."""
    draw = random.Random(seed)
    with file.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["text", "mood"])
        for _ in range(count):
            label = draw.choice(labels)
            end = {"bad": "cries", "good": "laughs"}[label]
            words = [draw.choice(WORDS[kind]) for kind in ("article", "noun", "adverb")]
            table.writerow([" ".join([*words, end]), label])
    return str(file)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose data are gone."""
    folder = tmp_path_factory.mktemp("labelled")
    words = [*TINY, "--paper", "sentigan", "--data", labelled(folder / "rows.csv")]
    for seed, name in enumerate(("valid", "test"), 1):
        words += [f"--{name}", labelled(folder / f"{name}.csv", 30, seed=seed)]
    words += ["--field", "text", "--label_field", "mood", "--mle_epochs", "12", "--mle_lr", "0.05"]
    words += ["--dropout", "0", "--rounds", "1", "--discriminator", "small"]
    with pytest.MonkeyPatch.context() as patched:
        shorten(patched, 1.0)
        assert main([*words, "--out", str(folder / "run")]) == 0
    (folder / "rows.csv").unlink()
    return folder / "run"


def test_the_table_has_the_accuracy_of_labels_beside_real_text(run):
    result = read_result(run)
    table = result["table"]
    assert table["human"]["label_accuracy"] == 1.0
    # Conditional likelihood is the control of every labelled row; chance is 1/2
    assert table["MLE"]["label_accuracy"] > 0.8
    assert {"label_accuracy", "label_unique"} <= table["SentiGAN"].keys()
    assert result["bands"]["human"]["label_accuracy"] == [1.0, 1.0]
    assert result["data"]["label_classifier"] == "naive Bayes of 30 valid lines"


def test_samples_of_a_label(run, capsys):
    assert main(["sample", str(run), "--n", "40", "--label", "good", "--model", "mle"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 40
    ends = [sum(word in line.split() for line in lines) for word in ("laughs", "cries")]
    assert ends[0] > 4 * ends[1]
    loaded = sg.load(run)
    other = loaded.sample(40, label="bad", model="mle", seed=1)
    assert sum("cries" in line for line in other) > 4 * sum("laughs" in line for line in other)
    both = loaded.sample(40, model="mle", seed=1)
    assert {"laughs", "cries"} <= {word for line in both for word in line.split()}
    with pytest.raises(UserError, match=r"^label=fair: choose one of bad, good"):
        loaded.sample(1, label="fair")


def test_what_cannot_be_learned_by_label(tmp_path, capsys):
    out = ("--out", str(tmp_path / "run"))
    plain = corpus(tmp_path, 40)
    said = refusal(capsys, *TINY, "--paper", "sentigan", "--data", plain, *out)
    assert "--paper sentigan writes text by label" in said
    said = refusal(capsys, *TINY_ORACLE, "--paper", "sentigan", *out)
    assert "only the recipe text has: run `seqgan train text` in place of oracle" in said
    table = ("--paper", "sentigan", "--field", "text", "--label_field", "mood", *out)
    one = labelled(tmp_path / "one.csv", 40, labels=("good",))
    said = refusal(capsys, *TINY, *table, "--data", one)
    assert "--paper sentigan needs two labels or more, and all sentences have good" in said
    strange = labelled(tmp_path / "two.csv", 40)
    said = refusal(capsys, *TINY, *table, "--data", one, "--valid", strange)
    assert f"{strange} has the label 'bad', which no training sentence has" in said
