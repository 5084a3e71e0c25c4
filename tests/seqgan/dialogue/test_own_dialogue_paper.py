"""A dialogue paper of the user's own, outside the repository: a player and an option of its own."""

from pathlib import Path

import pytest

from tests.recipes.made import read_log, read_result
from tests.recipes.outside import assert_same_weights, command
from tests.seqgan.dialogue.test_dialogue_recipe import talks, written

ROOT = Path(__file__).resolve().parents[3]
CALIBRATED = '''"""CalibratedGAN (nobody 2026): logits rewarded by a scale that learns."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from image_core.adversarial.game import Loss, Turn
from image_core.runs import options
from seqgan.dialogue import credit
from seqgan.dialogue.config import (
    AdvantageOptions, DiscriminatorNetworkOptions, player, three_players,
)
from seqgan.dialogue.discriminators import pool
from seqgan.dialogue.game import DialogueGame


@dataclass(kw_only=True)
class Options(DiscriminatorNetworkOptions, AdvantageOptions):
    """CalibratedGAN.

    Args:
        scale_lr: Learning rate of the scale.
    """

    samples: int = 2
    scale_lr: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        options.check_above_zero(self, "scale_lr")


class CalibratedGame(DialogueGame):
    def __init__(self, G, D, length, scale, **options):
        super().__init__(G, D, length, **options)
        self.S = scale

    def players(self):
        return {**super().players(), "S": list(self.S.parameters())}

    def turns(self):
        return [*super().turns(), Turn("S", self.scale_move)]

    def scale_move(self, batches):
        batch = next(batches)
        given = batch["context"], batch["attention_mask"]
        both = batch["reply"], self.G.eval().sample(*given, self.length)
        with torch.no_grad():
            real, fake = (
                pool(self.D.eval()(*given, y), self.G.mask(y), "last") for y in both
            )
        scaled = self.S(torch.cat([real, fake])[:, None])[:, 0]
        target = torch.cat([torch.ones_like(real), torch.zeros_like(fake)])
        yield Loss(F.binary_cross_entropy_with_logits(scaled, target))


def game(o, language):
    policy, scale = o.policy(language), nn.Linear(1, 1)

    def reward(logit):
        return scale(logit[..., None])[..., 0].sigmoid()

    return CalibratedGame(
        policy, o.network(language, policy), o.reply_tokens, scale,
        credit=credit.sequence(reward), pooling="last", **o.adversarial(),
    )


def players(o):
    return [*three_players(o), player(o, "S", o.scale_lr, o.rounds)]


PRESETS = {"tiny": {"samples": 4}}
'''


@pytest.mark.slow
def test_it_trains_from_the_command_line_stops_and_goes_on(tmp_path):
    (tmp_path / "mypkg").mkdir()
    (tmp_path / "mypkg" / "__init__.py").write_text("")
    (tmp_path / "mypkg" / "mydialogue.py").write_text(CALIBRATED)
    written(tmp_path, talks(60))
    train = ("train", "dialogue", "--preset", "tiny", "--paper", "mypkg.mydialogue")
    words = (*train, "--data", "talks.jsonl", "--test", "talks.jsonl", "--scale_lr", "0.05")
    done = command(tmp_path, *words, "--out", "whole")
    assert done.returncode == 0, done.stderr
    result, log = read_result(tmp_path / "whole"), read_log(tmp_path / "whole")
    assert result["config"]["scale_lr"] == 0.05
    assert result["config"]["samples"] == 4  # its own PRESETS
    assert result["steps"]["S"] == 4
    assert all(row["S/grad_norm"] > 0 for row in log if row["phase"] == "adversarial")
    page = (tmp_path / "whole" / "model" / "README.md").read_text()
    assert "CalibratedGAN (`--paper mypkg.mydialogue`" in page
    assert "--scale_lr" in command(tmp_path, *train, "--help").stdout
    # Stopped where an own module breaks off, and resumed with the sound one
    broken = CALIBRATED.replace(
        "        batch = next(batches)\n",
        "        if self.moves == 3:\n            raise KeyboardInterrupt\n"
        "        batch = next(batches)\n",
    )
    (tmp_path / "mypkg" / "mydialogue.py").write_text(broken)
    assert command(tmp_path, *words, "--out", "stopped").returncode == 130
    assert len(read_log(tmp_path / "stopped")) < len(log)
    (tmp_path / "mypkg" / "mydialogue.py").write_text(CALIBRATED)
    resumed = command(tmp_path, "resume", "stopped")
    assert resumed.returncode == 0, resumed.stderr
    assert_same_weights(tmp_path / "stopped", tmp_path / "whole")
    assert read_result(tmp_path / "stopped")["table"] == result["table"]
    chat = command(tmp_path, "chat", "stopped", "--no_color")
    assert chat.returncode == 0, chat.stderr
