"""How far a game is from an equilibrium: gains of best responses, and its field's Jacobian.

A diagnosis plays on the game itself and puts back what it has changed: weights, buffers, modes,
random numbers and the place in the data, so that a run goes on as if none had been made.
"""

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import count

import torch
from jaxtyping import Float
from torch import Tensor

from image_core.adversarial import parallel
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Turn
from image_core.adversarial.moves import as_loss, started
from image_core.adversarial.randomness import restore, states, untouched
from image_core.adversarial.spectrum import ritz_values
from image_core.adversarial.stream import Data

RESPONSE_ROUNDS = 10
PRODUCTS = 16
DRAWS = 4


def diagnose(
    engine: Engine,
    data: Data,
    turns: Sequence[Turn] | None = None,
    *,
    rounds: int = RESPONSE_ROUNDS,
    products: int = PRODUCTS,
    draws: int = DRAWS,
) -> dict[str, float]:
    """Gains of each player's best response, and eigenvalues of the game's Jacobian.

    gain_i = L_i(w) - L_i(w_i', w_-i),    gap = sum_i gain_i

    F(w) = (dL_1/dw_1, dL_2/dw_2, ...),    J = dF/dw,    J v = (F(w + h v) - F(w - h v)) / 2h

    w_i' is where some more rounds of player i alone lead, by its own rule, its moments at zero. At
    an equilibrium no gain is above 0; of a zero-sum game the gap is the duality gap. Small
    simultaneous steps against F return to a point where every eigenvalue has a positive real part.
    L_i is measured on batches that the response has not learned from, with the same random numbers
    before and after; it is minus the mean reward where a move logs a "reward", because the loss of
    a policy gradient is a surrogate. J is of one batch, with the random numbers held: it does not
    see how the probability of a discrete sample changes.

    Args:
        engine: Engine of the game between two rounds, with one process.
        data: Batches, see `Engine.rounds`; those that come next are used.
        turns: Turns of a round; None takes those of the game.
        rounds: Rounds of each player's response.
        products: Products of J with a vector, each of two gradients of all players; as many as
            there are weights give the whole spectrum.
        draws: Losses that each L_i is the mean of.

    Returns:
        gap, gain_PLAYER, jacobian_least_real, jacobian_most_real and jacobian_most_imaginary; a
        number that is not finite is left out.

    Raises:
        UserError: There are several processes.

    Source: Grnarova et al. 2021, section 3; Nagarajan & Kolter 2017, section 3.
    """
    if parallel.world()[1] > 1:
        raise UserError(
            f"--diagnose plays each player's response in one process, and there are "
            f"{parallel.world()[1]}; leave it out or train with one"
        )
    turns = engine.game.turns() if turns is None else turns
    drawn = engine.drawn
    with untouched(engine.device):
        point = _Point(engine, data, [turn for turn in turns if turn.repeat])
        try:
            found = point.gains(rounds, draws) | point.spectrum(products)
        finally:
            point.go_back()
            engine.drawn = drawn
    return {name: value for name, value in found.items() if math.isfinite(value)}


class _Batches:
    """The batches that come next, kept so that they can be read again."""

    def __init__(self, stream: Iterator[Batch]):
        self._stream = stream
        self._kept: list[Batch] = []

    def __len__(self) -> int:
        return len(self._kept)

    def since(self, start: int) -> Iterator[Batch]:
        """All batches from one of them on."""
        for place in count(start):
            while len(self._kept) <= place:
                self._kept.append(next(self._stream))
            yield self._kept[place]


