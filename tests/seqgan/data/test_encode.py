import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from image_core.adversarial.errors import UserError
from image_core.runs.batches import Batches
from seqgan.data import (
    DEFAULT_MAX_LENGTH,
    END,
    PAD,
    SPECIALS,
    UNK,
    Texts,
    TextTokenizer,
    check_vocabulary,
    compact,
    encode_matrix,
    mask_of,
    read_texts,
)
from seqgan.data.compact import Lines, Remaining, SentenceBatches, TokenRows
from tests.data_folder import data_folder

# ids: a 4, b 5, c 6
ABC = TextTokenizer.train(["aaabbc"], "char")


def test_rows_end_in_end_and_are_padded_right():
    encoded = encode_matrix(ABC, ["ab", "a", "abxc", ""], "x.txt")
    tokens = encoded.tokens
    assert tokens.dtype == torch.int64
    assert tokens.tolist() == [
        [4, 5, END, PAD, PAD],
        [4, END, PAD, PAD, PAD],
        [4, 5, UNK, 6, END],
        [END, PAD, PAD, PAD, PAD],
    ]
    assert (encoded.dropped, encoded.truncated, encoded.unknown) == (0, 0, 1)
    assert (list(encoded.places), encoded.limit) == ([0, 1, 2, 3], DEFAULT_MAX_LENGTH)


def test_a_long_line_is_an_error_that_names_it():
    with pytest.raises(
        UserError,
        match=r"line 2 of x.txt has 4 tokens with its end, over the limit of 3 \(2 of 3 lines are "
        r"over it, the longest has 6\); raise --max_length, or pass --long_lines drop or truncate",
    ):
        encode_matrix(ABC, ["ab", "abc", "aaaaa"], "x.txt", max_length=3)


def test_a_long_line_is_named_by_its_place_in_the_file(tmp_path):
    file = tmp_path / "x.txt"
    file.write_text("ab\n\n\nabc\n")
    with pytest.raises(UserError, match=f"line 4 of {file} has 4 tokens"):
        encode_matrix(ABC, read_texts(str(file)), str(file), max_length=3)


def test_the_limit_itself_is_allowed():
    assert encode_matrix(ABC, ["ab"], "x.txt", max_length=3).tokens.tolist() == [[4, 5, END]]


def test_long_lines_are_dropped_and_counted():
    encoded = encode_matrix(ABC, ["ab", "abx", "b", "xxxx"], "x.txt", 3, "drop")
    assert encoded.tokens.tolist() == [[4, 5, END], [5, END, PAD]]
    assert (encoded.dropped, encoded.truncated, encoded.unknown) == (2, 0, 0)
    assert (list(encoded.places), encoded.limit, encoded.counted) == ([0, 2], 3, 3)


def test_long_lines_are_cut_and_counted():
    encoded = encode_matrix(ABC, ["ab", "axbc", "b"], "x.txt", 3, "truncate")
    assert encoded.tokens.tolist() == [[4, 5, END], [4, UNK, END], [5, END, PAD]]
    assert (encoded.dropped, encoded.truncated, encoded.unknown) == (0, 1, 1)
    assert (list(encoded.places), encoded.limit, encoded.counted) == ([0, 1, 2], 3, 5)


def test_lines_of_one_length_have_no_end():
    encoded = encode_matrix(ABC, ["ab", "cx", "ba"], "x.txt", fixed_length=True)
    assert encoded.tokens.tolist() == [[4, 5], [6, UNK], [5, 4]]
    assert encoded.counted == 6
    with pytest.raises(UserError, match=r"line 3 of x.txt has 1 tokens and those before it 2"):
        encode_matrix(ABC, ["ab", "cx", "b"], "x.txt", fixed_length=True)


