"""A discriminator earns its turn: heads that work, warm-up to --min_auc, and what follows without.

`tiny` runs have --min_auc 0; here it is provoked.
"""

import json

import torch
from safetensors.torch import load_file

from seqgan.cli import main
from seqgan.dialogue import recipe as dialogue
from seqgan.dialogue.discriminators import LogRatioDiscriminator, StepDiscriminator
from seqgan.dialogue.generation import PLAIN, GenerationOptions
from seqgan.dialogue.language_models import CausalLMPolicy
from seqgan.dialogue.models import copy_generator
from seqgan.dialogue.recipe import DialogueRun
from seqgan.dialogue.samples import truncated_ratio
from tests.recipes.made import built, read_log, refusal
from tests.seqgan.dialogue.made import END, IDS, PAD, V, gpt2
from tests.seqgan.dialogue.test_dialogue_recipe import TINY, talks, written

CONTEXT = torch.tensor([[5, 6, 7], [8, 9, 10]])
SEEN = torch.ones_like(CONTEXT, dtype=torch.bool)
REPLY = torch.tensor([[4, 11, END, PAD], [12, 13, 14, 15]])


def policy(seed):
    torch.manual_seed(seed)
    return CausalLMPolicy(gpt2().eval(), V, **IDS)


# ------------------------------------------------------------------------------------------- heads


def test_a_log_ratio_is_zero_at_first_and_then_that_of_its_two_models():
    first, second = policy(0), policy(1)
    D = LogRatioDiscriminator(first)
    assert D(CONTEXT, SEEN, REPLY).abs().max() == 0
    wanted = (second.log_prob(CONTEXT, SEEN, REPLY) - first.log_prob(CONTEXT, SEEN, REPLY)).detach()
    D.model.load_state_dict(second.state_dict())
    found = D(CONTEXT, SEEN, REPLY)
    for t in range(4):
        torch.testing.assert_close(found[:, t], 0.1 * wanted[:, : t + 1].sum(1))
    assert found[0, 3] == found[0, 2]  # nothing after the end
    found.sum().backward()
    assert all(p.grad is not None for p in D.model.parameters())
    assert not any(p.requires_grad for p in D.frozen.parameters())
    copy_generator(D, second)  # both sides begin once more
    assert D(CONTEXT, SEEN, REPLY).abs().max() == 0


def test_values_of_tokens_begin_as_the_language_models_logits():
    generator = policy(0)
    D = StepDiscriminator.like(generator.model, V)
    logits = generator.model(torch.cat([CONTEXT, REPLY[:, :-1]], 1)).logits[:, 2:]
    torch.testing.assert_close(
        D.values(CONTEXT, SEEN, REPLY), logits.detach(), rtol=1e-4, atol=1e-5
    )
    later = policy(1)
    copy_generator(D, later)
    torch.testing.assert_close(D.head.weight, later.model.lm_head.weight)


# --------------------------------------------------------------------------- off-policy correction


def test_a_token_is_weighed_by_how_much_likelier_the_policy_itself_makes_it():
    G, way = policy(0), GenerationOptions(0.5, top_p=0.9)
    logits = torch.randn(2, 4, V)
    ratio = truncated_ratio(G, logits, REPLY, GenerationOptions(0.5))
    p, b = logits.softmax(-1), (2 * logits).softmax(-1)
    wanted = (p / b).gather(2, REPLY[..., None])[..., 0].clamp(max=2)
    mask = G.mask(REPLY)
    torch.testing.assert_close(ratio[mask], wanted[mask])
    torch.testing.assert_close(truncated_ratio(G, logits, REPLY, PLAIN)[mask], torch.ones(7))
    # Its mean over what is drawn is the policy's mass there: E_b[pi / b] = 1 where nothing is cut
    row = torch.randn(1, 1, V) * 0.1
    every = torch.arange(V).view(V, 1)
    weights = truncated_ratio(G, row.expand(V, 1, V), every, GenerationOptions(0.8))[:, 0]
    torch.testing.assert_close(((row / 0.8).softmax(-1)[0, 0] * weights).sum(), torch.tensor(1.0))
    assert truncated_ratio(G, logits, REPLY, way).max() <= 2
    # Of a reply as one action it is the product, bounded once
    product = torch.where(mask, (p / b).gather(2, REPLY[..., None])[..., 0], 1.0).prod(1)
    found = truncated_ratio(G, logits, REPLY, GenerationOptions(0.5), sequence_level=True)
    torch.testing.assert_close(found, product.clamp(max=2)[:, None])


# ----------------------------------------------------------------------------------- the warm-up


def run_with(tmp_path, monkeypatch, aucs, *words):
    """A tiny run whose discriminator is found to be as good as one says; its log and its notes."""
    told = iter(aucs)
    monkeypatch.setattr(dialogue, "write_report", lambda run, seconds: None)
    quality = lambda run: {"d_auc": next(told), "d_accuracy": 0.5}  # noqa: E731
    monkeypatch.setattr(DialogueRun, "discrimination", quality)
    data, run = written(tmp_path, talks(40)), tmp_path / "run"
    short = ("--mle_steps", "2", "--rounds", "2", "--d_warmup_steps", "3", "--min_auc", "0.6")
    code = main([*TINY, "--data", data, *short, *words, "--out", str(run)])
    return code, read_log(run) if (run / "log.jsonl").exists() else [], run


