"""Documents of retrieval: LETOR, and answers to questions."""

import gzip

import numpy as np
import pytest
import torch

from image_core.adversarial.errors import UserError
from seqgan.retrieval.answers import Answers, read_lines
from seqgan.retrieval.judged import (
    inverse_frequency,
    read_answers,
    read_letor,
    token_matrix,
    words,
)
from seqgan.retrieval.tasks import WebTask
from tests.seqgan.retrieval.made import saved, write_answers, write_letor

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
    with pytest.raises(UserError, match="its array x holds Python objects"):
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


def test_facts_of_web_documents(tmp_path):
    text = "1 qid:1 1:0.5 2:0.1\n0 qid:1 1:0.2 2:0.1\n1 qid:2 1:0.7 2:0.3\n0 qid:3 1:0.1 2:0.9\n"
    other = "1 qid:9 1:0.5 2:0.1\n0 qid:9 1:0.201 2:0.1\n0 qid:9 1:0.9 2:0.9\n2 qid:9 1:0.4 2:0\n"
    train, test = (saved(tmp_path / n, t) for n, t in (("a.txt", text), ("b.txt", other)))
    task = WebTask(read_letor(train), read_letor(test), None, share=0.5, label_fraction=1.0, seed=0,
                   choose=True, graded=False)  # fmt: skip
    assert task.facts == {
        "train_queries": 3, "train_rows": 4, "train_classes": {"0": 2, "1": 2},
        "test_queries": 1, "test_rows": 4, "test_classes": {"0": 2, "1": 1, "2": 1},
        "test_in_train": 0.25, "test_near_train": 0.5,
    }  # fmt: skip
    assert task.told[1] == f"test: {test}, 4 documents with 2 features of 1 queries"


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
        share=0.25,
        seed=0,
        **options,
    )


def test_facts_of_answers(tmp_path):
    """A test question of training, one like it, and one of its own; equal ones stay together."""
    train = ["what is a cat ?", "what is a dog ?", "what is a cat ?", "who came ?", "why ?"]
    test = ["what is a cat ?", "what is a dog then ?", "how many are there ?"]
    for name, asked in (("train", train), ("test", test)):
        lines = [f"{n}\t{label}\t{q}\ta{n}{label}" for n, q in enumerate(asked) for label in (1, 0)]
        saved(tmp_path / f"{name}.tsv", "\n".join(lines))
    files = (str(tmp_path / "train.tsv"), str(tmp_path / "test.tsv"), None)
    for seed in range(6):
        data = Answers(*files, share=0.4, seed=seed)
        facts = data.facts
        assert facts["valid_in_train"] == 0
        assert facts["test_in_train"] == pytest.approx(1 / 3)
        assert facts["test_near_train"] == pytest.approx(2 / 3)
        assert (facts["test_questions"], facts["test_rows"]) == (3, 6)
        assert facts["test_classes"] == {"0": 3, "1": 3}
        held = {data.questions[n] for n in data.valid.queries.tolist()}
        assert held
        assert not held & {data.questions[n] for n in data.fit.queries.tolist()}


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
