"""One of two processes that play the toy games together; run by `test_parallel.py`."""

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from image_core.adversarial import checkpoint, parallel, sharding
from image_core.adversarial.discrete_variables import Bernoulli
from image_core.adversarial.energies import AdaptiveMargin, Balance
from image_core.adversarial.engine import WHOLE, Engine
from image_core.adversarial.estimators import reinforce, taylor
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.replay import HistoryPool, ReplayBuffer
from image_core.adversarial.sghmc import SGHMC
from image_core.runs import lock
from image_core.runs.folder import RunFolder
from image_core.runs.phase import Phase
from image_core.runs.run import play
from image_core.runs.stopping import Stopped
from tests.image_core.adversarial.toys import ToyGAN, adam, points, rounds


def new(seed: int, heads: bool = False) -> Engine:
    """Adam, a clipped critic and an average of the generator."""
    torch.manual_seed(seed)
    game = ToyGAN(heads=heads)
    return Engine(game, {"G": adam, "D": adam}, clip={"D": 0.05}, ema={"G": 0.9})


def summary(engine: Engine, logs: list[Any]) -> dict[str, Any]:
    """What is compared: weights, average, logs."""
    state = dict(engine.game.state_dict())
    state |= {f"ema.{name}": value for name, value in engine.ema["G"].state_dict().items()}
    state |= {f"{i}/{name}": value for i, entry in enumerate(logs) for name, value in entry.items()}
    return {name: value.detach().clone() for name, value in state.items()}


def train(seed: int) -> dict[str, Any]:
    """Four rounds on batches of eight rows."""
    engine = new(seed)
    return summary(engine, rounds(engine, 4, data=points))


def two_heads(seed: int) -> dict[str, Any]:
    """The critic's heads in turn: in each step one of them has no gradient."""
    engine = new(seed, heads=True)
    game = engine.game
    assert isinstance(game, ToyGAN)
    turns = [Turn("D", game.critic_move), Turn("D", game.other_move)]
    return summary(engine, rounds(engine, 3, turns=turns, data=points))


def resumed(seed: int, folder: Path) -> dict[str, Any]:
    """Two rounds, a checkpoint, and two more by an engine that loads it; and what is drawn next."""
    first = new(seed)
    torch.manual_seed(seed)
    rounds(first, 2, data=points)
    first.save(folder)
    expected = torch.rand(3)
    second = new(seed + 10)
    second.load(folder)
    return {
        "drawn": torch.rand(3),
        "expected": expected,
        "weights": summary(second, rounds(second, 2, data=points)),
    }


def more(folder: Path) -> dict[str, Any]:
    """Four rounds of two processes from the start that one has saved; and what is drawn next."""
    engine = new(3)
    engine.load(folder)
    drawn = torch.rand(3)
    return {"drawn": drawn, "weights": summary(engine, rounds(engine, 4, data=points))}


def unsharded() -> Engine:
    """Without an average: torch refuses to copy a sharded module."""
    torch.manual_seed(0)
    return Engine(ToyGAN(), {"G": adam, "D": adam}, clip={"G": 0.05})


def weights(engine: Engine) -> dict[str, torch.Tensor]:
    """All of them, put together."""
    state = sharding.whole(engine.game.state_dict())
    return {name: value.detach().clone() for name, value in state.items()}


def sharded(folder: Path) -> dict[str, Any]:
    """Four rounds of a generator cut in two, and as many with a checkpoint in the middle."""
    mesh = init_device_mesh("cpu", (2,))
    engines = []
    for scale in (1.0, 2.0):
        engine = unsharded()
        game = engine.game
        assert isinstance(game, ToyGAN)
        with torch.no_grad():
            for parameter in game.parameters():
                parameter *= scale
        fully_shard(game.G, mesh=mesh, reshard_after_forward=True)
        engines.append(Engine(game, {"G": adam, "D": adam}, clip={"G": 0.05}))
    first, second = engines
    local = sum(p.to_local().numel() for p in first.game.G.parameters())
    rounds(first, 2, data=points)
    first.save(folder)
    second.load(folder)
    loaded = weights(second)
    half = weights(first)
    rounds(first, 2, data=points)
    rounds(second, 2, data=points)
    found = {"local": local, "half": half, "loaded": loaded}
    return found | {"train": weights(first), "resumed": weights(second)}


