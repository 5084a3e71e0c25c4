"""Reading pairs, LETOR and answers: what is kept, what is dropped and named, what is refused."""

import gzip

import numpy as np
import pandas as pd
import pytest
import torch

from image_core.adversarial.errors import UserError
from seqgan.retrieval.answers import Answers, read_lines
from seqgan.retrieval.columns import read_table
from seqgan.retrieval.evaluate import evaluate
from seqgan.retrieval.interactions import read_interactions
from seqgan.retrieval.judged import (
    inverse_frequency,
    read_answers,
    read_letor,
    token_matrix,
    words,
)
from seqgan.retrieval.tasks import ItemTask, WebTask, read_start
from tests.seqgan.retrieval.made import write_answers, write_letor, write_pairs


def saved(file, text):
    file.write_text(text, encoding="utf-8")
    return str(file)


def pairs_of(ragged):
    return [
        ragged.values[int(a) : int(b)].tolist()
        for a, b in zip(ragged.offsets[:-1], ragged.offsets[1:])
    ]


# ------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.tsv.gz", "a.parquet", "a.jsonl"])
def test_tables_of_any_kind(tmp_path, name):
    frame = pd.DataFrame({"item": ["x", "y"], "user": ["1", "2"], "rating": ["5", "3"]})
    file = tmp_path / name
    if name.endswith(".parquet"):
        frame.to_parquet(file)
    elif name.endswith(".jsonl"):
        frame.to_json(file, orient="records", lines=True)
    else:
        frame.to_csv(file, index=False, sep="\t" if ".tsv" in name else ",")
    table = read_table(str(file), ["user", "item", "rating"])
    assert table.to_numpy().tolist() == [["1", "x", "5"], ["2", "y", "3"]]


def test_without_a_header_columns_count_from_the_left(tmp_path):
    file = saved(tmp_path / "a.tsv", "1\tNA\t5\t881\n2\ty\t3\t882\n")
    table = read_table(file, ["user", "item", "rating"], optional=1)
    assert table.to_numpy().tolist() == [["1", "NA", "5"], ["2", "y", "3"]]
    assert list(
        read_table(saved(tmp_path / "b.tsv", "1\tx\n"), ["user", "item", "rating"], optional=1)
    )
    assert read_table(str(tmp_path / "b.tsv"), ["user", "item", "r"], optional=1).shape == (1, 2)


def test_a_header_of_other_names_is_no_row(tmp_path):
    file = saved(tmp_path / "a.csv", "userId,movieId,rating\n1,30,4.5\n2,31,3\n2,30,1\n")
    with pytest.raises(UserError, match=r"header .userId,movieId,rating. .* --columns"):
        read_table(file, ["user", "item", "rating"], optional=1)
    table = read_table(file, ["userId", "movieId", "rating"], optional=1)
    assert table.to_numpy().tolist() == [["1", "30", "4.5"], ["2", "31", "3"], ["2", "30", "1"]]


def test_tables_that_cannot_be_read(tmp_path):
    latin = tmp_path / "latin.tsv"
    latin.write_bytes("u\tcafé\n".encode("latin-1"))
    torn = tmp_path / "torn.tsv.gz"
    torn.write_bytes(gzip.compress(b"1\t2\n" * 1000)[:-20])
    for source, said in (
        (str(latin), "not UTF-8"),
        (str(torn), "torn.tsv.gz"),
        (saved(tmp_path / "empty.tsv", ""), "empty"),
        (saved(tmp_path / "one.tsv", "1\n2\n"), "1 columns and needs 2"),
        (str(tmp_path), "folder"),
        (str(tmp_path / "none.tsv"), "no file"),
    ):
        with pytest.raises(UserError, match=said):
            read_table(source, ["user", "item", "rating"], optional=1)
    frame = tmp_path / "a.parquet"
    pd.DataFrame({"user": ["1"], "thing": ["2"]}).to_parquet(frame)
    with pytest.raises(UserError, match="no column 'item', only user, thing"):
        read_table(str(frame), ["user", "item", "rating"], optional=1)


# -------------------------------------------------------------------------------------------- pairs


