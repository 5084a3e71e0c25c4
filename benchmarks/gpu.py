"""Everything there is to measure on a GPU, in order of worth, within a number of minutes.

    python benchmarks/gpu.py --minutes 8 --out figures [--only parity ...] [--device cpu --tiny]

Each part is a process of its own with a time limit of its own, and appends a line of JSON to
OUT/figures.jsonl as soon as it has one: a run that is cut keeps what it had. A part that ends early
leaves its time to the parts after it.
"""

import argparse
import json
import multiprocessing
import sys
import time
from importlib import import_module
from pathlib import Path

SHARES = {
    "parity": 0.24,  # every game on the device against a CPU; checkpoints; exact resume
    "syncs": 0.06,  # moves that wait for the device
    "text": 0.24,  # SeqGAN's parts and schedule
    "images": 0.2,  # steps by architecture, penalty, precision, compiled
    "dialogue": 0.1,  # GPT-2's size
    "captions": 0.1,  # StackGAN and its relatives at the papers' sizes
    "imitation": 0.06,  # GAIL with networks on the device
}
"""Parts, and the share of the minutes that each may take."""


def play(part: str, device: str, tiny: bool, file: Path) -> None:
    """Run a part to its end, one line of figures at a time.

    Args:
        part: Name of the part.
        device: Name of the device.
        tiny: Whether everything is small, to test that it runs.
        file: File that the lines are appended to.
    """
    import torch

    from image_core.memory import keep_freed_memory

    torch.manual_seed(0)
    torch.set_num_threads(1)  # what is on a CPU beside a GPU is small
    if device == "cpu":
        keep_freed_memory()
    began = time.perf_counter()
    for line in import_module(f"gpu_parts.{part}").lines(torch.device(device), tiny):
        write(file, {"run": part, **line})
    write(file, {"run": part, "ended": True, "seconds": round(time.perf_counter() - began, 1)})


def write(file: Path, line: dict) -> None:
    """Append a line and print it without its profile."""
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")
    print(json.dumps({k: v for k, v in line.items() if k != "profile"}), flush=True)


def versions(device: str) -> dict[str, str | int]:
    """What the figures depend on."""
    import torch

    on_gpu = device == "cuda"
    return {
        "run": "versions",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "cuda": str(torch.version.cuda),
        "python": sys.version.split()[0],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--out", type=Path, default=Path("figures"))
    parser.add_argument("--only", nargs="+", choices=SHARES, default=list(SHARES))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small sizes, to test that all runs")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "figures.jsonl"
    write(file, versions(options.device))
    whole = sum(SHARES[part] for part in options.only)
    spare, failed = 0.0, []
    for part in options.only:
        limit = 60 * options.minutes * SHARES[part] / whole + spare
        began = time.perf_counter()
        process = multiprocessing.get_context("spawn").Process(
            target=play, args=(part, options.device, options.tiny, file)
        )
        process.start()
        process.join(limit)
        if process.is_alive():
            process.kill()
            process.join()
            write(file, {"run": part, "cut_after_seconds": round(limit, 1)})
        elif process.exitcode:
            failed.append(part)
            write(file, {"run": part, "exit": process.exitcode})
        spare = max(0.0, limit - (time.perf_counter() - began))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
