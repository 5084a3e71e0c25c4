"""`--embeddings`: what the policy starts from, in a game with copies, and files that do not fit."""

import gzip

import pytest
import torch
from safetensors.torch import save_file

from image_core.adversarial.errors import UserError
from seqgan.lm.policies import LSTMPolicy
from seqgan.text import recipe
from seqgan.text.games import cooperative, relaxed
from seqgan.text.games.token import tiny
from seqgan.text.vectors import fill, read_vectors
from tests.recipes.made import TINY, built, corpus, refusal

IDS = {"<pad>": 0, "cat": 4, "dog": 5, "naïve": 6}


def glove(folder, text="cat 1 -2 3e-1\nmouse 9 9 9\nnaïve .5 0 0\n"):
    file = folder / "vectors.txt"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_vectors_of_both_kinds_of_file(tmp_path):
    expected = {4: torch.tensor([1, -2, 0.3]), 6: torch.tensor([0.5, 0, 0])}
    named = {"cat": expected[4], "mouse": torch.ones(3), "naïve": expected[6].half()}
    save_file(named, tmp_path / "v.safetensors")
    for file in (
        glove(tmp_path),
        str(tmp_path / "v.safetensors"),
        glove(tmp_path, "3 3\ncat 1 -2 3e-1\nmouse 9 9 9\nnaïve .5 0 0 \n"),
    ):
        found = read_vectors(file, IDS, 3)
        assert found.keys() == expected.keys()
        for place, vector in expected.items():
            torch.testing.assert_close(found[place], vector)


def test_phrases_tabs_and_packed_files(tmp_path):
    """A published file has ". . ." among its words, whose first part is a word of any text."""
    text = "cat 1 2 3\ndog . . 4 5 6\nat naïve 7 8 9\nnaïve\t.5  0\t0\n"
    packed = tmp_path / "v.txt.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    for file in (glove(tmp_path, text), str(packed)):
        found = {place: vector.tolist() for place, vector in read_vectors(file, IDS, 3).items()}
        assert found == {4: [1, 2, 3], 6: [0.5, 0, 0]}


def test_tensors_of_a_word_that_are_no_vectors(tmp_path):
    save_file({"cat": torch.ones(1, 3)}, tmp_path / "v.safetensors")
    with pytest.raises(UserError, match=r"the tensor of 'cat' has the shape \(1, 3\); give a vec"):
        read_vectors(str(tmp_path / "v.safetensors"), IDS, 3)


def test_every_copy_of_the_policy_starts_from_them(tmp_path, capsys):
    """Also the first weights to which a paper without pretraining goes back; no other vectors."""
    game, _ = tiny()
    file = glove(tmp_path, "cat 1 2 3 4 5 6 7 8\n")
    before = game.G.embedding.detach().clone()
    fill(game, IDS, file, 8)
    assert capsys.readouterr().err == f"embeddings: {file} has 1 of 4 tokens\n"
    for policy in (game.G, game.mle, game.initial):
        assert policy.embedding[4].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
        rest = torch.arange(12) != 4
        assert torch.equal(policy.embedding[rest], before[rest])


def test_vectors_of_another_size_are_left_alone(tmp_path):
    game, _ = cooperative.tiny()
    game.M = LSTMPolicy(12, 4, 4)
    before = game.M.embedding.detach().clone()
    fill(game, IDS, glove(tmp_path, "cat 1 2 3 4 5 6 7 8\n"), 8)
    assert torch.equal(game.M.embedding, before)
    with pytest.raises(UserError, match="the policy has vectors of its own"):
        fill(relaxed.tiny()[0].D, IDS, glove(tmp_path), 3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cat 1 2\n", "its vectors have 2 numbers; pass --embedding 2 in place of 3"),
        ("cat 1 2 x\n", "line 1 is not a word and its numbers"),
        ("cat 1 2 3\ndog\n", "line 2 is not a word and its numbers"),
        ("cat 1 2 3\ndog 1 2\n", "the vector of 'dog' has 2 numbers, and others 3; repair it"),
        ("cat 1 2 nan\n", "the vector of 'cat' is not finite"),
        ("mouse 1 2 3\n", "it has no word of the text's vocabulary; its lines are a word and its"),
        ("PK\3\4 glove.6B.50d.txt\n", "is a zip archive; unpack it"),
    ],
)
def test_a_file_that_does_not_fit(tmp_path, text, says):
    policy = torch.nn.ModuleList([LSTMPolicy(12, 3, 4)])
    with pytest.raises(UserError, match=says):
        fill(policy, IDS, glove(tmp_path, text), 3)


def test_a_run_starts_from_them(tmp_path, capsys):
    file = glove(tmp_path, "cat 1 2 3 4 5 6 7 8\n")
    words = [*TINY, "--data", corpus(tmp_path), "--out", str(tmp_path / "run"), "--embeddings"]
    assert "there is no such file" in refusal(capsys, *words, str(tmp_path / "none"))
    (tmp_path / "v.safetensors").write_bytes(b"12345678{}")
    assert "no safetensors file" in refusal(capsys, *words, str(tmp_path / "v.safetensors"))
    config = built(
        recipe, data=corpus(tmp_path), out=str(tmp_path / "run"), embeddings=file, hidden=4
    )
    run = recipe.TextRun(config)
    place = run.tokenizer.ids()["cat"]
    assert run.game.G.embedding[place].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert run.game.mle.embedding[place].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
