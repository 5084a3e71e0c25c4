"""Our attacks beside foolbox's on one classifier: `python benchmarks/attack.py [--repeats 5]`.

The classifier is the small one of `seqgan attack` on the digits; both libraries get the same
images, budgets, numbers and lengths of steps. Printed are the share that each fools, the mean L2
distance, and CPU seconds: medians over repeats that alternate. Needs `pip install foolbox`.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import foolbox
import torch
from torch import Tensor, nn

from image_core.adversarial import attacks
from image_core.adversarial.attacks import Victim
from image_core.data.images import Reading
from image_core.metrics.features import train_classifier
from image_core.recipes.attack.suite import Centred
from image_core.recipes.image.data import read_sets

CW = {"steps": 150, "rounds": 5, "rate": 0.05, "weight": 0.1}


def pairs(r: float) -> dict[str, tuple[Callable[..., Tensor], Any, float | None]]:
    """Ours, foolbox's, and the budget that foolbox is given, by name."""
    fb = foolbox.attacks
    still = {"random_start": False}
    found: dict[str, tuple[Callable[..., Tensor], Any, float | None]] = {
        "fgsm": (lambda v, x, y: attacks.fgsm(v, x, y, r), fb.FGSM(), r)
    }
    for norm, kind, radius, steps in (
        ("linf", fb.LinfPGD, r, 40),
        ("l2", fb.L2PGD, 8 * r, 40),
        ("l1", fb.L1PGD, 60 * r, 40),
    ):
        rate = radius / 10
        options = {"norm": norm, "steps": steps, "rate": rate, **still}
        found[f"pgd {norm}"] = (
            lambda v, x, y, radius=radius, o=options: attacks.pgd(v, x, y, radius, **o),
            kind(abs_stepsize=rate, steps=steps, **still),
            radius,
        )
    found["deepfool"] = (
        lambda v, x, y: attacks.deepfool(v, x),
        fb.L2DeepFoolAttack(loss="logits"),
        None,
    )
    found["carlini_wagner"] = (
        lambda v, x, y: attacks.carlini_wagner(v, x, y, **CW),
        fb.L2CarliniWagnerAttack(
            binary_search_steps=CW["rounds"],
            steps=CW["steps"],
            stepsize=CW["rate"],
            initial_const=CW["weight"],
        ),
        None,
    )
    return found


def timed(act: Callable[[], Any]) -> tuple[Any, float]:
    """A result and its CPU seconds."""
    began = time.process_time()
    return act(), time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description="Our attacks beside foolbox's.")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--radius", type=float, default=0.1)
    c = parser.parse_args()
    torch.set_num_threads(1)
    sets = read_sets("digits", Reading())
    assert sets.train.labels is not None
    assert sets.test.labels is not None
    C = train_classifier(sets.train.images, sets.train.labels, 10)
    victim = Victim(nn.Sequential(Centred(0.5, 0.5), C).eval())
    x, y = sets.test.images.float() / 255, sets.test.labels
    right = victim.classify(x) == y
    x, y = x[right], y[right]
    model = foolbox.PyTorchModel(victim.logits, bounds=(0, 1), device="cpu")
    print(f"{len(x)} digits that the classifier gets right; radius {c.radius} in linf")
    head = f"{'attack':16s}{'fooled':>8s}{'theirs':>8s}{'L2':>8s}{'theirs':>8s}"
    print(f"{head}{'CPU s':>8s}{'theirs':>8s}{'ratio':>8s}")
    for name, (ours, theirs, radius) in pairs(c.radius).items():
        seconds: tuple[list[float], list[float]] = ([], [])
        for _ in range(c.repeats):
            mine, s = timed(partial(ours, victim, x, y))
            seconds[0].append(s)
            (_, their, _), s = timed(partial(theirs, model, x, y, epsilons=radius))
            seconds[1].append(s)
        figures = [
            (
                float((victim.classify(z) != y).float().mean()),
                float((z - x).flatten(1).norm(dim=1).mean()),
            )
            for z in (mine, their)
        ]
        cells = [*(f[0] for f in figures), *(f[1] for f in figures)]
        a, b = (statistics.median(s) for s in seconds)
        print(f"{name:16s}" + "".join(f"{v:8.3f}" for v in (*cells, a, b, b / a)))


if __name__ == "__main__":
    main()
