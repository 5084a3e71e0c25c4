"""Published figures on real data."""

import pytest

from seqgan.cli import main
from seqgan.retrieval import recipe
from seqgan.retrieval.evaluate import evaluate, means
from seqgan.retrieval.recipe import Run
from tests.data_folder import data_folder
from tests.recipes.made import built, read_result


def test_published_figures_to_four_digits(tmp_path):
    """The authors' two saved models under their protocol; the rows that IRGAN is compared with."""
    folder = data_folder("ir")
    words = ["train", "retrieve", "--paper", "irgan_authors", "--rounds", "0",
             "--data", str(folder / "ml100k_u1_train.tsv.gz"),
             "--test", str(folder / "ml100k_u1_test.tsv.gz"),
             "--start", str(folder / "irgan_ml100k_author_models.npz")]  # fmt: skip
    published = {
        "gan_": {"p@3": 0.4057, "p@5": 0.3785, "p@10": 0.3184, "map": 0.2442,
                 "ndcg@3": 0.4228, "ndcg@5": 0.4053, "ndcg@10": 0.3775, "mrr": 0.6103},
        "dns_": {"p@3": 0.3845, "p@5": 0.3474, "p@10": 0.2967, "map": 0.2222,
                 "ndcg@3": 0.3986, "ndcg@5": 0.3749, "ndcg@10": 0.3518, "mrr": 0.5798},
    }  # fmt: skip
    baselines = {"gan_": "popularity,ease", "dns_": "none"}
    for prefix, row in published.items():
        out = tmp_path / prefix
        options = ["--start_prefix", prefix, "--baselines", baselines[prefix], "--out", str(out)]
        assert main([*words, *options]) == 0
        result = read_result(out)
        assert result["queries"] == 456
        found = result["table"]["IRGAN as released"]
        assert {name: round(found[name], 4) for name in row} == row
    table = read_result(tmp_path / "gan_")["table"]
    assert round(table["popularity"]["ndcg@5"], 4) == 0.2568
    assert round(table["popularity"]["map"], 4) == 0.1515


def test_ease_on_movielens_and_the_best_feature_of_mq2008(tmp_path):
    """Figures that were computed elsewhere, by other code, on the same files."""
    from seqgan.retrieval.baseline_rows import baseline
    from seqgan.retrieval.baselines import ease
    from seqgan.retrieval.interactions import read_interactions
    from seqgan.retrieval.judged import read_letor
    from seqgan.retrieval.tasks import ItemTask, Sizes, WebTask

    folder = data_folder("ir")
    data = read_interactions(
        str(folder / "ml100k_u1_train.tsv.gz"), str(folder / "ml100k_u1_test.tsv.gz"), relevant=4.0
    )
    task = ItemTask(data, choose=False)
    assert (len(data.train.values), len(data.test.values)) == (44_140, 11_235)
    score = ease(data.train, len(data.items), l2=300.0)
    found = means(evaluate(lambda rows: score(task.test.queries[rows]), task.test))
    assert round(found["ndcg@5"], 3) == 0.457
    assert round(found["map"], 3) == 0.283
    sets = [read_letor(str(folder / "mq2008_fold1.npz"), part) for part in ("train", "test")]
    web = WebTask(*sets, None, share=0.2, label_fraction=1.0, seed=0, choose=False, graded=False)
    config = built(recipe, "default", "irgan", out="r", data="a", test="b")
    run = Run.fitting(type("Configured", (), {"config": config})())
    row = baseline("best_feature", web, lambda: web.scorer("mlp", Sizes()), run)
    assert row.settings["feature"] == 39
    found = means(evaluate(row.score, web.test))
    wanted = {"p@3": 0.530, "p@5": 0.474, "p@10": 0.347, "ndcg@5": 0.636, "map": 0.641}
    assert {name: round(found[name], 3) for name in wanted} == pytest.approx(wanted, abs=0.0015)
