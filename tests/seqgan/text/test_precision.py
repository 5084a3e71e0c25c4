"""bf16 runs the same game: close to float32, not equal to it."""

import json

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from seqgan.cli import main
from seqgan.dialogue.discriminators import HierarchicalDiscriminator
from seqgan.dialogue.recurrent import AttentionPolicy


def losses_of(folder, precision):
    arguments = f"train oracle --preset tiny --precision {precision} --report none --rounds 2"
    assert main([*arguments.split(), "--out", str(folder)]) == 0
    records = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [r[name] for r in records for name in ("mle/loss", "D/loss") if name in r]


@pytest.mark.bf16
def test_bf16_stays_near_float32(tmp_path, capsys):
    # Another precision has been before: each run has its own, also in one process.
    AcceleratorState._reset_state()
    Accelerator(mixed_precision="no", cpu=True)
    full, mixed = losses_of(tmp_path / "full", "no"), losses_of(tmp_path / "mixed", "bf16")
    assert full == pytest.approx(mixed, rel=0.01)
    assert len(full) > 3
    assert full != mixed


@pytest.mark.bf16
@pytest.mark.parametrize("part", ["hierarchical discriminator", "attention policy"])
def test_recurrent_networks_of_dialogue_run_in_bf16(part):
    context, reply = torch.randint(4, 12, (3, 6)), torch.randint(4, 12, (3, 5))
    attention_mask = torch.ones_like(context, dtype=torch.bool)
    if part == "attention policy":
        policy = AttentionPolicy(12, 8, end=2, pad=0)

        def read():
            return policy.logits(context, attention_mask, reply)[
                ..., 4:
            ]  # the others may be forbidden
    else:
        discriminator = HierarchicalDiscriminator(12, [4], 8, turns=2, turn_tokens=4)

        def read():
            return discriminator.score(context, attention_mask, discriminator.embed(reply))

    full = read()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = read()
    mixed.float().sum().backward()
    torch.testing.assert_close(mixed.float(), full, rtol=0.05, atol=0.02)
    assert not torch.equal(mixed.float(), full)
