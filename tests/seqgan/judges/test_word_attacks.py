"""Attacks on words: a linear classifier, where the best exchanges are known, and a small BERT."""

import csv
import json
from types import SimpleNamespace

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from seqgan.cli import main
from seqgan.judges.word_attacks import (
    TextVictim,
    greedy_words,
    hotflip,
    neighbours,
    random_words,
    whole_words,
)

GOOD = ["fine", "great", "lovely", "superb"]
BAD = ["poor", "awful", "dreadful", "boring"]
PLAIN = ["film", "actor", "plot", "the", "a", "was", "very", "x1"]
WORDS = ["<pad>", "<unk>", *GOOD, *BAD, *PLAIN]
WEIGHTS = dict(zip(GOOD, (1.0, 2.0, 3.0, 4.0))) | dict(zip(BAD, (-1.0, -2.0, -3.0, -4.0)))


def tokenizer():
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", unk_token="<unk>", model_max_length=16
    )


class Bag(nn.Module):
    """Logit of class 1 is the sum of the words' weights; that of class 0 is 0."""

    def __init__(self):
        super().__init__()
        self.config = SimpleNamespace(num_labels=2, max_position_embeddings=16)
        weights = torch.tensor([[WEIGHTS.get(word, 0.0)] for word in WORDS])
        self.words = nn.Embedding.from_pretrained(weights)

    def get_input_embeddings(self):
        return self.words

    def forward(self, input_ids=None, attention_mask=None, inputs_embeds=None):
        embedded = self.words(input_ids) if inputs_embeds is None else inputs_embeds
        logit = embedded.sum((1, 2))
        return SimpleNamespace(logits=torch.stack([torch.zeros_like(logit), logit], 1))


@pytest.fixture
def bag():
    return TextVictim(Bag(), tokenizer())


def nearby(word):
    """Good words have good candidates alone, but for one, which has the worst of all."""
    return {"great": ["dreadful", "fine"], "lovely": ["fine"], "film": ["plot"]}.get(word, [])


def test_greedy_changes_the_most_important_word_that_helps(bag):
    text = "the film was lovely great"  # 3 + 2
    found = greedy_words(bag, text, 1, nearby, 3)
    # "lovely" counts most: to "fine" leaves 1 + 2; then "great" to "dreadful" leaves 1 - 3
    assert found.text == "the film was fine dreadful"
    assert (found.changed, found.fooled) == (2, True)
    assert found.queries == 1 + 5 + 1 + 2


def test_greedy_keeps_its_budget_and_makes_no_useless_exchange(bag):
    found = greedy_words(bag, "the film was lovely great", 1, nearby, 1)
    assert (found.text, found.changed, found.fooled) == ("the film was fine great", 1, False)
    found = greedy_words(
        bag, "the film was superb", 1, lambda w: ["plot"] if w == "film" else [], 2
    )
    assert (found.text, found.changed, found.fooled) == ("the film was superb", 0, False)


def test_hotflip_takes_the_best_exchange_of_a_linear_classifier(bag):
    allowed = whole_words(bag.tokenizer, len(WORDS))
    found = hotflip(bag, "the film was superb great", 1, allowed, 2)  # 4 + 2
    # "superb" to "boring" takes 8: -4 + 2
    assert (found.text, found.changed, found.fooled) == ("the film was boring great", 1, True)


def test_hotflip_keeps_its_budget_and_changes_a_token_once(bag):
    allowed = whole_words(bag.tokenizer, len(WORDS))
    found = hotflip(bag, "superb superb superb superb", 1, allowed, 1)
    assert (found.changed, found.fooled) == (1, False)
    allowed[[WORDS.index(w) for w in BAD]] = False
    found = hotflip(bag, "superb superb", 1, allowed, 5)
    assert found.changed == 2  # both to words of weight 0, and no further
    assert set(found.text.split()) <= {*PLAIN}


def test_words_of_letters_alone_are_whole(bag):
    allowed = whole_words(bag.tokenizer, len(WORDS) + 3)
    assert [w for w, kept in zip(WORDS, allowed) if kept] == [*GOOD, *BAD, *PLAIN[:-1]]
    assert not allowed[len(WORDS) :].any()


