"""Scorers against their formulas, baselines against independent computations."""

import sys

import numpy as np
import pytest
import torch

from image_core.adversarial.errors import UserError
from seqgan.retrieval import baseline_rows, baselines
from seqgan.retrieval.baseline_rows import L2_OF, baseline
from seqgan.retrieval.evaluate import evaluate, means
from seqgan.retrieval.fitting import Fit, fit
from seqgan.retrieval.interactions import read_interactions
from seqgan.retrieval.judged import read_letor
from seqgan.retrieval.ragged import Ragged
from seqgan.retrieval.scorers import (
    FactorsOnPrior,
    FeatureMLP,
    MatrixFactorization,
    TwoTower,
    rows,
    share,
)
from seqgan.retrieval.tasks import ItemTask, Sizes, WebTask
from seqgan.retrieval.text_scorers import CNNMatcher, SharedWords
from tests.seqgan.retrieval.made import write_encoder, write_letor, write_pairs

HISTORY = Ragged(torch.tensor([0, 2, 3, 6, 6]), torch.tensor([0, 2, 1, 0, 2, 3]))
"""Of four queries and five documents."""

TOKENS = torch.tensor([[2, 3, 0, 0], [4, 5, 6, 0]]), torch.tensor([[3, 7, 0], [2, 3, 4], [0, 0, 0]])
IDF = torch.tensor([0.0, 9, 1, 2, 3, 4, 5, 6])


def words():
    return SharedWords(*TOKENS, IDF)


SCORERS = {
    "mf": lambda: MatrixFactorization(4, 5, 3, 1.0),
    "prior": lambda: with_scale(FactorsOnPrior(torch.randn(4, 5), 3)),
    "two_tower": lambda: TwoTower(HISTORY, 5, 3, 6),
    "mlp": lambda: FeatureMLP(torch.randn(5, 4), 6),
    "cnn": lambda: CNNMatcher(
        SharedWords(TOKENS[0].repeat(2, 1), TOKENS[1][[0, 1, 2, 1, 0]], IDF), 4, filters=3
    ),
}


def with_scale(scorer):
    scorer.scale.fill_(2.0)
    return scorer


@pytest.mark.parametrize("name", SCORERS)
def test_all_ways_to_ask_agree(name):
    """Shared candidates, own candidates and pairs give the same scores, and gradients flow."""
    scorer = SCORERS[name]().eval()
    queries, documents = torch.tensor([2, 0, 2]), torch.tensor([4, 1, 1, 0])
    shared = scorer(queries, documents)
    own = scorer(queries, documents.expand(3, -1))
    one = scorer.pairs(queries.repeat_interleave(4), documents.repeat(3)).view(3, 4)
    assert torch.allclose(shared, own, atol=1e-5)
    assert torch.allclose(shared, one, atol=1e-5)
    assert torch.allclose(shared[0], shared[2])
    assert float(scorer.l2(queries, documents[:3]).detach()) > 0
    gradients = torch.autograd.grad(shared.square().sum(), list(scorer.parameters()))
    assert all(torch.isfinite(g).all() for g in gradients)


def test_rows_have_the_gradient_of_an_embedding():
    table = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    ids = torch.tensor([[1, 1], [5, 0]])
    assert rows(table, ids).shape == (2, 2, 3)
    assert torch.autograd.gradcheck(lambda t: rows(t, ids), table)
    assert share(torch.tensor([1, 1, 0, 3]), 5).tolist() == [0.25, 0.5, 0, 0.25, 0]


def test_factors_on_prior_begin_as_factors_and_are_calibrated():
    scorer = FactorsOnPrior(torch.tensor([[0.0, 1.0, 0.2], [0.5, 0.0, 0.0]]), 2)
    queries, documents = torch.arange(2), torch.arange(3)
    assert torch.equal(scorer(queries, documents), scorer.factors(queries, documents))
    positives = (torch.tensor([0, 0, 0, 0, 1]), torch.tensor([1, 1, 1, 0, 0]))
    scorer.calibrate((0.1, 2.0, 50.0), queries, *positives)
    assert scorer.scale == 2.0
    wanted = scorer.factors(queries, documents) + 2 * scorer.prior
    assert torch.allclose(scorer(queries, documents), wanted)
    assert set(scorer.state_dict()) == {
        "scale", "factors.query", "factors.document", "factors.bias"
    }  # fmt: skip


def test_shared_words_by_hand():
    scorer = words()
    scores = scorer(torch.arange(2), torch.arange(3))
    assert torch.allclose(scores, torch.tensor([[2 / 3, 1.0, 0], [0, 3 / 12, 0]]))


def test_padding_of_a_text_changes_nothing():
    torch.manual_seed(0)
    short = CNNMatcher(words(), 4, filters=3)
    long = CNNMatcher(
        SharedWords(*(torch.nn.functional.pad(t, (0, 7)) for t in TOKENS), IDF), 4, filters=3
    )
    long.load_state_dict(short.state_dict())
    ask = torch.arange(2), torch.arange(3)
    assert torch.allclose(short(*ask), long(*ask), atol=1e-6)


# ---------------------------------------------------------------------------------------- baselines


def test_popularity():
    scores = baselines.popularity(HISTORY, 5)(torch.tensor([3, 0]))
    assert scores.tolist() == [[2, 1, 2, 1, 0]] * 2


