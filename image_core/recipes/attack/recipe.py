"""`seqgan attack`: a classifier, a defended one beside it, and what attacks leave of both."""

import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_model
from torch import Tensor, nn

from image_core.adversarial.attacks.victim import Victim
from image_core.adversarial.classifier import ClassifierGame
from image_core.adversarial.errors import UserError
from image_core.data.images import ImageSet, Reading
from image_core.games.perturbation import AdversarialTraining
from image_core.metrics.features import train_classifier
from image_core.metrics.intervals import wilson
from image_core.recipes.attack.config import AttackOptions
from image_core.recipes.attack.suite import Attacked, Centred, Known, measure
from image_core.recipes.image.data import Sets, read_sets
from image_core.recipes.image.measure import some
from image_core.runs import options, outside
from image_core.runs.folder import as_json, check_unused, write_text
from image_core.runs.image_grid import to_colours, write_image_grid
from image_core.runs.run_page import write_page
from image_core.runs.table import print_table

PLAIN, DEFENDED = "classifier", "defended"
OVER = "images that the classifier gets right: Wilson's interval"


def attack(c: AttackOptions) -> dict[str, dict[str, float]]:
    """Attack, write result.json, a picture and report.html, and print the table.

    Args:
        c: Options.

    Returns:
        The table.

    Raises:
        UserError: The data has no labels, or the classifier cannot be attacked.
    """
    out = Path(c.out)
    check_unused(out)
    out.mkdir(parents=True, exist_ok=True)
    device = options.pick_device(c.device)
    if c.threads:
        torch.set_num_threads(c.threads)
    torch.manual_seed(c.seed)
    sets = _read(c)
    # Drawn: of files that are sorted the first ones are all of one class
    learn, test = (some(part, len(part.images)) for part in (sets.train, sets.test))
    victims = _victims(c, sets, device)
    clean, found = {}, {}
    for name, victim in victims.items():
        x, y = _scaled(test, c, device)
        right = victim.classify(x) == y
        clean[name] = float(right.float().mean())
        if not bool(right.any()):
            raise UserError(f"the {name} gets none of the {len(x)} test images right")
        x, y = x[right][: c.count], y[right][: c.count]
        victim.check(x, y)
        found[name] = measure(victim, x, y, Known(*_scaled(learn, c, device)), c)
    return _write(out, c, sets, clean, found)


def _read(c: AttackOptions) -> Sets:
    how = Reading(size=c.size, labels=c.labels, fit=c.fit)
    sets = read_sets(c.data, how, valid=c.valid, test=c.test, seed=c.split_seed)
    if sets.train.labels is None or sets.test.labels is None:
        raise UserError(f"--data {c.data} has no labels, and attacks need classes; give --labels")
    return sets


def _scaled(images: ImageSet, c: AttackOptions, device: torch.device) -> tuple[Tensor, Tensor]:
    """Images in the classifier's range, and their classes."""
    assert images.labels is not None
    x = c.low + (c.high - c.low) * (images.images.to(device).float() / 255)
    return x.clamp(c.low, c.high), images.labels.to(device)


def _victims(c: AttackOptions, sets: Sets, device: torch.device) -> dict[str, Victim]:
    """The classifiers, each in evaluation mode."""
    if c.model is not None:
        return {PLAIN: Victim(_own(c.model).to(device).eval(), c.low, c.high)}
    assert sets.train.labels is not None
    kinds = {PLAIN: ClassifierGame}
    if c.defend:  # images in [-1, 1], where a radius is twice as long
        radius = 2 * c.defend
        kinds[DEFENDED] = partial(AdversarialTraining, radius=radius, norm=c.norm)  # type: ignore
    found = {}
    for name, game in kinds.items():
        print(f"the {name} learns for {c.train_steps} steps", file=sys.stderr)
        C = train_classifier(
            sets.train.images,
            sets.train.labels,
            len(sets.train.names),
            steps=c.train_steps,
            seed=c.seed,
            device=device,
            game=game,
        )
        save_model(C, str(Path(c.out) / f"{name}.safetensors"))
        found[name] = Victim(nn.Sequential(Centred(0.5, 0.5), C).eval())
    return found


def _own(name: str) -> nn.Module:
    """The user's classifier."""
    given = outside.load("model", name)
    module = given if isinstance(given, nn.Module) else None
    if module is None and callable(given):
        module = given()
    if not isinstance(module, nn.Module):
        raise UserError(
            f"--model {name}: it is a {type(module or given).__name__}; name a torch module, or a "
            "function without arguments that returns one"
        )
    return module


def _write(
    out: Path,
    c: AttackOptions,
    sets: Sets,
    clean: dict[str, float],
    found: dict[str, Attacked],
) -> dict[str, dict[str, float]]:
    table: dict[str, dict[str, float]] = {}
    intervals: dict[str, dict[str, tuple[float, float]]] = {}
    for name, rows in found.items():
        head = "" if len(found) == 1 else f"{name}: "
        table[f"{head}no attack, all test images"] = {"accuracy": clean[name]}
        ends = wilson(clean[name], len(sets.test.images))
        intervals[f"{head}no attack, all test images"] = {"accuracy": ends}
        table |= {head + row: figures for row, figures in rows.table.items()}
        intervals |= {head + row: ends for row, ends in rows.intervals.items()}
        changed = torch.cat(list(rows.changed.values()))
        centred = (changed - c.low) / (c.high - c.low) * 2 - 1
        picture = out / f"{name}.png"
        columns = len(next(iter(rows.changed.values())))
        write_image_grid(to_colours(centred), picture, columns=columns, titles=list(rows.changed))
    result = {
        "options": asdict(c),
        "data": sets.facts,
        "table": table,
        "intervals": {"over": OVER, **intervals},
    }
    write_text(out / "result.json", as_json(result, indent=1) + "\n")
    write_page(
        out / "report.html",
        f"Attacks on {c.model or 'a classifier of ' + c.data}",
        facts=asdict(c),
        table=table,
        intervals=intervals,
        notes=["Accuracy is of images that the classifier gets right without an attack."],
        pictures={name: out / f"{name}.png" for name in found},
    )
    print_table(f"{c.out}: accuracy left, of images that were right", table)
    print(f"{out / 'report.html'} is written", file=sys.stderr)
    return table