def test_random_words_change_as_many_as_allowed(bag):
    torch.manual_seed(0)
    found = random_words(bag, "great lovely film was", 1, nearby, 2)
    before, after = ["great", "lovely", "film", "was"], found.text.split()
    assert sum(a != b for a, b in zip(before, after, strict=True)) == found.changed == 2


def test_padding_changes_no_logit(small_bert):
    model, made = small_bert
    victim = TextVictim(model, made)
    one, two = "the film was great", "a very very very poor film was dreadful"
    alone = torch.cat([victim.logits([one]), victim.logits([two])])
    torch.testing.assert_close(victim.logits([one, two]), alone, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def small_bert():
    """A BERT of one layer that tells good words from bad ones."""
    torch.manual_seed(0)
    made = tokenizer()
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
        pad_token_id=0,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        id2label={0: "bad", 1: "good"},
        label2id={"bad": 0, "good": 1},
    )
    model = BertForSequenceClassification(config)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    texts, labels = examples(64)
    batch = made(texts, padding=True, return_tensors="pt")
    for _ in range(60):
        optimizer.zero_grad()
        z = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        nn.functional.cross_entropy(z, torch.tensor(labels)).backward()
        optimizer.step()
    return model.eval(), made


def examples(count):
    draw = torch.Generator().manual_seed(1)
    pick = lambda words: words[int(torch.randint(len(words), (), generator=draw))]  # noqa: E731
    labels = [i % 2 for i in range(count)]
    texts = [
        f"the {pick(PLAIN[:3])} was very {pick((BAD, GOOD)[y])} the {pick(PLAIN[:3])} was "
        f"{pick((BAD, GOOD)[y])}"
        for y in labels
    ]
    return texts, labels


def test_neighbours_are_other_whole_words(small_bert):
    victim = TextVictim(*small_bert)
    near = neighbours(victim, 3)
    assert len(near("great")) == 3
    assert "great" not in near("great")
    assert near("x1") == []
    assert near("unknown") == []


@pytest.fixture(scope="module")
def saved(small_bert, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    for part in small_bert:
        part.save_pretrained(folder / "model")
    texts, labels = examples(40)
    with (folder / "texts.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        rows.writerows((t, ("bad", "good")[y]) for t, y in zip(texts, labels))
    return folder


def run(saved, out, *words):
    given = ["--texts", str(saved / "texts.csv"), "--model", str(saved / "model")]
    return main(["attack", *given, "--out", str(out), *words])


def test_the_command_writes_a_table_and_the_texts(saved, tmp_path):
    out = tmp_path / "out"
    assert run(saved, out, "--share", "0.3", "--count", "20") == 0
    result = json.loads((out / "result.json").read_text())
    table = result["table"]
    assert table["no attack, all texts"]["accuracy"] > 0.9
    control = table["control: random words"]["accuracy"]
    assert table["hotflip"]["accuracy"] < control - 0.3
    assert table["greedy"]["accuracy"] <= control
    assert all(row.get("changed_share", 0) <= 0.3 for row in table.values())
    low, high = result["intervals"]["hotflip"]["accuracy"]
    assert low <= table["hotflip"]["accuracy"] <= high
    with (out / "texts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    fooled = sum(r["fooled"] == "True" for r in rows if r["attack"] == "hotflip")
    assert 1 - fooled / 20 == pytest.approx(table["hotflip"]["accuracy"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--attacks", "gready"], "--attacks gready"),
        (["--share", "0"], "--share 0.0: it lies in (0, 1]"),
        (["--label_field", "text"], "is none of the model's bad, good"),
        (["--synonyms", "{out}"], "cannot be read"),
        (["--model", "{out}/none"], "is no sequence classifier with a tokenizer"),
        (["--out", "{saved}"], "is not an empty folder and nothing is overwritten"),
    ],
)
def test_bad_input_is_one_sentence(saved, tmp_path, capsys, words, sentence):
    (tmp_path / "out").mkdir()
    words = [word.format(out=tmp_path / "out", saved=saved) for word in words]
    assert run(saved, tmp_path / "out", *words) == 2
    assert sentence in capsys.readouterr().err.strip().splitlines()[-1]