def test_a_good_discriminator_warms_up_for_its_regular_steps(tmp_path, monkeypatch):
    _, log, _ = run_with(tmp_path, monkeypatch, [0.7, 0.7])
    assert [row["phase"] for row in log] == ["mle", *["warmup"] * 3, *["adversarial"] * 2]
    assert "D/accuracy" in log[-1]
    assert "G/reward" in log[-1]


def test_a_late_one_is_given_more(tmp_path, monkeypatch):
    _, log, _ = run_with(tmp_path, monkeypatch, [0.9, 0.55, 0.61])
    assert [row["phase"] for row in log].count("warmup") == 5  # of at most 12
    assert log[3]["d_auc"] == 0.55  # after the third, which is the last regular one
    assert "G/reward" in log[-1]


def test_without_a_good_one_the_rounds_are_maximum_likelihood_and_that_is_said(
    tmp_path, monkeypatch, capsys
):
    _, log, run = run_with(tmp_path, monkeypatch, [0.5] * 9)
    assert [row["phase"] for row in log].count("warmup") == 12
    assert "G/reward" not in log[-1]
    assert "D/accuracy" not in log[-1]
    assert log[-1]["G/loss"] > 0
    said = capsys.readouterr().err
    assert "after 12 steps the discriminator tells people's held-out replies" in said
    assert "AUC 0.500, below --min_auc 0.6" in said
    assert "the 2 rounds are maximum likelihood alone" in said
    notes = json.loads((run / "checkpoint" / "state.json").read_text())["notes"]
    assert notes["without_adversary"]
    assert "maximum likelihood alone" in notes["alarms"][0]
    # More rounds are of the same kind
    assert main(["resume", str(run), "--rounds", "3"]) == 0
    assert "G/reward" not in read_log(run)[-1]


def test_or_the_run_is_refused(tmp_path, monkeypatch, capsys):
    code, _, _ = run_with(tmp_path, monkeypatch, [0.5] * 9, "--alarms", "stop")
    assert code == 2
    assert (
        "raise --d_warmup_steps or --d_lr, name another --discriminator, or pass --min_auc 0"
        in (capsys.readouterr().err)
    )


def test_the_threshold_is_a_share(tmp_path, capsys):
    words = (*TINY, "--min_auc", "1.5", "--out", str(tmp_path / "run"))
    assert "--min_auc 1.5: it is a share" in refusal(capsys, *words)


def test_rounds_after_a_number_leave_the_discriminator_as_it_is(tmp_path, monkeypatch):
    code, log, run = run_with(tmp_path, monkeypatch, [0.7] * 2, "--d_frozen_after", "1")
    assert code == 0
    assert [row["phase"] for row in log] == ["mle", *["warmup"] * 3, "adversarial", "frozen"]
    assert "D/accuracy" in log[-2]
    assert "G/reward" in log[-1]
    assert "D/accuracy" not in log[-1]
    kept = load_file(run / "checkpoint" / "game.safetensors")
    # More rounds are of the same kind, and the generator alone moves
    assert main(["resume", str(run), "--rounds", "4"]) == 0
    assert [row["phase"] for row in read_log(run)[-3:]] == ["frozen"] * 3
    later = load_file(run / "checkpoint" / "game.safetensors")
    moved = {name.split(".")[0] for name in kept if not torch.equal(kept[name], later[name])}
    assert "G" in moved
    assert "D" not in moved
    steps = json.loads((run / "checkpoint" / "state.json").read_text())["steps"]
    assert steps["D"] == 3 + 1


def test_a_frozen_one_that_earns_no_turn_has_no_say_either(tmp_path, monkeypatch):
    _, log, _ = run_with(tmp_path, monkeypatch, [0.5] * 9, "--d_frozen_after", "0")
    assert [row["phase"] for row in log[-2:]] == ["frozen"] * 2
    assert all(row["G/loss"] > 0 and "G/reward" not in row for row in log[-2:])


def test_a_rate_falls_over_the_rounds_in_which_the_discriminator_learns(capsys, tmp_path):
    told = {"paper": "shaped", "data": "x", "out": "x", "rounds": 9}
    config = built(dialogue, **told, d_frozen_after=2)
    assert config.d_rounds() == 2
    assert built(dialogue, **told, d_frozen_after=20).d_rounds() == 9
    assert built(dialogue, **told).d_rounds() == 9
    assert config.method()["discriminator"] == "frozen after 2 rounds"
    words = (*TINY, "--d_frozen_after", "-1", "--out", str(tmp_path / "run"))
    assert "--d_frozen_after -1" in refusal(capsys, *words)


def test_gad_warms_up_both_sides_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(dialogue, "write_report", lambda run, seconds: None)
    data, run = written(tmp_path, talks(40)), tmp_path / "run"
    short = ("--mle_steps", "2", "--rounds", "1", "--d_warmup_steps", "3", "--paper", "gad")
    assert main([*TINY, "--data", data, *short, "--out", str(run)]) == 0
    warmup = [row for row in read_log(run) if row["phase"] == "warmup"]
    assert len(warmup) == 3
    assert all({"G/loss", "D/accuracy"} <= row.keys() for row in warmup)
    assert 0 < read_log(run)[-1]["G/weight"] <= 2  # drawn at 0.8, weighed