def test_rows_that_are_dropped_are_counted_by_reason(tmp_path):
    train = saved(
        tmp_path / "train.tsv",
        "a\tx\t5\na\ty\t2\nb\tx\t4\nb\tx\t5\n\tx\t5\na\t \t5\n"
        "b\ty\tmany\nb\tz\t9\nb\tz\tnan\nc\tz\t1\n",
    )
    test = saved(
        tmp_path / "test.tsv", "a\tz\t5\na\tx\t5\nd\tx\t5\nb\tnew\t5\nb\ty\t1\nc\tx\tinf\n"
    )
    data = read_interactions(train, test, relevant=4.0, ratings=(1.0, 5.0))
    assert data.users == ["a", "b", "c"]
    assert data.items == ["new", "x", "y", "z"]
    assert pairs_of(data.train) == [[1], [1], []]
    assert pairs_of(data.test) == [[3], [0], []]
    assert data.dropped == {
        "without a user or an item": 2,
        "with a rating that is no number": 3,
        "with a rating out of range": 1,
        "that repeat a pair": 1,
        "of the test set whose user is not in training": 1,
        "of the test set that training holds too": 1,
    }
    assert data.noted == {
        "relevant test pairs whose item is not in training": 1,
        "users without a relevant item in training": 1,
    }


def test_pairs_without_ratings_are_all_relevant(tmp_path):
    file = saved(tmp_path / "a.tsv", "2\t30\n10\t4\n2\t4\n")
    data = read_interactions(file, saved(tmp_path / "b.tsv", "10\t30\n"))
    assert (data.users, data.items) == (["2", "10"], ["4", "30"])  # as numbers
    assert pairs_of(data.train) == [[0, 1], [0]]
    with pytest.raises(UserError, match="no ratings"):
        read_interactions(file, relevant=4.0)


def test_shares_are_held_out_by_user_and_by_seed(tmp_path):
    file = write_pairs(tmp_path / "a.tsv")
    data, same, other = (read_interactions(file, seed=seed) for seed in (0, 0, 1))
    for whole, held, kept, valid in zip(
        *(pairs_of(r) for r in (data.train, data.test, data.fit, data.valid))
    ):
        assert len(whole) + len(held) == 8
        assert (len(held), len(valid)) == (1, 1)
        assert not set(whole) & set(held)
        assert sorted(kept + valid) == sorted(whole)
    assert pairs_of(data.test) == pairs_of(same.test)
    assert pairs_of(data.test) != pairs_of(other.test)


def test_splits_of_users(tmp_path):
    data = read_interactions(
        saved(tmp_path / "a.tsv", "a\tx\t5\nb\tx\t1\nc\ty\t5\n"),
        saved(tmp_path / "b.tsv", "a\ty\t5\nc\tx\t5\n"),
        relevant=4.0,
    )
    learn, measure = data.learn(data.train), data.measure(data.test, data.train)
    assert learn.queries.tolist() == [0, 2]
    assert measure.ranked_mask(torch.arange(3)).tolist() == [
        [False, True],
        [True, True],
        [True, False],
    ]


def test_a_sample_of_users_is_measured(tmp_path):
    data = read_interactions(write_pairs(tmp_path / "a.tsv", each=12), relevant=4.0)
    few = ItemTask(data, choose=True, eval_samples=7, seed=3)
    whole = ItemTask(data, choose=True)
    assert (len(few.test), len(few.valid), len(whole.test)) == (7, 7, 30)
    assert len(few.everybody) == 30
    scores = torch.randn(30, len(data.items))
    found = evaluate(lambda rows: scores[few.test.queries[rows]], few.test)["map"]
    everybody = evaluate(lambda rows: scores[whole.test.queries[rows]], whole.test)["map"]
    assert torch.equal(found, everybody[torch.isin(whole.test.queries, few.test.queries)])


def test_a_model_made_elsewhere_fixes_the_numbers(tmp_path):
    train, test = saved(tmp_path / "a.tsv", "0\t3\n"), saved(tmp_path / "b.tsv", "0\t1\n")
    data = read_interactions(train, test, size=(2, 6))
    assert (data.users, data.items) == (["0", "1"], ["0", "1", "2", "3", "4", "5"])
    assert pairs_of(data.test) == [[1], []]
    with pytest.raises(UserError, match="2 items, numbered from 0"):
        read_interactions(train, test, size=(2, 2))


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ("a\tx\t1\n", "a\ty\t5\n", "holds no relevant pair"),
        ("a\tx\t5\n", "b\tx\t5\n", "leaves no relevant pair"),
        ("a\tx\t5\n", "a\tx\t5\n", "leaves no relevant pair"),
        ("a\tx\t5\n", "a\ty\t2\n", "leaves no relevant pair"),
    ],
)
def test_nothing_to_learn_or_to_measure(tmp_path, train, test, said):
    files = saved(tmp_path / "a.tsv", train), saved(tmp_path / "b.tsv", test)
    with pytest.raises(UserError, match=said):
        read_interactions(*files, relevant=4.0)


