"""What is measured on a GPU runs small on a CPU, counts right, and keeps what it had when cut."""

import json
import sys
import time
from pathlib import Path

import pytest
import torch

FOLDER = str(Path(__file__).resolve().parents[1] / "benchmarks")


@pytest.fixture(scope="module")
def bench():
    """The module of the benchmark, with its neighbours importable."""
    sys.path.insert(0, FOLDER)
    try:
        import gpu
        from gpu_parts import draws, parity, roofline, syncs  # noqa: F401

        yield gpu
    finally:
        sys.path.remove(FOLDER)


def lines_of(part):
    from importlib import import_module

    return list(import_module(f"gpu_parts.{part}").lines(torch.device("cpu"), True))


def test_every_part_has_a_share(bench):
    files = {f.stem for f in (Path(FOLDER) / "gpu_parts").glob("*.py")}
    assert set(bench.SHARES) == files - {"__init__", "draws", "roofline", "stand_in"}
    assert sum(bench.SHARES.values()) == pytest.approx(1)


@pytest.mark.parametrize("part", ["text", "images", "dialogue", "captions", "imitation"])
def test_parts_measure_positive_times(bench, part):
    found = lines_of(part)
    assert not [line for line in found if "error" in line]
    seconds = [v for line in found for k, v in line.items() if "seconds" in k]
    assert seconds
    assert all(value > 0 for value in seconds)
    for line in found:
        json.dumps(line)


def test_an_error_in_a_game_is_a_line(bench, monkeypatch):
    from gpu_parts import parity

    def fails(*arguments, **options):
        raise RuntimeError("no kernel")

    monkeypatch.setattr(parity, "a_round", fails)
    found = parity.differences("seqgan.lm.likelihood_game", torch.device("cpu"), "no", 1e-4)
    assert found == {"error": "RuntimeError: no kernel", "equal": False}


def test_dropout_keeps_its_share_and_its_mean(bench):
    from gpu_parts.draws import DrawnOnCPU

    torch.manual_seed(0)
    with DrawnOnCPU():
        out, kept = torch.ops.aten.native_dropout(torch.ones(20_000), 0.25, True)
    assert kept.float().mean() == pytest.approx(0.75, abs=0.02)
    assert out.unique().tolist() == pytest.approx([0, 4 / 3])


def test_counts_of_a_product_and_of_a_view(bench):
    from gpu_parts import roofline

    x, y = torch.randn(4, 8), torch.randn(8, 16)
    found = roofline.count(lambda: (x @ y).t())
    assert found.flop == 2 * 4 * 8 * 16
    assert found.bytes == 4 * (4 * 8 + 8 * 16 + 4 * 16)
    assert found.kernels == 1
    assert roofline.Count(780 * 10**12, 0, 1).limit("bf16") == pytest.approx(1)
    assert roofline.Count(0, 4_300 * 10**9, 1).limit("bf16") == pytest.approx(1)


def sleeps(part, device, tiny, file):
    """A part that never ends, for the driver's limit; and one that fails."""
    import gpu

    gpu.write(file, {"run": part, "figure": 1})
    if part == "text":
        raise SystemExit(3)
    if part == "parity":
        time.sleep(60)


def test_a_part_that_takes_too_long_is_cut_and_its_figures_stay(bench, monkeypatch, tmp_path):
    import multiprocessing

    monkeypatch.setattr(bench, "play", sleeps)
    monkeypatch.setattr(multiprocessing, "get_context", lambda kind: ForkContext)
    # Parity has a second, and the others all the time that starting a process may take
    monkeypatch.setattr(bench, "SHARES", {"parity": 1, "syncs": 60, "text": 60})
    only, minutes = ["parity", "syncs", "text"], str(121 / 60)
    arguments = ["gpu.py", "--device", "cpu", "--minutes", minutes, "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [*arguments, "--only", *only])
    assert bench.main() == 1
    told = [json.loads(line) for line in (tmp_path / "figures.jsonl").read_text().splitlines()]
    assert [line["run"] for line in told if "figure" in line] == only
    assert [line["run"] for line in told if "cut_after_seconds" in line] == ["parity"]
    assert [line for line in told if "exit" in line] == [{"run": "text", "exit": 3}]


class ForkContext:
    """Starts the part from here, so that the test's stand-in is the one that runs."""

    @staticmethod
    def Process(target, args):
        import multiprocessing.context

        return multiprocessing.context.ForkProcess(target=target, args=args)
