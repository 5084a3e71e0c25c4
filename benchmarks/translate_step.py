"""Cost of a round of translation beside bare passes and a textbook loop: `translate_step.py`.

Prints one JSON line a system: CPU seconds of the process and floating-point operations of a round
of the engine, of the bare forward and backward passes of the same networks (no optimizer), and of a
textbook loop, in which every player makes the fakes that it needs, each discriminator reads real
and fake pictures one after the other, and the generators' step differentiates the discriminators'
weights too. The three take turns, and the best turn of each counts.

pix2pix and CycleGAN are written out by hand here. Of every other paper the bare passes are those of
its own moves without engine and optimizers, and the textbook loop plays the same moves with nobody
frozen, and with fakes made anew where the game lets each player make its own.

With --compile the engine's networks are graphs of torch.compile, which torch does not count.
"""

import argparse
import copy
import functools
import itertools
import json
from collections.abc import Callable, Iterator, Sequence

import torch
from timing import name_of, now
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss, mse_loss
from torch.utils.flop_counter import FlopCounterMode

from image_core.adversarial.engine import Engine
from image_core.games.cycle import CycleGAN
from image_core.games.paired import PairedGAN
from image_core.memory import keep_freed_memory
from image_core.nets.patch import PatchDiscriminator
from image_core.nets.translator import Translator
from image_core.nets.unet import UNet
from image_core.recipes.translate.recipe import PAPERS, PRESETS, Run

Round = Callable[[], None]
ADAM = functools.partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999), fused=True)
WANTED = {"bare": 1.1, "textbook": 1.3}
"""At most so many times the bare passes; at least so many times ahead of the textbook."""


def frozen(nets: Sequence[nn.Module], flag: bool) -> None:
    for net in nets:
        net.requires_grad_(not flag)


def logistic(logits: Tensor, real: bool) -> Tensor:
    target = torch.ones_like(logits) if real else torch.zeros_like(logits)
    return binary_cross_entropy_with_logits(logits, target)


def squares(logits: Tensor, real: bool) -> Tensor:
    return mse_loss(logits, torch.full_like(logits, float(real))) / 2


def stepped(optimizers: Sequence[torch.optim.Optimizer], loss: Tensor) -> None:
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def play(rounds: Iterator[object]) -> None:
    next(rounds)


# ---------------------------------------------------------------------------------------- pix2pix


def pix2pix(o: argparse.Namespace, a: Tensor, b: Tensor) -> dict[str, Round]:
    """Three ways of a round, each with networks of its own."""
    c = a.shape[1]
    G = UNet(c, c, 3, o.width, "instance", 0.0)
    D = PatchDiscriminator(2 * c, o.width, 1, "instance")
    game = PairedGAN(*copy.deepcopy((G, D))).to(o.device)
    if o.compile:
        game.compile_nets()
    engine = Engine(game, {"G": ADAM, "D": ADAM})
    of_engine = engine.rounds(lambda index: {"a": a, "b": b}, 1 << 30)
    bare_G, bare_D = (net.to(o.device) for net in copy.deepcopy((G, D)))
    G, D = G.to(o.device), D.to(o.device)
    of_g, of_d = ADAM(G.parameters()), ADAM(D.parameters())

    def bare() -> None:
        frozen([bare_D], True)
        fake = bare_G(a)
        loss = logistic(bare_D(torch.cat([a, fake], 1)), True) + 100 * l1_loss(fake, b)
        loss.backward()
        frozen([bare_D], False)
        both = torch.cat([torch.cat([a, b], 1), torch.cat([a, fake.detach()], 1)])
        real, made = bare_D(both).chunk(2)
        (logistic(real, True) + logistic(made, False)).backward()
        for net in (bare_G, bare_D):
            net.zero_grad(set_to_none=True)

    def textbook() -> None:
        fake = G(a).detach()
        real, made = D(torch.cat([a, b], 1)), D(torch.cat([a, fake], 1))
        stepped([of_d], logistic(real, True) + logistic(made, False))
        fake = G(a)
        loss = logistic(D(torch.cat([a, fake], 1)), True) + 100 * l1_loss(fake, b)
        stepped([of_g], loss)
        of_d.zero_grad(set_to_none=True)

    return {"engine": lambda: play(of_engine), "bare": bare, "textbook": textbook}


