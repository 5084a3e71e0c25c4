"""Retrieval at scale: seconds and memory of training and serving, over three sizes, linear in each.

    python benchmarks/retrieval_scale.py [--largest 1000000]

Synthetic pairs, 20 a user, items ten times fewer than users. One epoch of adversarial training
(both players, a pool of 500 candidates a step, a sixtieth of the users a step), then the ten best
items of 4,096 users. A step's dense gradients are as large as the tables, so steps an
epoch are held constant; with a constant number of users a step an epoch would grow faster than the
data. Each size runs in a process of its own, so that its peak memory is its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import torch

POOL, STEPS, DIM, EACH = 500, 60, 32, 20


def measure(users: int) -> None:
    from image_core.adversarial.engine import Engine
    from image_core.memory import keep_freed_memory
    from image_core.runs.batches import Batches
    from seqgan.retrieval.game import RetrievalGame
    from seqgan.retrieval.ragged import Ragged
    from seqgan.retrieval.scorers import MatrixFactorization
    from seqgan.retrieval.split import Split

    keep_freed_memory()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    items = users // 10
    began = resident()
    values = torch.randint(items, (users * EACH,))
    split = Split(
        torch.arange(users), items, Ragged(torch.arange(0, users * EACH + 1, EACH), values)
    )
    game = RetrievalGame(
        MatrixFactorization(users, items, DIM),
        MatrixFactorization(users, items, DIM),
        split,
        pool=POOL,
    )
    sgd = {name: lambda p: torch.optim.SGD(p, lr=0.1) for name in ("G", "D")}
    engine = Engine(game, sgd)
    data = Batches(torch.arange(users), users // STEPS, seed=0)
    list(engine.rounds(data, 1))
    steps = max(1, len(data) // 2)  # a round takes two batches, one of either player
    at = time.process_time()
    logs = list(engine.rounds(data, steps))[-1]
    epoch = time.process_time() - at
    at = time.process_time()
    with torch.no_grad():
        for rows in torch.arange(4096).split(256):
            game.G(rows, torch.arange(items)).topk(10)
    serve = time.process_time() - at
    print(
        json.dumps(
            {
                "users": users,
                "items": items,
                "pairs": users * EACH,
                "steps": 2 * steps,
                "epoch_cpu_s": round(epoch, 2),
                "us_a_user": round(epoch / users * 1e6, 1),
                "top10_of_4096_users_cpu_s": round(serve, 2),
                "peak_mb": round(resident() - began),
                "parameters_mb": round(sum(p.numel() for p in game.parameters()) * 4 / 1e6),
                "reward": round(float(logs["G/reward"]), 4),
            }
        ),
        flush=True,
    )


def resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=None, help="measure this size alone")
    options = parser.parse_args()
    if options.users is not None:
        measure(options.users)
        return
    for users in (options.largest // 16, options.largest // 4, options.largest):
        subprocess.run([sys.executable, __file__, "--users", str(users)], check=True)


if __name__ == "__main__":
    main()
