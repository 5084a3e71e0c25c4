"""One of two processes that play every game with batches of tensors; run by `test_parallel_games`.

What is random must be the same whether one process draws all rows or each draws its own: `Rows`
draws for all of them, by the number of the draw, and gives a process its part. Nothing is dropped
out, no sentence ends early, and a batch norm's statistics, which are of a process's own rows by
design, are fixed.
"""

import math
from importlib import import_module
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from image_core.adversarial import parallel, sharding
from image_core.adversarial.engine import WHOLE, Engine
from seqgan.lm.policies import LSTMPolicy
from tests import traps
from tests.test_every_game import GAMES as ALL

ROUNDS = 1
GAMES = [name for name in ALL if not name.startswith("seqgan.dialogue")]
"""Dialogue has its own test of two processes."""


class Rows(TorchDispatchMode):
    """Random numbers that are a function of the number of the draw and of the row among all."""

    def __init__(self, shuffled):
        super().__init__()
        self.draws, self.shuffled = 0, shuffled

    def uniform(self, shape):
        rank, size = parallel.world()
        generator = torch.Generator().manual_seed(self.draws)
        self.draws += 1
        if not shape:
            return torch.rand((), generator=generator, dtype=torch.float64)
        full = torch.rand(shape[0] * size, *shape[1:], generator=generator, dtype=torch.float64)
        return full[rank * shape[0] : (rank + 1) * shape[0]].clamp(1e-12, 1 - 1e-12)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if kwargs.get("generator") is None and name in DRAWS:
            with torch.utils._python_dispatch._disable_current_modes():
                return DRAWS[name](self, func, args, kwargs)
        return func(*args, **kwargs)


def _made(rows, func, args, kwargs):
    """A new tensor of numbers, whose shape and kind torch decides."""
    out = func(*args, **kwargs)
    return out.copy_(_shaped(rows.uniform(out.shape), func.overloadpacket.__name__, args))


def _shaped(u, name, args):
    if name in ("rand", "rand_like"):
        return u
    if name in ("randn", "randn_like"):
        return math.sqrt(2) * torch.erfinv(2 * u - 1)
    low, high = (args[0], args[1]) if isinstance(args[1], int) else (0, args[0])
    return (low + (high - low) * u).floor()


def _filled(rows, func, args, kwargs):
    """A tensor that is filled in place."""
    out, name = args[0], func.overloadpacket.__name__
    u, given = rows.uniform(out.shape), [*args[1:]]
    if name == "uniform_":
        low, high = given or (0.0, 1.0)
        return out.copy_(low + (high - low) * u)
    if name == "normal_":
        mean, deviation = (given + [0.0, 1.0][len(given) :])[:2]
        return out.copy_(mean + deviation * math.sqrt(2) * torch.erfinv(2 * u - 1))
    if name == "exponential_":
        return out.copy_(-torch.log1p(-u) / (given[0] if given else 1.0))
    return out.fill_(1.0)  # of dropout, whose rows may be real and made ones put together


def _bernoulli(rows, func, args, kwargs):
    return (rows.uniform(args[0].shape) < args[0]).to(args[0].dtype)


def _multinomial(rows, func, args, kwargs):
    weights, count = args[0].double(), args[1]
    cumulated = (weights / weights.sum(-1, keepdim=True)).cumsum(-1)
    u = rows.uniform((*weights.shape[:-1], count))
    return torch.searchsorted(cumulated, u).clamp(max=weights.shape[-1] - 1)


def _order(rows, func, args, kwargs):
    """An order in which part k of the rows is, of one process, the parts k of two.

    In environments all processes have the rows of all, and share each part.
    """
    order, count = func(*args, **kwargs), args[0]
    if parallel.world()[1] == 2 or count % 2 or not rows.shuffled:
        return order.copy_(torch.arange(count))
    return order.copy_(torch.arange(count).view(2, count // 2).T.flatten())


DRAWS = {
    "randperm": _order,
    **dict.fromkeys(("rand", "rand_like", "randn", "randn_like", "randint"), _made),
    **dict.fromkeys(("uniform_", "normal_", "exponential_", "bernoulli_"), _filled),
    "bernoulli": _bernoulli,
    "multinomial": _multinomial,
}


def fixed_norm(x, mean, variance, weight=None, bias=None, training=False, *rest):
    """Batch norm by its running statistics, which are none of a batch's."""
    if mean is None:
        return x
    return torch.batch_norm(x, weight, bias, mean, variance, False, 0.1, 1e-5, False)


def doubled(batch):
    """Batches of rows that two processes can share."""

    def twice(part):
        if isinstance(part, dict):
            return {name: twice(value) for name, value in part.items()}
        if isinstance(part, (list, tuple)):
            return [twice(value) for value in part]
        return torch.cat([part, part]) if len(part) % 2 else part

    return lambda index: twice(batch(index) if callable(batch) else batch)


def played(name, *, cut=False):
    """Weights and buffers after some rounds, and how many numbers this process holds of them."""
    torch.manual_seed(0)
    game, batch = import_module(name).tiny()
    with torch.no_grad():
        for policy in game.modules():
            if isinstance(policy, LSTMPolicy):  # else sentences that end leave the later draws
                policy.output_bias[policy.end] = -30.0
    optim = {p: lambda ps: torch.optim.SGD(ps, lr=0.05, momentum=0.5) for p in game.players()}
    modules = [n for n, m in game.named_children() if n in optim and list(m.parameters())]
    cuts = parallel.shard(game, modules) if cut else WHOLE
    engine = Engine(game, optim, cut=cuts, clip=dict.fromkeys(optim, 1.0))
    with Rows(shuffled=not name.startswith("rl.")):
        engine.run(doubled(batch), ROUNDS)
    cuts.release()
    local = sum(sharding.held(p).numel() for p in game.parameters())
    state = sharding.whole(game.state_dict())
    return {"state": {n: v.clone() for n, v in state.items()}, "local": local, "cut": modules}


def main(rank: int, folder: Path) -> None:
    """Play all games, whole and cut, and leave what they end with in a file."""
    torch.set_num_threads(1)
    functional.batch_norm = fixed_norm
    dist.init_process_group("gloo", f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    found = {name: [played(name), played(name, cut=True)] for name in GAMES}
    found["traps"] = traps.find(rank)
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()
