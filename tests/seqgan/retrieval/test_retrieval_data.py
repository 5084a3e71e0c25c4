"""Reading pairs, LETOR and answers: what is kept, what is dropped and named, what is refused."""

import numpy as np
import pytest
import torch

from image_core.adversarial.errors import UserError
from seqgan.retrieval.evaluate import evaluate
from seqgan.retrieval.interactions import read_interactions
from seqgan.retrieval.tasks import ItemTask, read_start
from tests.seqgan.retrieval.made import saved, write_pairs


def pairs_of(ragged):
    return [
        ragged.values[int(a) : int(b)].tolist()
        for a, b in zip(ragged.offsets[:-1], ragged.offsets[1:])
    ]


# -------------------------------------------------------------------------------------------- pairs


def test_rows_that_are_dropped_are_counted_by_reason(tmp_path):
    train = saved(
        tmp_path / "train.tsv",
        "a\tx\t5\na\ty\t2\nb\tx\t4\nb\tx\t5\n\tx\t5\na\t \t5\nb\ty\tmany\nb\tz\tnan\nc\tz\t1\n",
    )
    test = saved(
        tmp_path / "test.tsv", "a\tz\t5\na\tx\t5\nd\tx\t5\nb\tnew\t5\nb\ty\t1\nc\tx\tinf\n"
    )
    data = read_interactions(train, test, relevant=4.0)
    assert data.users == ["a", "b", "c"]
    assert data.items == ["new", "x", "y", "z"]
    assert pairs_of(data.train) == [[1], [1], []]
    assert pairs_of(data.test) == [[3], [0], []]
    assert data.dropped == {
        "without a user or an item": 2,
        "with a rating that is no number": 3,
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


def test_every_user_with_two_has_one_held_out(tmp_path):
    """Most users have four items: a fifth, rounded down, would measure on nobody."""
    rows = [f"a{u}\ti{(7 * u + 3 * k) % 40}" for u in range(100) for k in range(4)]
    rows += [f"b\ti{k}" for k in range(15)] + ["c\ti1", "d\ti1", "d\ti2"]
    data = read_interactions(saved(tmp_path / "a.tsv", "\n".join(rows)))
    counts = dict(zip(data.users, zip(*(x.counts.tolist() for x in (data.fit, data.valid,
                                                                     data.test)))))  # fmt: skip
    assert {counts[f"a{u}"] for u in range(100)} == {(2, 1, 1)}
    assert (counts["b"], counts["c"], counts["d"]) == ((10, 2, 3), (1, 0, 0), (1, 0, 1))
    assert data.facts() == {
        "users": 103, "items": 40, "train_rows": 314, "train_users": 103, "valid_rows": 102,
        "valid_users": 101, "test_rows": 104, "test_users": 102,
    }  # fmt: skip


def timed(tmp_path, **options):
    """Ten items of user a and two of b, the latest first in the file."""
    rows = [f"a\ti{n}\t5\t{9 * 10**8 + n}" for n in reversed(range(10))]
    rows += ["b\ti0\t5\t2001-02-03", "b\ti1\t5\t2001-02-02"]
    dates = [row if row[0] == "b" else row.rpartition("\t")[0] + f"\t2020-01-{n + 1:02}T08:00"
             for n, row in zip(reversed(range(10)), rows)] + rows[10:]  # fmt: skip
    found = []
    for lines in (rows[:10], dates):
        data = read_interactions(saved(tmp_path / "a.tsv", "\n".join(lines)), **options)
        found.append([pairs_of(x)[0] for x in (data.fit, data.valid, data.test)])
    assert found[0] == found[1]  # seconds and dates alike
    return found[1], pairs_of(data.test)[1]


def test_splits_by_time_and_leave_one_out(tmp_path):
    (fit, valid, test), b = timed(tmp_path, split="time")
    assert (fit, valid, test) == ([0, 1, 2, 3, 4, 5, 6], [7], [8, 9])
    assert b == [0]
    (fit, valid, test), b = timed(tmp_path, split="leave_one_out")
    assert (fit, valid, test) == ([0, 1, 2, 3, 4, 5, 6, 7], [8], [9])
    assert b == [0]
    (fit, valid, test), _ = timed(tmp_path, split="share", seed=3)
    assert test != [8, 9]
    assert (len(fit), len(valid), len(test)) == (7, 1, 2)


def test_without_times_one_is_drawn_and_time_is_refused(tmp_path):
    file = write_pairs(tmp_path / "a.tsv")
    one, other = (read_interactions(file, split="leave_one_out", seed=n) for n in (0, 1))
    assert {len(held) for held in pairs_of(one.test)} == {1}
    assert pairs_of(one.test) != pairs_of(other.test)
    with pytest.raises(UserError, match=r"--split time needs a column of times.*--split share"):
        read_interactions(file, split="time")


def test_of_a_repeated_pair_the_latest_counts(tmp_path):
    rows = "a\tx\t5\t900000009\na\tx\t1\t900000001\na\ty\t5\t900000002\na\tz\t5\t900000003\n"
    data = read_interactions(saved(tmp_path / "a.tsv", rows + "a\tq\t5\tsoon\n"), relevant=4.0)
    assert data.items == ["x", "y", "z"]
    assert sorted(pairs_of(data.train)[0] + pairs_of(data.test)[0]) == [0, 1, 2]
    assert data.dropped == {"that repeat a pair": 1, "with a time that cannot be read": 1}


def test_blanks_around_names_are_no_part_of_them(tmp_path):
    rows = [f"{user},i{n}" for user in ("u3", " u3 ", "u4") for n in range(6)]
    data = read_interactions(saved(tmp_path / "a.csv", "\n".join(rows)))
    assert data.users == ["u3", "u4"]
    assert data.dropped == {"that repeat a pair": 6}
    assert data.noted == {"names with blanks around them": 6}


def test_names_that_are_equal_as_numbers_keep_one_order(tmp_path):
    """In whatever order the rows, and the sets of a process, stand."""
    rows = [f"{user},{item}" for user in ("7", "07", "10", "007") for item in range(3)]
    for lines in (rows, rows[::-1]):
        data = read_interactions(saved(tmp_path / "a.csv", "\n".join(lines)))
        assert data.users == ["007", "07", "7", "10"]


def test_ratings_that_nothing_reads_are_said(tmp_path):
    file = saved(tmp_path / "a.csv", "a;x;4,5\na;y;1\nb;x;3\nb;y;5\n")
    assert (
        read_interactions(file)
        .told[0]
        .endswith("ratings 1 to 5, but every pair is relevant: pass --relevant for the best only")
    )
    data = read_interactions(file, relevant=3.0)
    assert data.told[0].endswith("ratings 1 to 5, relevant from 3")
    assert len(data.train.values) + len(data.test.values) == 3  # 4,5 is a number
    file = saved(tmp_path / "b.csv", "a;x\na;y\n")
    assert read_interactions(file).told[0].endswith("no ratings, every pair is relevant")


def test_a_validation_file_chooses_and_is_learned_from_afterwards(tmp_path):
    data = read_interactions(
        saved(tmp_path / "a.tsv", "a\tx\nb\ty\n"),
        saved(tmp_path / "c.tsv", "a\tz\nb\tx\na\ty\n"),
        saved(tmp_path / "b.tsv", "a\ty\na\tx\nd\tx\n"),
    )
    sets = [pairs_of(each) for each in (data.fit, data.valid, data.train, data.test)]
    assert sets == [[[0], [1]], [[1], []], [[0, 1], [1]], [[2], [0]]]
    assert data.dropped == {
        "of the validation set whose user is not in training": 1,
        "of the validation set that training holds too": 1,
        "of the test set that training holds too": 1,
    }
    assert data.noted == {"relevant test pairs whose item is not in training": 1}


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
        ("a\tx\t1\n", "a\ty\t5\n", r"a.tsv holds no relevant pair to learn from .--relevant 4"),
        ("a\tx\t5\n", "b\tx\t5\n", "b.tsv holds no relevant pair to measure on"),
        ("a\tx\t5\n", "a\tx\t5\n", "b.tsv holds no relevant pair to measure on"),
        ("a\tx\t5\n", "a\ty\t2\n", "b.tsv holds no relevant pair to measure on"),
    ],
)
def test_nothing_to_learn_or_to_measure(tmp_path, train, test, said):
    files = saved(tmp_path / "a.tsv", train), saved(tmp_path / "b.tsv", test)
    with pytest.raises(UserError, match=said):
        read_interactions(*files, relevant=4.0)


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
    with pytest.raises(UserError, match="name them so"):
        read_start(str(tmp_path / "a.npz"))
    np.savez(tmp_path / "b.npz", **{**good, "g_bias": np.ones(3)})
    with pytest.raises(UserError, match="do not fit"):
        read_start(str(tmp_path / "b.npz"), "g_")
    np.savez(tmp_path / "c.npz", **{**good, "g_bias": np.full(4, np.nan)})
    with pytest.raises(UserError, match="not finite"):
        read_start(str(tmp_path / "c.npz"), "g_")
    with pytest.raises(UserError, match="no file"):
        read_start(str(tmp_path / "d.npz"))
