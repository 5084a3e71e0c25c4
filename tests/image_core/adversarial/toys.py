"""Games small enough to be played by hand, for the tests of the engine."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from image_core.adversarial.engine import Engine, Logs
from image_core.adversarial.game import Batch, Game, Loss, Turn
from image_core.adversarial.stream import Data

sgd = partial(torch.optim.SGD, lr=0.1)
adam = partial(torch.optim.Adam, lr=0.01)


class Bilinear(Game):
    """min_a max_b a.b: with step h, a <- a - h b and then b <- b + h a."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor([1.0, 2.0]))
        self.b = nn.Parameter(torch.tensor([3.0, -1.0]))

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"A": [self.a], "B": [self.b]}

    def turns(self) -> Sequence[Turn]:
        return [Turn("A", self.move_a), Turn("B", self.move_b)]

    def move_a(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        yield Loss(self.a @ self.b)

    def move_b(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        yield Loss(-self.a @ self.b)


class ToyGAN(Game):
    """Points of the plane. A batch holds "real" and "noise"; nothing else is random but dropout.

    Args:
        dropout: of the critic.
        heads: the critic has a second head, which only `other_move` uses.
    """

    def __init__(self, dropout: float = 0.0, heads: bool = False):
        super().__init__()
        self.G = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))
        self.D = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Dropout(dropout), nn.Linear(4, 1))
        self.other = nn.Linear(4, 1) if heads else None

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        critic = [p for name, p in self.named_parameters() if not name.startswith("G.")]
        return {"G": list(self.G.parameters()), "D": critic}

    def turns(self) -> Sequence[Turn]:
        return [Turn("D", self.critic_move, repeat=2), Turn("G", self.generator_move)]

    def critic_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        batch = next(batches)
        fake = self.G(batch["noise"])
        real = self.D(batch["real"])
        loss = nn.functional.softplus(-real).mean()
        loss = loss + nn.functional.softplus(self.D(fake)).mean()
        yield Loss(loss, {"real": real.mean()})

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        yield Loss(nn.functional.softplus(-self.D(self.G(next(batches)["noise"]))).mean())

    def other_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Trains the second head and the trunk; the first head is not used."""
        assert self.other is not None
        yield Loss(self.other(self.D[:-1](next(batches)["real"])).square().mean())


def points(index: int, rows: int = 8) -> dict[str, Tensor]:
    """Batch number `index` for `ToyGAN`."""
    generator = torch.Generator().manual_seed(index)
    real = torch.randn(rows, 2, generator=generator) * 0.5 + 1.0
    return {"real": real, "noise": torch.randn(rows, 2, generator=generator)}


A0, B0 = torch.tensor([1.0, 2.0]), torch.tensor([3.0, -1.0])
"""Where `Bilinear` starts."""


def bilinear(**options: Any) -> tuple[Bilinear, Engine]:
    """The game and an engine of step 0.1 for both players."""
    game = Bilinear()
    return game, Engine(game, {"A": sgd, "B": sgd}, **options)


def play(engine: Engine, move: Callable[[], Iterator[Loss]], player: str = "A") -> Logs:
    """One move of a player, given as a generator function of nothing."""
    return engine.play(Turn(player, lambda batches: move()), iter([]))


def rounds(
    engine: Engine,
    count: int = 1,
    turns: Sequence[Turn] | None = None,
    data: Data = lambda index: torch.zeros(1),
) -> list[Logs]:
    """The logs of some rounds."""
    return list(engine.rounds(data, count, turns=turns))


class Toy(Game):
    """A game whose players a test writes down, and plays in turns of its own.

    Args:
        modules: Networks by name.
        players: Names of the modules, or parameters, that each player learns.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        players: Mapping[str, Sequence[str | nn.Parameter]] | None = None,
    ):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self.sets = players or {n: [n] for n in modules}

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {
            name: [
                p
                for part in parts
                for p in ([part] if isinstance(part, Tensor) else getattr(self, part).parameters())
            ]
            for name, parts in self.sets.items()
        }

    def turns(self) -> Sequence[Turn]:
        return []


def copied(module: nn.Module) -> dict[str, Tensor]:
    """The state of a module as it is now."""
    return {name: value.clone() for name, value in module.state_dict().items()}


def linear(*sizes: int, seed: int = 0) -> nn.Linear:
    """A matrix of random weights."""
    torch.manual_seed(seed)
    return nn.Linear(*sizes, bias=False)