# --------------------------------------------------------------------------------------- cyclegan


def cyclegan(o: argparse.Namespace, a: Tensor, b: Tensor) -> dict[str, Round]:
    """Three ways of a round with identity terms, each with networks of its own."""
    c = a.shape[1]
    nets = [
        *(Translator(c, c, o.width, 1, 2) for _ in range(2)),
        *(PatchDiscriminator(c, o.width, 1, "instance") for _ in range(2)),
    ]
    game = CycleGAN(*copy.deepcopy(nets), pool=0, rows=(a[0], b[0]), identity=5.0).to(o.device)
    if o.compile:
        game.compile_nets()
    engine = Engine(game, dict.fromkeys(game.players(), ADAM))
    of_engine = engine.rounds(lambda index: {"a": a, "b": b}, 1 << 30)
    own = [net.to(o.device) for net in copy.deepcopy(nets)]
    ab, ba, DA, DB = (net.to(o.device) for net in nets)
    g_adam = ADAM([*ab.parameters(), *ba.parameters()])
    a_adam, b_adam = ADAM(DA.parameters()), ADAM(DB.parameters())

    def generators(ab: nn.Module, ba: nn.Module, fakes: Sequence[Tensor]) -> Tensor:
        of_b, same_b, of_a, same_a = fakes
        trips = l1_loss(ba(of_b), a) + l1_loss(ab(of_a), b)
        return 10 * trips + 5 * (l1_loss(same_a, a) + l1_loss(same_b, b))

    def bare() -> None:
        ab, ba, DA, DB = own
        frozen([DA, DB], True)
        n = len(a)
        first, second = ab(torch.cat([a, b])), ba(torch.cat([b, a]))
        of_b, same_b, of_a, same_a = first[:n], first[n:], second[:n], second[n:]
        loss = generators(ab, ba, (of_b, same_b, of_a, same_a))
        (loss + squares(DA(of_a), True) + squares(DB(of_b), True)).backward()
        frozen([DA, DB], False)
        for D, real, fake in ((DA, a, of_a), (DB, b, of_b)):
            one, other = D(torch.cat([real, fake.detach()])).chunk(2)
            (squares(one, True) + squares(other, False)).backward()
        for net in own:
            net.zero_grad(set_to_none=True)

    def textbook() -> None:
        of_b, of_a = ab(a), ba(b)
        loss = generators(ab, ba, (of_b, ab(b), of_a, ba(a)))
        stepped([g_adam], loss + squares(DA(of_a), True) + squares(DB(of_b), True))
        for D, adam, real, net, source in ((DA, a_adam, a, ba, b), (DB, b_adam, b, ab, a)):
            adam.zero_grad(set_to_none=True)
            fake = net(source).detach()
            stepped([adam], squares(D(real), True) + squares(D(fake), False))

    return {"engine": lambda: play(of_engine), "bare": bare, "textbook": textbook}


# ---------------------------------------------------------------------------------- other papers


