"""What torch's own ways of several processes do to two players; see `test_parallel_games`."""

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel


def penalty(D, x):
    """A gradient penalty alone, of the norm 1."""
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return ((gradient.norm(dim=1) - 1) ** 2).mean()


def equal(D) -> bool:
    """Whether both processes hold the same gradients."""
    for p in D.parameters():
        if p.grad is not None:
            both = [torch.zeros_like(p.grad) for _ in range(2)]
            dist.all_gather(both, p.grad)
            if not torch.allclose(*both):
                return False
    return True


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))


def find(rank) -> dict:
    """What each trap does in this process."""
    torch.manual_seed(rank)
    x = torch.randn(6, 3)
    found = {}

    D = DistributedDataParallel(net())
    penalty(D, x).backward()
    found["ddp_penalty_alone"] = equal(D)

    D = DistributedDataParallel(net())
    one, two = D(x), D(x + 1)
    one.mean().backward(retain_graph=True)
    (two**2).mean().backward()
    found["ddp_two_forwards_two_backwards"] = equal(D)

    D = DistributedDataParallel(net())
    D.module(x).mean().backward()
    found["ddp_not_by_forward"] = equal(D)

    D = fully_shard(net(), mesh=init_device_mesh("cpu", (2,)))
    try:
        loss = D(x).mean()
        (loss + penalty(D, x)).backward()
        torch.optim.SGD(D.parameters(), 0.1).step()
        (D(x).mean() + penalty(D, x)).backward()
        found["fsdp_penalty"] = "no error"
    except RuntimeError as error:
        found["fsdp_penalty"] = str(error)
    dist.barrier()
    return found