def clipped() -> dict[str, torch.Tensor]:
    """Weights of a critic that its move clips after each step, whole and cut in two."""
    found = {}
    for name in ("whole", "cut"):
        torch.manual_seed(0)
        game = ToyGAN()
        cut = parallel.shard(game, ["D"]) if name == "cut" else WHOLE
        engine = Engine(game, {"G": adam, "D": adam}, cut=cut)

        def move(batches: Iterator[Batch], game: ToyGAN = game) -> Iterator[Loss]:
            for _ in range(2):
                yield from game.critic_move(batches)
                with torch.no_grad():
                    for parameter in game.D.parameters():
                        parameter.clamp_(-0.1, 0.1)

        rounds(engine, 2, turns=[Turn("D", move)], data=points)
        found |= {f"{name}.{n}": value for n, value in weights(engine).items()}
    return found


def pools() -> dict[str, torch.Tensor]:
    """What two kinds of pool hold after some rounds of rows, half of them from each process."""
    row = {"n": torch.zeros(1, dtype=torch.int64), "odd": torch.zeros((), dtype=torch.bool)}
    torch.manual_seed(parallel.world()[0])
    held = {}
    for kind in (ReplayBuffer, HistoryPool):
        pool = kind(5, row, 0.5)
        for step in range(6):
            n = 100 * step + 10 * parallel.world()[0] + torch.arange(3)
            pool.mix({"n": n[:, None], "odd": n % 2 == 1})
        held |= {f"{kind.__name__}.{name}": value for name, value in pool.state_dict().items()}
    return held


def message(function: Callable[[], object]) -> str:
    """What the user is told."""
    try:
        function()
    except (ValueError, RuntimeError) as error:
        return str(error)
    return "no error"


def summed(rows: slice) -> torch.Tensor:
    """The sum estimator on some rows of four samples."""
    parts = torch.arange(12.0).view(4, 3) - 5, torch.ones(4, 3) * 2, torch.ones(4, 3) > 0
    return reinforce(reduction="sum")(*(part[rows] for part in parts))


def failed_save(folder: Path, rank: int) -> str:
    """What each process is told where the first one's disk is full."""
    if rank == 0:
        checkpoint.write_state = full
    return message(lambda: new(0).save(folder / "full"))


def full(*_: object) -> None:
    """A disk without space."""
    raise OSError(28, "No space left on device")


def locked(folder: Path) -> dict[str, str]:
    """What a free folder's lock holds, and what each is told of one that is taken."""
    with lock.locked(folder / "free"):
        held = (folder / "free" / lock.NAME).read_text()
        dist.barrier()

    def take() -> None:
        with lock.locked(folder / "taken"):
            pass

    return {"held": held, "taken": message(take)}


def stopped(folder: Path, rank: int) -> dict[str, Any]:
    """How far both play when a signal reaches the second process only."""
    folder.mkdir(exist_ok=True)
    engine = new(0)

    def evaluate() -> dict[str, float]:
        if rank == 1 and engine.round == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return {}

    phases = [Phase("adversarial", None, 5, evaluate)]
    told = ""
    try:
        play(engine, points, phases, RunFolder(folder), save_seconds=1e6, show=())
    except Stopped as stop:
        told = type(stop).__name__
    again = new(0)
    again.load(folder / "checkpoint")
    return {"told": told, "round": engine.round, "saved": again.round}


def draws(folder: Path) -> dict[str, torch.Tensor]:
    """What a phase, its moves and its evaluations draw, and each process alone afterwards."""
    folder.mkdir(exist_ok=True)
    engine, found = new(0), dict[str, torch.Tensor]()
    torch.manual_seed(0)

    def move(batches: Iterator[Batch]) -> Iterator[Loss]:
        found["move"] = torch.rand(3)
        yield from engine.game.turns()[0].move(batches)

    def evaluate() -> dict[str, float]:
        found["evaluation"] = torch.rand(3)
        return {}

    def enter() -> None:
        found["phase"] = torch.rand(3)

    phases = [Phase("one", [Turn("D", move)], 2, evaluate, enter=enter)]
    play(engine, points, phases, RunFolder(folder), save_seconds=1e6, show=())
    return {**found, "then": torch.rand(3)}


