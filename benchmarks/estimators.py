"""Bias, variance and direction of every gradient estimator, where the truth can be summed exactly.

    python benchmarks/estimators.py [--variables 10] [--deviation 1.64] [--objective MODULE:NAME]
                                    [--estimates 20000] [--budget 24] [--out FOLDER]

Independent Bernoulli variables with fixed random logits, a fixed objective F, all states
enumerated. Each estimator gets the same budget of objective evaluations for an estimate: a forward
pass of a sample is 1, its derivative 2 more. Prints a table in Markdown, one row an estimator,
and draws the cosine with the truth against the budget for networks of three steepnesses.

    bias      ||mean estimate - truth|| / ||truth||, with its standard error
    variance  sum of variances / ||truth||^2
    cosine    mean over estimates of the cosine with the truth
    us        CPU microseconds an estimate, one thread, batches of 1,000 (maligan: of one)

The truth is the gradient of E[F]; for boundary-seeking weights that of -KL(p~, g), p~ = exp(F) g/Z.
The objective is a random tanh network scaled to the deviation of F under g, or `NAME` of a module
of yours, found from where you stand: a function or an `nn.Module`, from samples (N, variables) in
float64, 0 to 1, to (N,). It must take values between 0 and 1, which relaxed estimators show it.
`--seed` draws other logits.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor

from image_core.adversarial.discrete_variables import Bernoulli
from seqgan.discrete import gradients

OWN_TARGET = ("bgan", "bgan_batch", "maligan")
"""Those that descend on the divergence to exp(F) g, not on -E[F]."""

SKIPPED = ("bgan_batch",)
"""Of one latent it is bgan."""

ALONE = ("maligan",)
"""It weighs a whole batch, which is one estimate then."""

LEARNED = ("relax", "learned_baseline")
REMEMBERED = ("taylor", "moving_average", "bgan_reinforce")
"""What these know of the reward they learn first, as they would in the course of a run."""

PAIRS = ("bgan", "leave_one_out", "disarm", "taylor", "maligan")
"""They need two samples."""

MOST_VARIABLES = 20
"""A million states."""

PLOTTED = ("bgan", "reinforce", "leave_one_out", "disarm", "straight_through", "reinmax")
PLOTTED += ("gumbel_softmax", "rebar", "relax", "taylor")


class Problem:
    """DiscreteVariables, an objective, and both exact gradients.

    Args:
        variables: how many.
        deviation: Standard deviation of F under the variables' distribution; ignored for an
            objective of one's own.
        objective: Function of samples; None = a random tanh network.
        seed: of logits and network.
        steepness: factor inside the network's tanh.
    """

    def __init__(
        self,
        variables: int,
        deviation: float,
        objective: Callable[[Tensor], Tensor] | None,
        seed: int,
        steepness: float = 1.0,
    ):
        generator = torch.Generator().manual_seed(seed)
        normal = {"dtype": torch.float64, "generator": generator}
        self.logits = 0.5 * torch.randn(variables, **normal)
        states = ((torch.arange(2**variables)[:, None] >> torch.arange(variables)) & 1).double()
        probability = Bernoulli().log_prob(self.logits[None], states[None])[0].exp()
        first, last = torch.randn(variables, 20, **normal), torch.randn(20, **normal)
        bias = torch.randn(20, **normal)

        def network(x: Tensor) -> Tensor:
            return torch.tanh(steepness * (x @ first / 2 + bias)) @ last

        if objective is None:
            value = network(states)
            mean = (probability * value).sum()
            scale = deviation / (probability * (value - mean).square()).sum().sqrt()
            self.objective: Callable[[Tensor], Tensor] = lambda x: scale * network(x)
        else:
            self.objective = objective
        value = self.objective(states)
        score = states - self.logits.sigmoid()
        tilted = probability * (value - value.max()).exp()
        self.mean = (probability * value).sum()
        self.truth = ((probability * (value - self.mean))[:, None] * score).sum(0)
        self.tilted = (tilted[:, None] * score).sum(0) / tilted.sum()
        self.deviation = float((probability * (value - self.mean).square()).sum().sqrt())


class Cost:
    """Counts what an objective is asked: a forward pass of a sample is 1, a derivative 2 more.

    Args:
        objective: Function of samples.
    """

    def __init__(self, objective: Callable[[Tensor], Tensor]):
        self.objective, self.units = objective, 0

    def __call__(self, x: Tensor) -> Tensor:
        self.units += len(x) * (3 if x.requires_grad and torch.is_grad_enabled() else 1)
        return self.objective(x)


def estimates(
    problem: Problem, name: str, samples: int, count: int, batch: int = 1000
) -> tuple[Tensor, float, float]:
    """(estimates (count, variables), cost of one, CPU seconds of one)."""
    estimator = getattr(gradients, name)(samples, 1).double()
    batch = 1 if name in ALONE else batch
    z = torch.zeros(batch, 1, dtype=torch.float64)
    if name in LEARNED:
        tune(estimator, problem, min(batch, 200))
    if name in REMEMBERED:  # within a few calls
        for _ in range(3):
            estimator(Bernoulli(), problem.logits.expand(batch, -1), problem.objective, z)
    cost, found = Cost(problem.objective), []
    began = time.process_time()
    for _ in range(count // batch):
        rows = problem.logits.expand(batch, -1).clone().requires_grad_()
        loss = estimator(Bernoulli(), rows, cost, z)
        found.append(-batch * torch.autograd.grad(loss, rows)[0])
    seconds = (time.process_time() - began) / (count // batch * batch)
    return torch.cat(found), cost.units / (count // batch * batch), seconds


def tune(estimator: torch.nn.Module, problem: Problem, batch: int, steps: int = 100) -> None:
    """Let RELAX find its temperature and scale, and a learned baseline the mean reward."""
    adam = torch.optim.Adam(estimator.parameters(), lr=0.02)
    rows, z = problem.logits.expand(batch, -1), torch.zeros(batch, 1, dtype=torch.float64)
    for _ in range(steps):
        loss = estimator(Bernoulli(), rows, problem.objective, z)
        parameters = list(estimator.parameters())
        for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters)):
            parameter.grad = slope
        adam.step()


def measured(problem: Problem, name: str, samples: int, count: int) -> dict[str, float]:
    """Bias, its standard error, variance, cosine, cost and time of an estimator."""
    found, cost, seconds = estimates(problem, name, samples, count)
    truth = problem.tilted if name in OWN_TARGET else problem.truth
    variance = float(found.var(0).sum() / truth.norm() ** 2)
    return {
        "samples": samples,
        "cost": cost,
        "bias": float((found.mean(0) - truth).norm() / truth.norm()),
        "error": math.sqrt(variance / len(found)),
        "variance": variance,
        "cosine": float(torch.cosine_similarity(found, truth[None], dim=1).mean()),
        "us": 1e6 * seconds,
    }


def affordable(problem: Problem, name: str, budget: float) -> int:
    """The most samples a latent that the budget pays for; 0 = not even the fewest."""
    fewest = 2 if name in PAIRS else 1
    _, cost, _ = estimates(problem, name, fewest, 2, batch=2)
    samples = int(budget / (cost / fewest))
    samples -= samples % 2 if name == "disarm" else 0
    return samples if samples >= fewest else 0


def given_objective(name: str, variables: int) -> Callable[[Tensor], Tensor]:
    """An objective by MODULE:FUNCTION, the folder one stands in being searched first.

    Raises:
        ImportError, AttributeError, ...: it is not there, or takes no samples.
        ValueError: it does not return one number a sample.
    """
    sys.path.insert(0, os.getcwd())
    module, _, function = name.partition(":")
    objective = getattr(import_module(module), function)
    if isinstance(objective, torch.nn.Module):
        objective = objective.double().requires_grad_(False)
    shape = tuple(objective(torch.full((3, variables), 0.5, dtype=torch.float64)).shape)
    if shape != (3,):
        raise ValueError(f"3 samples of {variables} variables give shape {shape}, not (3,)")
    return objective


def table(problem: Problem, budget: float, count: int) -> None:
    """One row an estimator at equal cost, then all of them with one sample or the fewest."""
    print(f"\nF has deviation {problem.deviation:.2f}; budget {budget:g}; {count} estimates\n")
    print("| estimator | M | cost | relative bias (standard error) | variance | cosine | us |")
    print("|---|---|---|---|---|---|---|")
    for name in gradients.__all__:
        if name in SKIPPED:
            continue
        samples = affordable(problem, name, budget)
        if samples:
            row = measured(problem, name, samples, count)
            print(
                f"| {name} | {samples} | {row['cost']:.0f} | {row['bias']:.3f} ({row['error']:.3f})"
                f" | {row['variance']:.3f} | {row['cosine']:.3f} | {row['us']:.1f} |",
                flush=True,
            )


def draw(problems: dict[str, Problem], count: int, file: Path) -> None:
    """Cosine with the truth against the budget, one panel an objective."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.2), layout="constrained")
    panels = figure.subplots(1, len(problems), sharey=True, squeeze=False)[0]
    budgets = (6, 12, 24, 96)
    for panel, (title, problem) in zip(panels, problems.items(), strict=True):
        for index, name in enumerate(PLOTTED):
            points = [(b, affordable(problem, name, b)) for b in budgets]
            ys = [measured(problem, name, m, count)["cosine"] for _, m in points if m]
            style = {"color": f"C{index}", "marker": "osD^vP*Xdh"[index], "markersize": 5}
            panel.plot([b for b, m in points if m], ys, label=name, **style)
        panel.set_xscale("log", base=2)
        panel.set_xticks(budgets, [str(b) for b in budgets])
        panel.set_title(title, loc="left", fontsize=11)
        panel.set_xlabel("objective evaluations an estimate")
        panel.grid(color="0.9")
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("mean cosine with the truth (higher is better)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=130)
    print(f"\n{file}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Estimators against an exact gradient.")
    parser.add_argument("--variables", type=int, default=10)
    parser.add_argument("--deviation", type=float, default=1.64, help="of F under the variables")
    parser.add_argument("--objective", help="MODULE:FUNCTION instead of a random network")
    parser.add_argument("--estimates", type=int, default=20_000)
    parser.add_argument(
        "--budget", type=float, default=24, help="objective evaluations an estimate"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="folder for the plot; none without it")
    options = parser.parse_args()
    if not 1 <= options.variables <= MOST_VARIABLES:
        parser.error(
            f"--variables {options.variables}: give 1 to {MOST_VARIABLES}, all states are summed"
        )
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    objective = None
    if options.objective:
        try:
            objective = given_objective(options.objective, options.variables)
        except (
            ImportError,
            AttributeError,
            IndexError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as error:
            parser.error(f"--objective {options.objective}: {error}")
    table(
        Problem(options.variables, options.deviation, objective, options.seed),
        options.budget,
        options.estimates,
    )
    if options.out:
        steepnesses = (0.5, 1.0, 4.0) if objective is None else (1.0,)
        problems = {
            options.objective or f"objective of steepness {steepness:g}": Problem(
                options.variables, options.deviation, objective, options.seed, steepness
            )
            for steepness in steepnesses
        }
        draw(problems, max(1000, options.estimates // 20), Path(options.out) / "estimators.png")


if __name__ == "__main__":
    main()