# -------------------------------------------------------------------------------------------- LETOR


def test_letor_text(tmp_path):
    text = "2 qid:7 1:0.5 3:1 # doc\n\n0 qid:8 2:1\n1 qid:7 1:0.25\n"
    for file in (tmp_path / "a.txt", tmp_path / "a.txt.gz"):
        content = text.encode()
        file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
        data = read_letor(str(file))
        assert data.names == ["7", "8"]
        assert data.query.tolist() == [0, 0, 1]
        assert data.label.tolist() == [2, 1, 0]
        assert data.features.tolist() == [[0.5, 0, 1], [0.25, 0, 0], [0, 1, 0]]


def test_letor_arrays_whole_or_by_part(tmp_path):
    x, label, qid = np.ones((3, 2)), np.array([0, 1, 0]), np.array([5, 5, 6])
    np.savez(tmp_path / "a.npz", x=x, label=label, qid=qid)
    np.savez(tmp_path / "b.npz", train_x=x, train_label=label, train_qid=qid, test_x=x)
    for file in ("a.npz", "b.npz"):
        assert read_letor(str(tmp_path / file), "train").names == ["5", "6"]
    with pytest.raises(UserError, match="neither x, label and qid nor test_x, test_label"):
        read_letor(str(tmp_path / "b.npz"), "test")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 1:0.5\n", "line 1 is not"),
        ("1 qid:1 1:a\n", "line 1 is not"),
        ("1 qid:1 0:1\n", "features count from 1"),
        ("1 qid:1 1:nan\n", "row 1: feature 1 is not finite"),
        ("0 qid:1 1:1\n", "no relevant document"),
        ("-1 qid:1 1:1\n", "row 1: the label"),
        ("", "no judged document"),
    ],
)
def test_letor_that_cannot_be_read(tmp_path, text, said):
    with pytest.raises(UserError, match=said):
        read_letor(saved(tmp_path / "a.txt", text))


def test_pickled_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{}], dtype=object), label=np.ones(1), qid=np.ones(1))
    with pytest.raises(UserError, match="cannot be read"):
        read_letor(str(tmp_path / "a.npz"))


def web(tmp_path, **options):
    train, test = (read_letor(write_letor(tmp_path / f"{n}.txt", seed=n)) for n in (1, 2))
    return WebTask(
        train,
        test,
        None,
        **{
            "share": 0.25,
            "label_fraction": 1.0,
            "seed": 0,
            "choose": True,
            "graded": False,
            **options,
        },
    )


def test_web_queries_are_split_and_keep_their_documents(tmp_path):
    task = web(tmp_path)
    assert [len(s) for s in (task.train, task.fit, task.valid, task.test)] == [24, 18, 6, 24]
    assert set(task.fit.queries.tolist()) | set(task.valid.queries.tolist()) == set(range(24))
    assert task.test.queries.tolist() == list(range(24, 48))
    for split in (task.fit, task.valid, task.test):
        batch = split.batch(torch.arange(len(split)))
        relevant = batch.documents_at(batch.owner, batch.column)
        assert (task.labels[relevant.numpy()] > 0).all()
        names = [task.document_names[d] for d in batch.documents[0].tolist()]
        assert {n.split(",")[0] for n in names} == {
            f"query {task.query_names[int(split.queries[0])]}"
        }
    assert set(task.test.gain(torch.arange(24)).flatten().tolist()) == {0.0, 1.0}
    graded = web(tmp_path, graded=True)
    assert set(graded.test.gain(torch.arange(24)).flatten().tolist()) == {0.0, 1.0, 2.0}


def test_hidden_labels_are_candidates_like_any_other(tmp_path):
    task = web(tmp_path, label_fraction=0.5, choose=False)
    assert 0 < len(task.train.positives.values) < 48
    assert task.test.positives.counts.tolist() == [2] * 24
    assert task.train.candidates.counts.tolist() == [6] * len(task.train)
    assert task.noted["training queries without a visible relevant document"] == 24 - len(
        task.train
    )
    with pytest.raises(UserError, match="hides every relevant"):
        web(tmp_path, label_fraction=1e-4)


def test_features_must_agree(tmp_path):
    train = read_letor(write_letor(tmp_path / "a.txt"))
    test = read_letor(saved(tmp_path / "b.txt", "1 qid:1 1:1\n"))
    with pytest.raises(UserError, match=r"\[1, 3\] features"):
        WebTask(
            train, test, None, share=0.2, label_fraction=1.0, seed=0, choose=False, graded=False
        )