def paper(name: str, o: argparse.Namespace) -> dict[str, Round]:
    """Three ways of a round of a paper's last phase, each with a game of its own."""
    values = PAPERS.preset(name, PRESETS["digits"], "digits")
    sizes = {"batch": o.batch, "size": 0 if name == "pix2pixhd" else o.size, "device": o.device}
    run = Run(PAPERS.config(name)(**{**values, **sizes, "out": "unused"}))
    copies = {way: copy.deepcopy(run.game) for way in ("bare", "textbook")}
    if o.compile:
        run.game.compile_nets()
    games = {"engine": run.game, **copies}
    turns = {}
    for way, game in games.items():
        run.game = game
        turns[way] = run.phases()[-1].turns or game.turns()
    batches = [moved(run.data(i), o.device) for i in range(8)]
    of_engine = run.engine.rounds(lambda i: batches[i % 8], 1 << 30, turns=turns["engine"])
    stream = itertools.cycle(batches)
    adams = {name: ADAM(own) for name, own in games["textbook"].players().items()}

    def bare() -> None:
        for turn in turns["bare"]:
            games["bare"].requires_grad_(False)
            for weight in games["bare"].players()[turn.player]:
                weight.requires_grad_(True)
            for _ in range(turn.repeat):
                for loss in turn.move(stream):
                    loss.total.backward()
        games["bare"].requires_grad_(True).zero_grad(set_to_none=True)

    def textbook() -> None:
        for turn in turns["textbook"]:
            for _ in range(turn.repeat):
                for loss in turn.move(stream):
                    stepped([adams[turn.player]], loss.total)
                    games["textbook"].zero_grad(set_to_none=True)
            if name not in SHARED:
                forget(games["textbook"])

    return {"engine": lambda: play(of_engine), "bare": bare, "textbook": textbook}


def moved(batch: dict[str, Tensor], device: str) -> dict[str, Tensor]:
    """A batch on a device."""
    return {name: rows.to(device) for name, rows in batch.items()}


def forget(game: nn.Module) -> None:
    """Fakes that a generator's step has left for a discriminator's are thrown away."""
    for part in game.modules():
        match vars(part).get("_made"):
            case dict():
                part._made = {}
            case tuple():
                part._made = None


SHARED = ("cvae_gan", "perceptual_detector", "td_gan")
"""Papers of which a textbook loop, too, keeps the fakes."""
BY_HAND = {"pix2pix": pix2pix, "cyclegan": cyclegan}
UNCOUNTED = ("dualgan",)
"""Papers with a gradient penalty, whose inner derivative torch's counter of operations refuses."""
SYSTEMS = (
    *BY_HAND,
    *(name for name in PAPERS.names() if name not in (*BY_HAND, *UNCOUNTED)),
)


def operations(run: Round) -> int:
    """Floating-point operations of a round, in convolutions, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def measure(name: str, o: argparse.Namespace) -> dict[str, object]:
    """One line of a system."""
    torch.manual_seed(0)
    a, b = torch.rand(2, o.batch, 1, o.size, o.size, device=o.device) * 2 - 1
    ways = BY_HAND[name](o, a, b) if name in BY_HAND else paper(name, o)
    device = torch.device(o.device)
    counts = {} if o.compile else {way: operations(run) for way, run in ways.items()}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(o.turns + 1):
        for way, run in ways.items():
            began = now(device)
            for _ in range(o.rounds):
                run()
            if turn:  # the first warms up
                seconds[way].append((now(device) - began) / o.rounds)
    best = {way: min(values) for way, values in seconds.items()}
    counted = (
        {
            "operations_over_bare": round(counts["engine"] / counts["bare"], 3),
            "textbook_operations_over_engine": round(counts["textbook"] / counts["engine"], 3),
        }
        if counts
        else {}
    )
    return {
        "system": name,
        **{f"{way}_seconds": round(value, 4) for way, value in best.items()},
        "over_bare": round(best["engine"] / best["bare"], 3),
        "textbook_over_engine": round(best["textbook"] / best["engine"], 3),
        **counted,
        "wanted": WANTED,
        "compiled": o.compile,
        "batch": o.batch,
        "size": o.size,
        "device": name_of(device),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=SYSTEMS)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="compile the engine's networks")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    for name in options.systems:
        print(json.dumps(measure(name, options)), flush=True)


if __name__ == "__main__":
    main()
