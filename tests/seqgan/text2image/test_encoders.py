"""Encoders of sentences: padding changes nothing, equal words nothing else, matching is learned."""

import math

import pytest
import torch
from torch.nn import functional as F

from image_core.adversarial.errors import UserError
from seqgan.data.tokenizer import TextTokenizer
from seqgan.text2image.encoders import CharEncoder, PretrainedEncoder, WordEncoder, compute_features
from seqgan.text2image.games.stack import as_floats
from seqgan.text2image.matching import PictureEncoder, contrast, matching_loss
from seqgan.text2image.shapes import make_shapes

SENTENCES = ["a small red circle", "a large blue cross on white", "red"]


def word_encoder(longest=8):
    torch.manual_seed(0)
    return WordEncoder(TextTokenizer.train(SENTENCES, "word"), 6, longest)


def char_encoder(longest=40):
    torch.manual_seed(0)
    return CharEncoder(TextTokenizer.train(SENTENCES, "char"), 6, longest)


@pytest.mark.parametrize("make", [word_encoder, char_encoder])
def test_padding_and_company_change_nothing(make):
    narrow, wide = make(), make()
    wide.longest = narrow.longest + 18
    ids = narrow.tokens(SENTENCES)
    together = narrow(narrow.pad(ids))
    for row, own in enumerate(ids):
        alone = wide(wide.pad([own]))
        torch.testing.assert_close(alone.sentence[0], together.sentence[row])
        count = int(alone.mask.sum())
        assert count == int(together.mask[row].sum())
        torch.testing.assert_close(alone.words[0, :count], together.words[row, :count])


def test_words_are_read_from_both_sides_as_by_torchs_own_two_way_gru():
    encoder = word_encoder()
    both = torch.nn.GRU(6, 3, batch_first=True, bidirectional=True)
    recurrent = encoder.recurrent
    state = recurrent.forwards.state_dict()
    back = {f"{name}_reverse": v for name, v in recurrent.backwards.state_dict().items()}
    both.load_state_dict({**state, **back})
    ids = encoder.tokens(SENTENCES)
    encoded = encoder(encoder.pad(ids))
    for row, own in enumerate(ids):
        words, _ = both(encoder.embedding(torch.tensor([own])))
        torch.testing.assert_close(encoded.words[row, : len(own)], words[0])
        torch.testing.assert_close(encoded.sentence[row], recurrent.project(words[0].mean(0)))


def test_matching_is_the_mean_of_two_cross_entropies():
    torch.manual_seed(0)
    one, other = torch.randn(2, 4, 3)
    loss, _ = matching_loss(one, other, torch.eye(4, dtype=torch.bool), scale=5.0)
    scores = 5 * torch.stack([F.cosine_similarity(x[None], other) for x in one])
    wanted = -(scores.log_softmax(1).diagonal() + scores.log_softmax(0).diagonal()).mean() / 2
    torch.testing.assert_close(loss, wanted)


def test_sentences_alike_are_no_mistake():
    scores = torch.tensor([[0.0, 9.0], [9.0, 0.0]])
    none, right = contrast(scores, torch.ones(2, 2, dtype=torch.bool))
    assert float(none) == 0.0
    assert float(right) == 1.0
    wrong, _ = contrast(scores, torch.eye(2, dtype=torch.bool))
    assert float(wrong) == pytest.approx(math.log(1 + math.exp(9.0)), rel=1e-5)


def test_matcher_and_encoder_learn_which_sentence_is_of_which_picture():
    torch.manual_seed(0)
    made = make_shapes(256, 16, captions=1)
    captions = [own[0] for own in made.captions]
    encoder = WordEncoder(TextTokenizer.train(captions, "word"), 32, 16)
    matcher = PictureEncoder(32, 8)
    weights = [*encoder.parameters(), *matcher.parameters()]
    optimizer = torch.optim.Adam(weights, lr=3e-3)
    tokens, images = encoder.pad(encoder.tokens(captions)), as_floats(made.images)
    eye = torch.eye(64, dtype=torch.bool)
    for step in range(60):
        rows = torch.arange(64) + 64 * (step % 3)
        loss, right = matching_loss(matcher(images[rows]), encoder(tokens[rows]).sentence, eye)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(right) > 0.3  # by chance 1/64
    with torch.no_grad():
        rows = torch.arange(192, 256)
        unseen = matching_loss(matcher(images[rows]), encoder(tokens[rows]).sentence, eye)[1]
    assert float(unseen) > 0.1


@pytest.mark.parametrize(
    ("sentence", "says"),
    [
        ("", "empty"),
        ("a " * 9, "has 9 tokens, but the encoder reads 8"),
        ("a small red circel", "did you mean circle"),
        ("zebra", "zebra"),
    ],
)
def test_a_sentence_that_cannot_be_understood_is_refused(sentence, says):
    with pytest.raises(UserError) as caught:
        word_encoder().check("--prompt", sentence)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_that_can_be_is_not():
    word_encoder().check("--prompt", "A LARGE red cross")
    char_encoder().check("--prompt", "a bra")
    with pytest.raises(UserError, match="z"):
        char_encoder().check("--prompt", "zoo")


def test_features_come_from_the_file_and_only_for_the_same_encoder(tmp_path, monkeypatch):
    encoder = word_encoder()
    tokens = encoder.pad(encoder.tokens(SENTENCES))
    made = compute_features(encoder, tokens, tmp_path)
    torch.testing.assert_close(made.sentence, encoder(tokens).sentence.detach())
    calls = []
    forward = type(encoder).forward
    monkeypatch.setattr(type(encoder), "forward", lambda s, t: calls.append(1) or forward(s, t))
    again = compute_features(encoder, tokens, tmp_path)
    assert not calls
    assert all(torch.equal(one, other) for one, other in zip(made, again))
    with torch.no_grad():
        encoder.embedding.weight += 1
    other = compute_features(encoder, tokens, tmp_path)
    assert calls
    assert not torch.equal(other.sentence, made.sentence)


def test_a_damaged_file_of_features_is_made_anew(tmp_path):
    encoder = word_encoder()
    tokens = encoder.pad(encoder.tokens(SENTENCES))
    made = compute_features(encoder, tokens, tmp_path)
    (file,) = tmp_path.iterdir()
    for content in (b"", b"PK\3\4 no", file.read_bytes()[:200]):
        file.write_bytes(content)
        again = compute_features(encoder, tokens, tmp_path)
        assert torch.equal(again.sentence, made.sentence)


def test_an_encoder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        PretrainedEncoder(str(tmp_path / "gone"))
    with pytest.raises(UserError, match="cannot be loaded") as caught:
        PretrainedEncoder(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_any_encoder_of_transformers_by_its_folder(tmp_path):
    transformers = pytest.importorskip("transformers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *" ".join(SENTENCES).split()]
    (tmp_path / "vocab.txt").write_text("\n".join(dict.fromkeys(words)))
    transformers.BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BertConfig(vocab_size=20, intermediate_size=8, **sizes)
    transformers.BertModel(config).save_pretrained(tmp_path)
    encoder = PretrainedEncoder(str(tmp_path), 12)
    assert not any(p.requires_grad for p in encoder.parameters())
    assert not encoder.train().training
    ids = encoder.tokens(SENTENCES)
    together = encoder(encoder.pad(ids))
    for row, own in enumerate(ids):
        states = encoder.model(input_ids=torch.tensor([own])).last_hidden_state[0]
        torch.testing.assert_close(together.sentence[row], states.mean(0), atol=1e-5, rtol=1e-4)