def test_item_knn_by_loops():
    known = HISTORY.mark(torch.arange(4), 5).double().numpy()
    count, wanted = known.sum(0), np.zeros((4, 5))
    for i in range(5):
        similar = [
            0.0 if i == j else known[:, i] @ known[:, j] / (np.sqrt(count[i] * count[j]) + 2.0)
            for j in range(5)
        ]
        for j in np.argsort(similar)[::-1][:2]:
            wanted[:, i] += similar[j] * known[:, j]
    scores = baselines.item_knn(HISTORY, 5, neighbours=2, shrink=2.0)(torch.arange(4))
    assert np.allclose(scores.numpy(), wanted, atol=1e-6)


def test_ease_is_ridge_regression_on_all_other_documents():
    torch.manual_seed(0)
    table = (torch.rand(30, 6) < 0.4).numpy()
    users, items = table.nonzero()
    history = Ragged.from_pairs(users, items, 30)
    x, wanted = table.astype(float), np.zeros((30, 6))
    for j in range(6):
        others = np.delete(x, j, axis=1)
        weight = np.linalg.solve(others.T @ others + 5.0 * np.eye(5), others.T @ x[:, j])
        wanted[:, j] = others @ weight
    scores = baselines.ease(history, 6, l2=5.0)(torch.arange(30))
    assert np.allclose(scores.numpy(), wanted, atol=1e-5)


def test_too_many_documents_for_a_square_matrix():
    with pytest.raises(UserError, match="square matrix"):
        baselines.ease(HISTORY, 30_000)


@pytest.fixture
def items(tmp_path):
    data = read_interactions(write_pairs(tmp_path / "a.tsv", users=60, each=12), relevant=4.0)
    return ItemTask(data, choose=True)


def how(**options):
    return Fit(**{"method": "softmax", "epochs": 40, "lr": 0.03, "l2": 0.1, **options})


@pytest.mark.parametrize("name", ["bpr", "softmax", "item_knn", "ials", "ease"])
def test_baselines_of_items_find_the_two_tastes(items, name):
    """Half of the items are to a user's taste, so a random order has nDCG far below."""
    if name == "ials":
        pytest.importorskip("implicit")
    row = baseline(name, items, lambda: items.scorer("mf", Sizes(dim=4)), how())
    found = means(evaluate(row.score, items.test))["recall@10"]
    chance = means(evaluate(lambda r: torch.zeros(len(r), 40), items.test))["recall@10"]
    assert chance < 0.4
    assert found > 0.6
    assert row.settings


def test_settings_of_computed_baselines_are_chosen_on_validation_alone(items, monkeypatch):
    read = []
    monkeypatch.setattr(
        baseline_rows, "evaluate", lambda score, split: read.append(split) or evaluate(score, split)
    )
    baseline("ease", items, lambda: items.scorer("mf", Sizes(dim=4)), how())
    assert len(read) == len(baselines.GRIDS["ease"])
    assert all(split is items.valid for split in read)


def test_a_library_that_is_missing_is_named(items, monkeypatch):
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    with pytest.raises(UserError, match="pip install"):
        baselines.ials(items.data.train, 40)


def test_validation_chooses_settings_and_epochs(items):
    """A ruinous L2 loses, and what was chosen is fitted again to all training data."""
    grid = [how(l2=50.0, epochs=20), how(l2=0.1, epochs=20)]
    _, chosen = fit(items, lambda: items.scorer("mf", Sizes(dim=4)), grid)
    assert chosen.l2 == 0.1
    assert 0 < chosen.epochs <= 20
    assert len(L2_OF["bpr"]) > 1


def test_baselines_of_web_search(tmp_path):
    pytest.importorskip("lightgbm")
    train, test = (read_letor(write_letor(tmp_path / f"{n}.txt", seed=n)) for n in (1, 2))
    task = WebTask(
        train, test, None, share=0.25, label_fraction=1.0, seed=0, choose=True, graded=False
    )
    row = baseline("best_feature", task, lambda: task.scorer("mlp", Sizes()), how())
    assert row.settings == {"feature": 1, "sign": 1}
    by_feature = evaluate(row.score, task.test)
    order = task.features[:, 0]
    direct = evaluate(lambda r: order[task.test.batch(r).documents], task.test)
    assert torch.equal(by_feature["map"], direct["map"])
    trees = baseline("lightgbm", task, lambda: task.scorer("mlp", Sizes()), how())
    assert means(evaluate(trees.score, task.test))["map"] > 0.7
    assert trees.settings["trees"] >= 1


def test_the_encoder_is_frozen_and_its_projection_learns(tmp_path):
    """A random encoder of one layer, saved and read as any other; scores by its vectors."""
    pytest.importorskip("transformers")
    from seqgan.retrieval.text_scorers import EncoderMatcher, encode

    write_encoder(tmp_path, ["cat", "dog", "bird"])
    texts = ["cat", "dog bird", "cat cat"]
    vectors = encode(str(tmp_path), texts)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(3))
    asked = encode(str(tmp_path), ["cat", "dog"])
    scorer = EncoderMatcher(asked, vectors, SharedWords(*TOKENS, IDF))
    assert {name for name, _ in scorer.named_parameters()} == {"projection", "overlap", "bias"}
    scores = scorer(torch.arange(2), torch.arange(3))
    wanted = 10 * (asked @ vectors.T + words()(torch.arange(2), torch.arange(3)))
    assert torch.allclose(scores, wanted - 10, atol=1e-4)  # the bias of a discriminator's logits
    with pytest.raises(UserError, match="cannot be loaded"):
        encode(str(tmp_path / "none"), texts)
