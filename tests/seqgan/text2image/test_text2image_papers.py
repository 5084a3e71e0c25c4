"""Text to image: trees, other papers and encoders, hard negatives, refusals."""

import pytest
import torch

from seqgan.cli import main
from seqgan.text2image import recipe
from seqgan.text2image.encoders import EncodedSentences
from seqgan.text2image.loaded import line_between
from seqgan.text2image.recipe import Text2ImageRun
from seqgan.text2image.shapes import parse_caption
from tests.recipes.made import built, is_png, last_sentence, read_log, read_result


def test_between_two_sentences_all_words_are_there_and_count_by_their_share():
    draw = torch.Generator().manual_seed(0)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    ends = EncodedSentences(
        torch.randn(2, 4, generator=draw), torch.randn(2, 3, 4, generator=draw), mask
    )
    found = line_between(ends, 3)
    torch.testing.assert_close(found.sentence[1], 0.75 * ends.sentence[0] + 0.25 * ends.sentence[1])
    assert torch.equal(found.words[2], ends.words.flatten(0, 1))
    assert found.mask[1].tolist() == [0.75, 0.75, 0.0, 0.25, 0.25, 0.25]
    assert found.mask[0].tolist() == [1, 1, 0, 0, 0, 0]
    assert found.mask[-1].tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("paper", ["stackgan_v2", "attngan"])
def test_a_tree_of_pictures_is_trained_at_once_and_drawn(tmp_path, paper):
    one = tmp_path / "one"
    words = ["--paper", paper, "--rounds", "2", "--colour_weight", "1", "--norm", "none"]
    assert main(["train", "text2image", "--preset", "tiny", "--out", str(one), *words]) == 0
    rows = [row for row in read_log(one) if row["phase"] == "stage I"]
    assert len(rows) == 2
    assert all(row["G1/colour"] > 0 for row in rows)
    assert ("G1/match" in rows[0]) is (paper == "attngan")
    result = read_result(one)
    assert list(result["table"])[:2] == ["stage I", "real again"]
    assert 0 <= result["discriminator"]["stage I"]["d_auc"] <= 1
    assert 0 <= rows[-1]["d_auc"] <= 1
    prompts = ["--prompt", "a small red circle on blue", "--prompt", "a large cross on white"]
    grid = tmp_path / "grid.png"
    assert main(["sample", str(one), *prompts, "--between", "1", "--out", str(grid)]) == 0
    assert is_png(grid)


def test_hard_negatives_are_wrong_by_one_attribute(tmp_path):
    config = built(recipe, "tiny", "stackgan", hard_negatives=True, out=str(tmp_path / "run"))
    run = Text2ImageRun(config)
    number = {text: i for i, text in enumerate(run.captions)}
    decoded = [run.encoder.tokenizer.decode(row.tolist()) for row in run.tokens]
    for text, i in list(number.items())[:50]:
        for row in run.near[i].tolist():
            changed = parse_caption(decoded[row]) != parse_caption(text)
            assert int(changed.sum()) == 1
    run.engine.notes["phase"] = 1
    run._use_features()
    batch = run.data(3)
    for caption, wrong in zip(batch["caption"], batch["wrong"], strict=True):
        misses = run.scale(run.features.sentence[run.near[caption]])
        assert bool((misses == wrong).all(1).any())


def test_dfgan_runs_by_its_name(tmp_path):
    out = tmp_path / "run"
    words = ["--paper", "dfgan", "--rounds", "1"]
    assert main(["train", "text2image", "--preset", "tiny", "--out", str(out), *words]) == 0
    (row,) = [row for row in read_log(out) if row["phase"] == "stage I"]
    assert row["D1/pair_penalty"] >= 0
    assert row["G1/kl"] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--data", "nowhere"], "--data nowhere"),
        (["--paper", "dall"], "--paper dall"),
        (["--side", "24"], "--side 24"),
        (["--small", "32"], "--small 32"),
        (["--penalty", "r1=1"], "--norm batch"),
        (["--penalty", "hope", "--norm", "none"], "--penalty hope"),
        (["--loss", "hope"], "--loss hope"),
        (["--encoder", "nowhere"], "--encoder nowhere"),
        (["--features", "7"], "--features 7"),
        (["--match_rounds", "0"], "--match_rounds 0"),
        (["--batch", "100"], "--batch"),
        (["--longest", "2"], "--longest 2"),
        (["--ema_decay", "1.0"], "--ema_decay 1.0"),
        (["--kl_coef", "-1"], "--kl_coef -1"),
        (["--paper", "dfgan", "--small", "16"], "--small"),
        (["--paper", "dfgan", "--norm", "batch"], "--norm"),
        (["--paper", "gan_int_cls", "--kl_coef", "1"], "--kl_coef"),
        (["--hard_negatives", "true", "--candidates", "2"], "--hard_negatives"),
        (["--damsm_weight", "1"], "--damsm_weight"),
        (["--paper", "attngan", "--interpolation", "true"], "--interpolation"),
        (["--precision", "fp16"], "--precision fp16"),
    ],
)
def test_a_contradiction_is_refused_and_its_option_named(tmp_path, capsys, words, says):
    out = tmp_path / "run"
    assert says in last_sentence(
        capsys, "train", "text2image", "--preset", "tiny", "--out", str(out), *words
    )
    assert not out.exists()