def test_rows_outside_of_memory_are_those_of_the_matrix():
    """More rows than are written at a time, by index, by slice, in batches."""
    lines = ["abc"[: 1 + i % 3] for i in range(10_000)]
    encoded = encode_matrix(ABC, lines, "x.txt")
    matrix = torch.tensor([[*ABC.encode([s])[0], END] + [PAD] * (3 - len(s)) for s in lines[:9]])
    assert torch.equal(encoded.rows[torch.arange(9)], matrix)
    places = torch.tensor([9_999, 4_096, 4_095, 0])
    assert torch.equal(encoded.rows[places], encoded.tokens[places])
    assert encoded.rows[places].tolist()[1] == [4, 5, END, PAD]  # 4,096 % 3 = 1: "ab"
    assert torch.equal(encoded.rows[4_000:4_200], encoded.tokens[4_000:4_200])
    assert encoded.rows.widened(6)[torch.tensor([2])].tolist() == [[4, 5, 6, END, PAD, PAD]]
    batches = SentenceBatches(encoded.rows, 64, seed=3)
    plain = Batches(encoded.tokens, 64, seed=3)
    assert len(batches) == len(plain) == 156
    assert torch.equal(batches(200), plain(200))
    joined = torch.cat(list(encoded.rows.parts()))
    assert torch.equal(joined, encoded.tokens[encoded.tokens != PAD])


def test_without_a_limit_one_stray_line_cannot_size_the_matrix():
    stray = ["ab", "a" * 100_000]
    with pytest.raises(
        UserError, match=f"line 2 of x.txt has 100001 .* limit of {DEFAULT_MAX_LENGTH} "
    ):
        encode_matrix(ABC, stray, "x.txt")
    assert encode_matrix(ABC, stray, "x.txt", long_lines="drop").tokens.shape == (1, 3)
    cut = encode_matrix(ABC, stray, "x.txt", long_lines="truncate").tokens
    assert cut.shape == (2, DEFAULT_MAX_LENGTH)
    assert cut[1, -1] == END
    assert encode_matrix(ABC, stray, "x.txt", max_length=100_001).tokens.shape == (2, 100_001)


def test_nothing_left_is_an_error():
    with pytest.raises(
        UserError, match=r"x.txt has no line of at most 3 tokens; raise --max_length"
    ):
        encode_matrix(ABC, ["abc", "cba"], "x.txt", 3, "drop")


@pytest.mark.parametrize("max_length", [1, 0, -4])
def test_a_limit_without_room_is_an_error(max_length):
    with pytest.raises(UserError, match=f"--max_length {max_length} has no room"):
        encode_matrix(ABC, ["a"], "x.txt", max_length)


def test_texts_and_their_lines_give_the_same_rows():
    texts = Texts(Lines.of(["ab", "c"]), [3, 9], 7)
    first, second = encode_matrix(ABC, texts, "x.txt"), encode_matrix(ABC, texts.lines, "x.txt")
    assert torch.equal(first.tokens, second.tokens)


def slow_mask(row: list[int], end: int | None) -> list[bool]:
    stop = row.index(end) if end in row else len(row)
    return [position <= stop for position in range(len(row))]


@settings(deadline=None)
@given(
    st.integers(0, 6).flatmap(
        lambda width: st.lists(
            st.lists(st.integers(0, 3), min_size=width, max_size=width), min_size=1
        )
    ),
    st.none() | st.integers(0, 3),
)
def test_mask_is_that_of_a_slow_loop(rows, end):
    tokens = torch.tensor(rows, dtype=torch.int64)
    expected = [slow_mask(row, end) for row in rows]
    mask = mask_of(tokens, end)
    assert mask.dtype == torch.bool
    assert mask.tolist() == expected
    assert mask_of(tokens[0].int(), end).tolist() == expected[0]
    assert mask_of(tokens[None], end).tolist() == [expected]


def test_mask_of_a_matrix_counts_its_tokens_and_ends():
    tokens = encode_matrix(ABC, ["ab", "", "abxc"], "x.txt").tokens
    assert mask_of(tokens, END).sum(1).tolist() == [3, 1, 5]
    assert torch.equal(mask_of(tokens, END), tokens != PAD)