class _Point:
    """A game as it stands, to which one can go back.

    Args:
        engine: Engine of the game.
        data: Batches.
        turns: Turns of a round.
    """

    def __init__(self, engine: Engine, data: Data, turns: Sequence[Turn]):
        self.engine, self.game, self.turns = engine, engine.game, turns
        self.batches = _Batches(engine.stream(data))
        self._state = {name: value.clone() for name, value in self.game.state_dict().items()}
        self._modes = [(module, module.training) for module in self.game.modules()]
        self._random = states(engine.device)

    def go_back(self) -> None:
        """Put the game and all random numbers where they were."""
        self.game.load_state_dict(self._state)
        self._rewind()

    def _rewind(self) -> None:
        for module, training in self._modes:
            module.training = training
        restore(self._random, self.engine.device)

    # -- best responses --------------------------------------------------------------------------

    def gains(self, rounds: int, draws: int) -> dict[str, float]:
        """What each player gains by a response of its own, and their sum."""
        self.go_back()
        before = self._payoffs(draws)
        learned_from = len(self.batches)
        found = {}
        for name in before:
            self.go_back()
            self._respond(name, rounds, self.batches.since(learned_from))
            self._rewind()
            found[f"gain_{name}"] = before[name] - self._payoffs(draws)[name]
        return {"gap": sum(found.values()), **found}

    def _payoffs(self, draws: int) -> dict[str, float]:
        """Mean of what each player minimises, with the game as it now is."""
        found: dict[str, float] = {}
        batches = self.batches.since(0)
        for _ in range(draws):
            for turn, weight in self._weighed():
                if (made := self._loss(turn, batches)) is not None:
                    loss, logs = made
                    minimised = -logs["reward"] if "reward" in logs else loss
                    payoff = weight * float(minimised.detach()) / draws
                    found[turn.player] = found.get(turn.player, 0.0) + payoff
        return found

    def _respond(self, player: str, rounds: int, batches: Iterator[Batch]) -> None:
        """Rounds in which one player alone learns; a later turn may need what another one made."""
        clip = {player: self.engine.clip[player]} if player in self.engine.clip else {}
        apart = Engine(
            self.game,
            {player: self.engine.optim[player]},
            clip=clip,
            accumulate=self.engine.accumulate,
        )
        for i in range(rounds):
            for turn in self.turns:
                if i % turn.every:
                    continue
                if turn.player != player:
                    self._loss(turn, batches)
                    continue
                for _ in range(turn.repeat):
                    apart.play(turn, batches)

    # -- the field of gradients ------------------------------------------------------------------

    def spectrum(self, products: int) -> dict[str, float]:
        """The outermost parts of the eigenvalues of the field's Jacobian."""
        names = dict.fromkeys(turn.player for turn in self.turns)
        learned = {id(p): p for name in names for p in self.engine.players[name]}
        weights = [p for p in learned.values() if p.requires_grad]
        self.go_back()
        at = torch.cat([p.detach().flatten() for p in weights])
        step = torch.finfo(at.dtype).eps ** (1 / 3) * (1 + float(torch.linalg.vector_norm(at)))

        def product(v: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
            ahead = self._field(weights, step * v)
            return (ahead - self._field(weights, -step * v)) / (2 * step)

        chance = torch.Generator().manual_seed(0)
        start = torch.randn(len(at), generator=chance, dtype=at.dtype).to(at.device)
        values = ritz_values(product, start, products)
        return {
            "jacobian_least_real": float(values.real.min()),
            "jacobian_most_real": float(values.real.max()),
            "jacobian_most_imaginary": float(values.imag.max()),
        }

    def _field(self, weights: Sequence[Tensor], offset: Float[Tensor, " n"]) -> Tensor:
        """The gradient of each player's loss by its own weights, beside where the game stands."""
        self.go_back()
        parts = offset.split([p.numel() for p in weights])
        with torch.no_grad():
            for one, part in zip(weights, parts, strict=True):
                one += part.view_as(one)
        slopes = {id(p): torch.zeros_like(p) for p in weights}
        batches = self.batches.since(0)
        for turn, weight in self._weighed():
            own = [p for p in self.engine.players[turn.player] if id(p) in slopes]
            if (found := self._loss(turn, batches)) is not None:
                gradients = torch.autograd.grad(weight * found[0], own, allow_unused=True)
                for p, gradient in zip(own, gradients, strict=True):
                    if gradient is not None:
                        slopes[id(p)] += gradient
        return torch.cat([slopes[id(p)].flatten() for p in weights])

    # -- losses ----------------------------------------------------------------------------------

    def _weighed(self) -> Iterator[tuple[Turn, float]]:
        """All turns, with their shares of a round beside the player's most frequent one."""
        often: dict[str, float] = {}
        for turn in self.turns:
            often[turn.player] = max(often.get(turn.player, 0.0), turn.repeat / turn.every)
        for turn in self.turns:
            yield turn, turn.repeat / turn.every / often[turn.player]

    def _loss(
        self, turn: Turn, batches: Iterator[Batch]
    ) -> tuple[Tensor, Mapping[str, Tensor]] | None:
        """The first loss of a move, which needs no step before it; None where it has none."""
        with self.engine.learning(turn.player):
            move = started(turn, batches)
            yielded = next(move, None)
            if isinstance(move, Generator):
                move.close()
        return None if yielded is None else as_loss(yielded, turn.player)
