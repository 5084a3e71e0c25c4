"""--policy: an LSTM, a transformer, any causal language model of transformers."""

import shutil
from types import SimpleNamespace

import pytest
import torch

import seqgan as sg
from image_core.adversarial.errors import UserError
from seqgan.cli import main
from seqgan.lm.causal import CausalPolicy
from seqgan.lm.transformer import TransformerPolicy
from seqgan.text import oracle_recipe as oracle
from seqgan.text.policies import build
from seqgan.text.rollout import complete_sequences
from seqgan.text.sequences import Sequences
from tests.recipes.made import (
    TINY,
    TINY_ORACLE,
    built,
    corpus,
    read_log,
    refusal,
    sentences,
    shorten,
)

SEQUENCES = Sequences(12, 8, 1, 2, 0, lambda: torch.arange(80).view(10, 8) % 8 + 4)


def made_model(folder):
    """A GPT-2 of random weights and a tokenizer of bytes, saved as transformers saves them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=290,
        special_tokens=["<|first|>", "<|last|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(sentences(50), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<|first|>", eos_token="<|last|>"
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    ends = {"bos_token_id": 0, "eos_token_id": 1}
    config = GPT2Config(
        vocab_size=296,
        n_positions=64,
        n_embd=16,
        n_layer=2,
        n_head=2,
        initializer_range=0.3,
        **ends,
    )
    model = GPT2LMHeadModel(config).eval()
    model.save_pretrained(folder)
    return tokenizer, model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run with a language model as its policy, whose model and data are gone afterwards."""
    folder = tmp_path_factory.mktemp("policies")
    made = folder / "model"
    made_model(made)
    words = ["--policy", str(made), "--level", "model", "--data", corpus(folder, 60)]
    words += ["--mle_epochs", "1", "--mle_lr", "1e-3", "--rounds", "1", "--lowercase", "false"]
    words += ["--sweep_samples", "8"]
    with pytest.MonkeyPatch.context() as patched:
        shorten(patched, 1.0)
        assert main([*TINY, *words, "--out", str(folder / "run")]) == 0
    shutil.rmtree(made)
    (folder / "corpus.txt").unlink()
    return folder / "run"


def test_every_paper_plays_with_a_transformer():
    for name in set(oracle.PAPERS.names()) - {"leakgan", "maskgan"}:  # policies of their own
        config = built(oracle, paper=name, out="run", policy="transformer")
        game = oracle.PAPERS.load(name).game(config, SEQUENCES)
        assert type(game.G) is TransformerPolicy, name
        move = game.turns()[0].move if name == "residual" else game.policy_move
        batches = iter(lambda: SEQUENCES.real()[:8].clone(), None)
        total = next(move(batches)).total
        assert torch.isfinite(total), name
        assert total.requires_grad, name


# ------------------------------------------------------------------- a model of transformers


def test_scores_are_those_of_transformers(tmp_path):
    tokenizer, model = made_model(tmp_path)
    policy = CausalPolicy(model, len(tokenizer), fixed_length=False)
    ids = tokenizer("the cat sees my dog")["input_ids"]
    row = torch.tensor([[*(i + 4 for i in ids), 2]])
    with torch.no_grad():
        logits = model(torch.tensor([[0, *ids]])).logits[0]
        # Neither its first token's row nor the rows that no token has are ever drawn: 5 and up
        logits[:, len(tokenizer) :] = -torch.inf
        target = torch.tensor([*ids, 1])
        expected = logits.log_softmax(1).gather(1, target[:, None])[:, 0]
        torch.testing.assert_close(policy.log_prob(row)[0], expected)
        # And step by step, with the cache
        state, previous, rows = policy.begin(2), torch.tensor([1, 1]), []
        for token in row[0].tolist():
            hidden, state = policy.step(previous, state)
            rows.append(policy.logits(hidden)[1].log_softmax(0)[token])
            previous = torch.tensor([token, token])
    torch.testing.assert_close(torch.stack(rows), expected)


def test_rollouts_and_samples_are_its_tokens(tmp_path):
    tokenizer, model = made_model(tmp_path)
    policy = CausalPolicy(model, len(tokenizer), fixed_length=False)
    torch.manual_seed(0)
    tokens = policy.sample(40, 6)
    inside = policy.mask(tokens)
    assert not set(tokens[inside].tolist()) & {0, 1, 3, 5}
    assert int(tokens.max()) < len(tokenizer) + 4
    found = complete_sequences(policy, tokens, copies=1)
    prefix, sample = found.row // 40, found.row % 40
    for place, length, source in zip(range(len(prefix)), prefix + 1, sample):
        assert torch.equal(found.tokens[place, :length], tokens[source, :length])
    exact = CausalPolicy(model, len(tokenizer), fixed_length=True)
    assert not (exact.sample(40, 6) < 4).any()


def test_a_run_is_loaded_without_the_model_it_began_with(folder):
    loaded = sg.load(folder)
    game = loaded._run.game
    assert type(game.G) is CausalPolicy
    assert not torch.equal(
        game.G.model.transformer.h[0].mlp.c_fc.weight,
        game.mle.model.transformer.h[0].mlp.c_fc.weight,
    )
    one = loaded.sample(4, seed=3)
    assert one == loaded.sample(4, seed=3)
    assert loaded.sample(1, prompts=["the cat"], seed=3)[0].startswith("the cat")
    text = ["the cat sees my dog", "a bird"]
    tokens = loaded._run.encode_sentences(text)
    assert [loaded._run.decode(row) for row in tokens.tolist()] == text
    expected = game.G.log_prob(tokens).double().sum(1).detach().numpy()
    assert loaded.score(text) == pytest.approx(expected)
    assert {row["phase"] for row in read_log(folder)} == {"mle", "warmup", "adversarial"}


def test_what_cannot_be_a_policy(tmp_path, capsys):
    data = ("--data", corpus(tmp_path, 60), "--out", str(tmp_path / "run"))
    said = refusal(capsys, *TINY, *data, "--policy", "transfomer")
    assert "--policy transfomer with --level word: a causal language model" in said
    said = refusal(capsys, *TINY, *data, "--level", "model")
    assert "--policy '' with --level model" in said
    missing = str(tmp_path / "none")
    said = refusal(capsys, *TINY, *data, "--policy", missing, "--level", "model")
    assert f"--policy {missing}: no tokenizer" in said
    said = refusal(capsys, *TINY_ORACLE, "--out", str(tmp_path / "o"), "--policy", "gpt2")
    assert "--policy gpt2: a language model reads text, and an oracle's tokens are numbers" in said
    tokenizer, model = made_model(tmp_path / "made")
    model.config.n_positions = 5
    type(model)(model.config).save_pretrained(tmp_path / "made")
    sizes = {"embedding": 8, "hidden": 8, "layers": 1, "dropout": 0.0, "out": str(tmp_path)}
    options = SimpleNamespace(policy=str(tmp_path / "made"), **sizes)
    many = Sequences(len(tokenizer) + 4, 24, start=1, end=2, pad=0, real=lambda: torch.zeros(0, 24))
    with pytest.raises(UserError, match=r"positions for 5 tokens, and .* 24; .*--max_length 5"):
        build(options, many)
    assert build(options, many._replace(length=5)).vocab == len(tokenizer) + 4
    with pytest.raises(UserError, match="the model has 296 tokens and the end token 1, its token"):
        CausalPolicy(model, 297, fixed_length=False)
    model.config.eos_token_id = None
    with pytest.raises(UserError, match="name an eos_token_id in its config"):
        CausalPolicy(model, len(tokenizer), fixed_length=False)
