"""A few discrete variables whose expected reward has a gradient that can be summed exactly."""

import itertools

import torch
from torch import Tensor
from torch.nn.functional import one_hot


def binary_states(variables: int) -> Tensor:
    """All (2^variables, variables) of 0 and 1."""
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=variables)), dtype=torch.float64)


def one_hot_states(variables: int, classes: int) -> Tensor:
    """All (classes^variables, variables, classes)."""
    states = torch.tensor(list(itertools.product(range(classes), repeat=variables)))
    return one_hot(states, classes).double()


def tanh_reward(size: int, seed: int = 0, steepness: float = 1.0):
    """A smooth function of samples that is neither linear nor quadratic."""
    generator = torch.Generator().manual_seed(seed)
    first = steepness * torch.randn(size, 8, dtype=torch.float64, generator=generator)
    last = torch.randn(8, dtype=torch.float64, generator=generator)
    return lambda x: torch.tanh(x.flatten(1) @ first) @ last


def exact_gradient(variables, logits: Tensor, states: Tensor, reward) -> Tensor:
    """Of E[reward] in the logits of one latent: the sum over all states."""
    logits = logits.detach().clone().requires_grad_()
    probability = variables.log_prob(logits[None], states[None])[0].exp()
    (gradient,) = torch.autograd.grad((probability * reward(states)).sum(), logits)
    return gradient


def estimates(surrogate, logits: Tensor, count: int) -> Tensor:
    """Independent estimates of the gradient of E[reward], each of one row of a batch."""
    rows = logits.detach().expand(count, *logits.shape).clone().requires_grad_()
    (gradient,) = torch.autograd.grad(surrogate(rows), rows)
    return -count * gradient


def standard_errors(found: Tensor, truth: Tensor) -> float:
    """The greatest distance of the mean of many estimates from the truth."""
    return float(((found.mean(0) - truth) / (found.std(0) / len(found) ** 0.5)).abs().max())
