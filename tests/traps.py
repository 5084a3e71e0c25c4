"""What torch's own ways of several processes do to two players; see `test_parallel_games`."""

import copy

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.functional import softplus
from torch.nn.parallel import DistributedDataParallel


def penalty(D, x):
    """A gradient penalty alone, of the norm 1."""
    return slope_and_logits(D, x)[0]


def slope_and_logits(D, x):
    x = x.clone().requires_grad_()
    logits = D(x)
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return ((gradient.norm(dim=1) - 1) ** 2).mean(), logits


def equal(D) -> bool:
    """Whether both processes hold the same gradients."""
    for p in D.parameters():
        if p.grad is not None:
            both = [torch.zeros_like(p.grad) for _ in range(2)]
            dist.all_gather(both, p.grad)
            if not torch.allclose(*both):
                return False
    return True


def net(inputs=3, outputs=1):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, outputs))


class Both(nn.Module):
    """Two players in one module, whose forward pass is of the first."""

    def __init__(self):
        super().__init__()
        self.G, self.D = net(2, 3), net()

    def forward(self, x):
        return self.D(x).mean()

    def second(self, z):
        return self.D(self.G(z)).mean()


def of_data_parallel(x) -> dict[str, bool | str]:
    """Whether both processes hold the same gradients, or what torch says."""
    found: dict[str, bool | str] = {}
    D = DistributedDataParallel(net())
    penalty(D, x).backward()
    found["penalty_alone"] = equal(D)
    D = DistributedDataParallel(net())
    alone, logits = slope_and_logits(D, x)
    (alone + 0 * logits.sum()).backward()
    found["penalty_with_its_logits"] = equal(D)

    D = DistributedDataParallel(net())
    one, two = D(x), D(x + 1)
    one.mean().backward(retain_graph=True)
    (two**2).mean().backward()
    found["two_forwards_two_backwards"] = equal(D)

    D = DistributedDataParallel(net())
    D.module(x).mean().backward()
    found["not_by_forward"] = equal(D)

    game = DistributedDataParallel(Both(), find_unused_parameters=True)
    game(x).backward()
    found["first_player"] = equal(game.module.D)
    game.module.second(x[:, :2]).backward()
    found["second_player"] = equal(game.module.G)

    D, frozen = net(), net()
    frozen[0].requires_grad_(False)
    D = DistributedDataParallel(frozen)
    frozen[0].requires_grad_(True)
    D(x).mean().backward()
    found["wrapped_in_the_others_turn"] = equal(D)

    game = DistributedDataParallel(Both())
    game(x).backward()
    try:
        game(x).backward()
        found["idle_player"] = "no error"
    except RuntimeError as error:
        found["idle_player"] = str(error)
    return found


def three_steps(G, D, x, z, lets_go=lambda module: None):
    """Both players' weights after three steps of each, D's with a penalty."""
    descents = [torch.optim.SGD(module.parameters(), 0.1) for module in (D, G)]
    for _ in range(3):
        fake = G(z).detach()
        loss = softplus(-D(x)).mean() + softplus(D(fake)).mean() + penalty(D, x)
        descents[0].zero_grad()
        loss.backward()
        lets_go(D)
        descents[0].step()
        D.requires_grad_(False)
        descents[1].zero_grad()
        softplus(-D(G(z))).mean().backward()
        descents[1].step()
        lets_go(D)
        D.requires_grad_(True)
    parts = [p for module in (G, D) for p in module.parameters()]
    whole = [p.full_tensor() if isinstance(p, dist.tensor.DTensor) else p for p in parts]
    return torch.cat([p.detach().flatten() for p in whole])


def of_shards(rank) -> dict[str, float | str]:
    """How far D in shards is from one process that has all rows."""
    torch.manual_seed(1)
    x, z = torch.randn(12, 3), torch.randn(12, 2)
    rows = slice(6 * rank, 6 * rank + 6)
    one = three_steps(net(2, 3), net(), x, z)
    mesh = init_device_mesh("cpu", (2,))

    def sharded():
        D = fully_shard(net(), mesh=mesh, reshard_after_forward=False)
        D.set_reshard_after_backward(False)
        return D

    def apart(D, lets_go):
        G = DistributedDataParallel(net(2, 3))
        try:
            return float((three_steps(G, D, x[rows], z[rows], lets_go) - one).abs().max())
        except RuntimeError as error:
            return str(error)

    found = {
        "as_it_comes": apart(fully_shard(net(), mesh=mesh), lambda D: None),
        "the_recipe": apart(sharded(), lambda D: D.reshard()),
    }
    dist.barrier()
    return found


def find(rank) -> dict[str, dict]:
    """What each trap does in this process."""
    torch.manual_seed(rank)
    found = {"data_parallel": of_data_parallel(torch.randn(6, 3)), "shards": of_shards(rank)}
    return copy.deepcopy(found)