# ------------------------------------------------------------------------------------------ answers


def test_answers_are_grouped_and_cleaned(tmp_path):
    text = "1\t0\tq one\ta\n2\t1\tq two\tb\n1\t1\tq one\tc\n1\t1\tq one\tc\n2\t0\t\td\n"
    text += "2\tx\tq two\te\n"
    data = read_answers(saved(tmp_path / "a.tsv", text))
    assert data.names == ["q one", "q two"]
    assert data.texts == ["a", "c", "b"]
    assert data.label.tolist() == [0, 1, 1]
    assert data.dropped == {
        "without a question or an answer": 1,
        "with a label that is no number": 1,
        "that repeat an answer": 1,
    }


def test_tokens():
    vocabulary = {}
    matrix = token_matrix(["The cat sat .", "the  dog-house", ""], vocabulary, 3, grow=True)
    assert matrix.tolist() == [[2, 3, 4], [2, 5, 0], [0, 0, 0]]
    assert token_matrix(["the bird"], vocabulary, 9, grow=False).tolist() == [[2, 1]]
    assert words("It's 5-ply, isn't it?") == ["it's", "5-ply", ",", "isn't", "it", "?"]
    idf = inverse_frequency(matrix, 7)
    assert idf[0] == 0
    assert idf[2] == pytest.approx(np.log(4 / 2.5))
    assert idf[6] == pytest.approx(np.log(4 / 0.5))


def answers(tmp_path, valid=True, **options):
    files = [write_answers(tmp_path / f"{n}.tsv", seed=n) for n in range(3)]
    return Answers(
        files[0],
        files[2],
        files[1] if valid else None,
        columns=("id", "label", "question", "answer"),
        share=0.25,
        seed=0,
        **options,
    )


def test_questions_of_three_files(tmp_path):
    data = answers(tmp_path)
    assert [len(s) for s in (data.train, data.fit, data.valid, data.test)] == [12, 12, 12, 12]
    batch = data.test.batch(torch.tensor([4, 2]))
    assert batch.queries.tolist() == [28, 26]
    for query, document in zip(
        batch.queries.tolist(), batch.documents_at(batch.owner, batch.column)
    ):
        noun = data.questions[query].split()[3]
        assert noun in data.texts[int(document)].split()
    held = answers(tmp_path, valid=False)
    assert [len(s) for s in (held.train, held.fit, held.valid)] == [12, 9, 3]


def test_overlap_finds_the_noun(tmp_path):
    data = answers(tmp_path)
    scores = data.test.batch(torch.arange(12)).scores(data.overlap())
    assert scores.argmax(1).tolist() == data.test.positives.values.tolist()
    assert float(scores.max()) <= 1


def test_lines_of_a_file(tmp_path):
    assert read_lines(saved(tmp_path / "a.txt", " one \n\n two\n")) == ["one", "two"]
    for content, said in ((b"", "empty"), ("é".encode("latin-1"), "UTF-8")):
        (tmp_path / "b.txt").write_bytes(content)
        with pytest.raises(UserError, match=said):
            read_lines(str(tmp_path / "b.txt"))
    with pytest.raises(UserError, match="cannot be read"):
        read_lines(str(tmp_path / "none.txt"))


# ------------------------------------------------------------------------------------------- starts


def test_starts(tmp_path):
    good = {"g_user": np.ones((2, 3)), "g_item": np.zeros((4, 3)), "g_bias": np.ones(4)}
    np.savez(tmp_path / "a.npz", **good)
    made = read_start(str(tmp_path / "a.npz"), "g_")
    assert {k: tuple(v.shape) for k, v in made.items()} == {
        "query": (2, 3),
        "document": (4, 3),
        "bias": (4,),
    }
    with pytest.raises(UserError, match="start_prefix"):
        read_start(str(tmp_path / "a.npz"))
    np.savez(tmp_path / "b.npz", **{**good, "g_bias": np.ones(3)})
    with pytest.raises(UserError, match="do not fit"):
        read_start(str(tmp_path / "b.npz"), "g_")
    np.savez(tmp_path / "c.npz", **{**good, "g_bias": np.full(4, np.nan)})
    with pytest.raises(UserError, match="not finite"):
        read_start(str(tmp_path / "c.npz"), "g_")
    with pytest.raises(UserError, match="no file"):
        read_start(str(tmp_path / "d.npz"))