def apart(folder: Path) -> str:
    """What is told of a move that draws weights in each process by itself."""
    folder.mkdir(exist_ok=True)
    engine = new(0)

    def move(batches: Iterator[Batch]) -> Iterator[Loss]:
        yield from engine.game.turns()[0].move(batches)
        with torch.no_grad():
            engine.players["D"][0].add_(torch.rand(()))

    phases = [Phase("one", [Turn("D", move)], 1)]
    where = RunFolder(folder)
    return message(lambda: play(engine, points, phases, where, save_seconds=1e6, show=()))


def statistics(rows: slice) -> dict[str, torch.Tensor]:
    """Running statistics after some of six rows, whose second half is masked more."""
    x = torch.arange(18.0).view(6, 3).log1p()[rows]
    mask = (torch.arange(18).view(6, 3) < 12)[rows]
    found = {}
    for baseline in ("moving_average", "log_z"):
        estimator = reinforce(baseline=baseline)
        for scale in (1.0, 2.0):
            estimator(x, scale * x, mask)
        found |= {f"{baseline}.{n}": b for n, b in estimator.named_buffers()}
    balance, margin = Balance(rate=0.1), AdaptiveMargin()
    found["measure"] = balance.update(x.square().mean(), x.mean() / 4)
    for _ in range(2):
        margin.add(0, x[:, 0] / 4)
        margin.add(1, x[:, 1])
    found |= {"k": balance.k, "energies": margin.sums / margin.counts}
    norms = nn.Sequential(nn.BatchNorm1d(3))
    norms(x)
    parallel.average_norms([norms])
    return found | {"norm": norms.get_buffer("0.running_mean")}


def coefficient() -> torch.Tensor:
    """What a control variate has learned from samples of each process's own."""
    torch.manual_seed(parallel.world()[0])
    control = taylor(samples=2)
    logits = torch.zeros(4, 3, requires_grad=True)
    control(Bernoulli(), logits, lambda x: (x - 0.3).square().sum(1))
    return torch.stack([control.product, control.square])


def noise() -> torch.Tensor:
    """A weight after a step of a sampler whose noise each process would draw by itself."""
    torch.manual_seed(parallel.world()[0])
    weight = nn.Parameter(torch.zeros(3))
    weight.grad = torch.ones(3)
    SGHMC([weight], 0.1, rows=10.0).step()
    return weight.detach()


def nothing_reached(engine: Engine) -> list[Any]:
    """A turn of the generator whose loss is the critic's."""
    game = engine.game
    assert isinstance(game, ToyGAN)

    def move(batches: Iterator[Batch]) -> Iterator[Loss]:
        game.D.requires_grad_()
        yield Loss(game.D(next(batches)["real"]).mean())

    return rounds(engine, 1, turns=[Turn("G", move)], data=points)


def main(rank: int, folder: Path) -> None:
    """Play, and leave the results in a file."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    lone = new(0)
    result = {
        "train": train(rank),
        "two_heads": two_heads(rank),
        "resumed": resumed(rank, folder / "run"),
        "uneven": message(lambda: rounds(lone, 1, data=partial(points, rows=7))),
        "summed": summed(slice(2 * rank, 2 * rank + 2)),
        "nothing": message(lambda: nothing_reached(new(0))),
        "draws": draws(folder / "draws"),
        "apart": apart(folder / "apart"),
        "statistics": statistics(slice(3 * rank, 3 * rank + 3)),
        "coefficient": coefficient(),
        "noise": noise(),
        "other": more(folder / "alone"),
        "pools": pools(),
        "sharded": sharded(folder / "sharded"),
        "clipped": clipped(),
        "locked": locked(folder),
        "stopped": stopped(folder / "stopped", rank),
        "pid": os.getpid(),
        "full": failed_save(folder, rank),  # the last: nothing can be saved after it
    }
    torch.save(result, folder / f"{rank}.pt")
    dist.destroy_process_group()
