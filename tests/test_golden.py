"""A recorded trajectory: five rounds of maximum likelihood and three adversarial ones, seed 0.

Catches what no other test states: a changed order of random draws, of moves, of steps, or another
initial value. After a change that means to do so, record again and say why in the commit:

    python -m tests.test_golden

The numbers are compared to four digits. Processors add up in another order and round exponentials
another way, which moves these few steps by about one in a million; no sampled token turns on it,
but a token drawn otherwise, or one step left out, changes the second digit.
"""

import json
import math
from functools import partial
from pathlib import Path

import pytest
import torch

from image_core.adversarial.engine import Engine
from image_core.adversarial.game import Turn
from seqgan.text.games.sequence import tiny

FILE = Path(__file__).with_name("golden_sequence.json")


def checksum(module):
    """Sum of w_i cos(i): every weight counts, at its own place."""
    weights = torch.cat([p.detach().flatten() for p in module.parameters()]).double()
    return float(weights @ torch.arange(len(weights), dtype=torch.float64).cos())


def trajectory():
    """Every logged number of every round, and a checksum of the weights at the end."""
    torch.manual_seed(0)
    game, data = tiny()
    adam = partial(torch.optim.Adam, lr=1e-2)
    engine = Engine(game, {"mle": adam, "G": adam, "D": adam}, clip={"G": 5.0})
    rounds = list(engine.rounds(lambda index: data, 5, turns=[Turn("mle", game.mle_move)]))
    rounds += engine.rounds(lambda index: data, 3)
    return {
        "rounds": [{name: float(value) for name, value in logs.items()} for logs in rounds],
        "checksums": {"G": checksum(game.G), "D": checksum(game.D)},
    }


def test_the_trajectory_is_the_recorded_one():
    expected, found = json.loads(FILE.read_text(encoding="utf-8")), trajectory()
    for number, (logs, recorded) in enumerate(
        zip(found["rounds"], expected["rounds"], strict=True)
    ):
        assert logs == pytest.approx(recorded, rel=1e-4, abs=1e-6), f"round {number}"
    assert found["checksums"] == pytest.approx(expected["checksums"], rel=1e-4)


def test_the_recorded_numbers_make_sense():
    """Twelve tokens, pad and start forbidden: likelihood starts near log 10 and falls."""
    rounds = json.loads(FILE.read_text(encoding="utf-8"))["rounds"]
    likelihood = [logs["mle/loss"] for logs in rounds[:5]]
    assert likelihood[0] == pytest.approx(math.log(10), abs=0.05)
    assert likelihood == sorted(likelihood, reverse=True)
    for logs in rounds[5:]:
        assert 0 < logs["G/reward"] < 1
        assert 0 <= logs["D/accuracy"] <= 1


if __name__ == "__main__":
    torch.set_num_threads(1)
    FILE.write_text(json.dumps(trajectory(), indent=1) + "\n", encoding="utf-8")
