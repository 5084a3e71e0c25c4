import pytest
import torch
from hypothesis import given
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
    encode_matrix,
    mask_of,
    read_texts,
)
from seqgan.data.compact import Lines, SentenceBatches
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
