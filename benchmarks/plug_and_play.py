"""PPGN's sampler against its controls: `python benchmarks/plug_and_play.py RUN --judge_data FILE`.

RUN is a trained run of `--paper ppgn` on digits. The judge is another classifier, of another seed,
which learns from images that the run does not have, and is in no loss and no chain. Controls: no
reconstruction term (eps1 0), no condition (eps2 0).
"""

import argparse
from collections.abc import Callable

import torch
from torch import Tensor, nn

import seqgan as sg
from image_core.adversarial.input_search import ChainSteps, plug_and_play
from image_core.data.images import Reading, read_splits
from image_core.games.common import to_images
from image_core.games.plug_and_play import PlugAndPlayGAN
from image_core.metrics.features import train_classifier

JUDGE_SEED, PARITY_SEED, HELD = 101, 102, 1000
SETTINGS = {
    "eps1 0 (control)": (0.0, 1.0),
    "eps1 .01": (0.01, 1.0),
    "eps1 .03": (0.03, 1.0),
    "eps1 .1": (0.1, 1.0),
    "eps1 .03, eps2 0 (control)": (0.03, 0.0),
}


def measure(
    game: PlugAndPlayGAN,
    generator: nn.Module,
    judge: Callable[[Tensor], Tensor],
    condition: Callable[[Tensor], Tensor],
    steps: ChainSteps,
    classes: Tensor,
) -> dict[str, float]:
    """Rate of the wanted class, |E(G(h)) - h| / |h|, and deviation of pixels across chains."""
    torch.manual_seed(0)
    trunk = game.E.trunk

    def wanted(x: Tensor) -> Tensor:
        return condition(x).log_softmax(1).gather(1, classes[:, None])[:, 0]

    with torch.no_grad():
        codes = plug_and_play(generator, trunk, wanted, game.start(len(classes)), steps)
        images = generator(codes)
        off = (trunk(images) - codes).norm(dim=1) / codes.norm(dim=1)
        right = judge(images).argmax(1) == classes
        inside = [((images[classes == k] + 1) / 2).std(0).mean() for k in classes.unique()]
    return {
        "rate": float(right.float().mean()),
        "off": float(off.mean()),
        "std": float(torch.stack(inside).mean()),
    }


def main() -> None:
    """Measure each setting and print a row for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="Folder of a trained run of ppgn.")
    parser.add_argument("--judge_data", required=True, help="Images that the judges learn from.")
    parser.add_argument("--judge_labels", help="File of their labels, where these stand apart.")
    parser.add_argument("--n", type=int, default=200, help="Number of chains.")
    options = parser.parse_args()
    run = sg.load(options.run)._run
    game, generator = run.game.eval(), run.sampler().eval()
    form, source = run.form, options.judge_data
    reading = Reading("--judge_data", form.size, form.channels, labels=options.judge_labels)
    every = read_splits(source, reading)["train"]
    order = torch.randperm(len(every.images), generator=torch.Generator().manual_seed(0))
    learn, keep = every.pick(order[HELD:]), every.pick(order[:HELD])
    assert learn.labels is not None
    assert keep.labels is not None
    judge = train_classifier(learn.images, learn.labels, 10, seed=JUDGE_SEED)
    odd = train_classifier(learn.images, learn.labels % 2, 2, seed=PARITY_SEED)
    right = judge(to_images(keep.images)).argmax(1) == keep.labels
    print(f"judge right on {float(right.float().mean()):.3f} of {HELD} further images")
    digits = torch.arange(options.n) % 10
    for name, (eps1, eps2) in SETTINGS.items():
        steps = game.steps._replace(eps1=eps1, eps2=eps2)
        print(name, measure(game, generator, judge, game.E, steps, digits))

    def odd_or_even(x: Tensor) -> Tensor:
        logits = judge(x)
        return torch.stack([logits[:, 0::2].logsumexp(1), logits[:, 1::2].logsumexp(1)], 1)

    print("odd/even", measure(game, generator, odd_or_even, odd, game.steps, digits % 2))


if __name__ == "__main__":
    main()