def test_ids_outside_the_vocabulary_are_named():
    check_vocabulary(torch.tensor([[0, 6]]), 7, "oracle.npz")
    check_vocabulary(torch.zeros(0, 3, dtype=torch.int64), 7, "oracle.npz")
    with pytest.raises(UserError, match=r"oracle.npz holds token 7, but the vocabulary ends at 6;"):
        check_vocabulary(torch.tensor([[0, 7]]), 7, "oracle.npz")
    with pytest.raises(UserError, match=r"oracle.npz holds token -1,"):
        check_vocabulary(torch.tensor([-1, 3]), 7, "oracle.npz")


def test_the_captions_have_the_published_words_and_length():
    file = str(data_folder("text") / "image_coco_train.txt.gz")
    texts = read_texts(file)
    assert (len(texts.lines), texts.dropped) == (10_000, 0)
    tokenizer = TextTokenizer.train(texts.lines, "word")
    assert tokenizer.vocab_size - len(SPECIALS) == 4_659
    encoded = encode_matrix(tokenizer, texts, file)
    tokens = encoded.tokens
    assert tokens.shape == (10_000, 37 + 1)
    assert (tokens == END).sum(1).unique().tolist() == [1]
    assert (encoded.dropped, encoded.truncated, encoded.unknown) == (0, 0, 0)


@pytest.mark.parametrize("in_memory", [0, 1 << 20])
def test_rows_are_the_same_in_memory_and_on_the_disk(in_memory, monkeypatch):
    """Lines picked and left out, ids padded, joined and counted, by a list of them."""
    monkeypatch.setattr(compact, "IN_MEMORY", in_memory)
    made = [f"{'abc'[i % 3]}é" * (i % 5) for i in range(10_000)]
    lines = Lines.of(made)
    assert lines == made
    assert lines[3:9:2] == made[3:9:2]
    assert lines[-1] == made[-1]
    gone = [0, 5, 6, 8191, 9999]
    left = [line for i, line in enumerate(made) if i not in gone]
    assert lines.without(gone) == left
    assert lines.without(gone)[4:7] == left[4:7]
    assert lines.pick([7, 9000, 2]) == [made[7], made[9000], made[2]]
    ids = [[4 + i % 3] * (1 + i % 4) for i in range(5000)]
    rows = TokenRows.of(ids, 70_000)
    assert rows[torch.tensor([4999, 2])].tolist() == [[5, 5, 5, 5], [6, 6, 6, PAD]]
    assert rows.padded().tolist() == [row + [PAD] * (4 - len(row)) for row in ids]
    assert torch.cat(list(rows.parts())).tolist() == [one for row in ids for one in row]
    assert not rows.equally_long()
    assert TokenRows.of([[4], [5]], 9).equally_long()


def test_an_order_of_very_many_rows_is_computed(monkeypatch):
    """Every row comes once an epoch, each epoch otherwise, a batch by its number alone."""
    monkeypatch.setattr(compact, "ORDERED_IN_MEMORY", 10)
    batches = SentenceBatches(torch.arange(1000)[:, None], 10, seed=3)
    epochs = [torch.cat([batches(e * 100 + i) for i in range(100)])[:, 0] for e in range(2)]
    assert all(sorted(epoch.tolist()) == list(range(1000)) for epoch in epochs)
    assert torch.equal(SentenceBatches(batches.rows, 10, seed=3)(150), batches(150))
    ranks = torch.stack([*epochs, torch.arange(1000)]).double()
    assert (ranks.corrcoef() - torch.eye(3)).abs().max() < 0.1


def test_what_is_left_has_numbers():
    left = Remaining(8, [2, 3, 7], first=1)
    assert list(left) == [1, 4, 5, 6, 8]
    assert left[1:3] == [4, 5]
    assert left[-1] == 8
