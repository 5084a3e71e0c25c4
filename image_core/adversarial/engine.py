"""The engine plays a game's turns. The only file that calls `backward` and `step`.

It freezes the players that do not learn, averages gradients over processes, clips, steps, keeps
weight averages, and saves everything needed to resume a run exactly. It reads nothing back from the
device inside a round: logs stay tensors, and the non-finite guard is one flag read when a round
ends.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from image_core.adversarial import parallel, snapshot
from image_core.adversarial.ema import EMA
from image_core.adversarial.engine_options import (
    check_callbacks,
    check_count,
    check_folder,
    check_game,
    check_names,
    check_optimizers,
    check_player,
    check_schedules,
    check_steps,
    check_training,
    check_unchanged,
)
from image_core.adversarial.errors import UserError
from image_core.adversarial.finite import Guard
from image_core.adversarial.finite import NonFiniteError as NonFiniteError
from image_core.adversarial.game import Batch, Game, Loss, Turn
from image_core.adversarial.logs import Logs, Means
from image_core.adversarial.moves import (
    RuleError,
    as_loss,
    check_alone,
    check_between_rounds,
    check_outside_with,
    check_own_iterators,
    check_turns,
    check_untouched,
    started,
    used_once,
)
from image_core.adversarial.sharding import Cut, is_sharded, whole
from image_core.adversarial.stream import Data, as_tensors, batches, to_device

if TYPE_CHECKING:
    from accelerate import Accelerator

OptimizerFactory = Callable[[Sequence[nn.Parameter]], Optimizer]
ScheduleFactory = Callable[[Optimizer], LRScheduler]
WHOLE = Cut()
"""No module is sharded."""
Callback = Callable[["Engine", Logs], None]
"""Function called after a round; see `callbacks.py`."""


class Engine:
    """Plays the turns of a game.

    Args:
        game: Networks and moves; moved to the accelerator's device if an accelerator is given.
        optim: Function that builds the optimizer from the parameters, by player; only players that
            have turns need one.
        accelerator: Device and mixed precision ("no" or "bf16"); None leaves the game on its
            device.
        clip: Maximum gradient norm, by player.
        accumulate: Number of losses per optimizer step; a move must yield a multiple of it.
        ema: Decay of the weight average, by name of a submodule of the game.
        schedule: Function that builds the learning-rate schedule, by player; advanced after each of
            the player's steps.
        cut: Modules that are sharded among processes, see `parallel.shard`.

    Raises:
        UserError: An option names no player or submodule, or a value is out of range.
    """

    def __init__(
        self,
        game: Game,
        optim: Mapping[str, OptimizerFactory],
        *,
        accelerator: "Accelerator | None" = None,
        clip: Mapping[str, float] = {},
        accumulate: int = 1,
        ema: Mapping[str, float] = {},
        schedule: Mapping[str, ScheduleFactory] = {},
        cut: Cut = WHOLE,
    ):
        check_game(game, optim, schedule)
        check_names(game, optim, clip, ema, schedule)
        check_steps(accumulate, accelerator, cut)
        if accelerator is not None:
            game.to(accelerator.device)
        self.game = game
        self.device = next(game.parameters()).device
        self.players = {name: list(ps) for name, ps in game.players().items()}
        self.optim, self._schedule = dict(optim), dict(schedule)
        self.optimizers = {name: make(self.players[name]) for name, make in optim.items()}
        check_optimizers(self.optimizers, self.players)
        game.follow(self.optimizers)
        self.schedules = {name: make(self.optimizers[name]) for name, make in schedule.items()}
        check_schedules(self.schedules, self.optimizers)
        self.clip = dict(clip)
        self.accumulate = accumulate
        parallel.broadcast(game)
        self.ema = {name: EMA(game.get_submodule(name), decay) for name, decay in ema.items()}
        self.round = 0
        self.drawn = 0
        self.steps = dict.fromkeys(self.players, 0)
        self.notes: dict[str, Any] = {}
        """A recipe's own state, as plain values; saved and restored with the checkpoint."""
        self.saved: Path | None = None
        self._accelerator = accelerator
        self._guard = Guard(self.players, self.device)
        self._cut = cut
        self._learner = ""

    # -- playing ---------------------------------------------------------------------------------

    def play(self, turn: Turn, batches: Iterator[Batch]) -> Logs:
        """Play one move: one optimizer step for each loss (or `accumulate` losses) it yields.

        Args:
            turn: Player and its move.
            batches: Batches that the move may pull.

        Returns:
            Mean over the yields of each logged scalar, named "player/name"; still on the device.

        Raises:
            UserError: The player has no optimizer.
            RuleError: The move breaks one of the rules of `Move`, or its loss reaches no parameter
                of the player.
        """
        check_turns([turn])
        player = turn.player
        if player not in self.optimizers:
            raise UserError(f"player {player!r} has a turn but no optimizer; add it to optim")
        logs = Means()
        yields = 0
        self._cut.release()
        check_alone(player, self._learner)
        self._forget(player)  # gradients left by a move that failed between two steps
        move: Iterator[Loss] | None = None
        with self.learning(player):
            self._cut.gather()
            try:
                move = started(turn, batches)
                while (loss := self._next(move, turn)) is not None:
                    total, scalars = loss
                    if yields % self.accumulate == 0:
                        check_untouched(self.players[player], player)
                    yields += 1
                    with used_once(player):
                        (total / self.accumulate if self.accumulate > 1 else total).backward()
                    logs.add({f"{player}/{k}": v for k, v in {"loss": total, **scalars}.items()})
                    if yields % self.accumulate == 0:
                        logs.add({f"{player}/grad_norm": self._step(player, total)})
            finally:
                if isinstance(move, Generator):
                    move.close()  # exits the `with` blocks of a rejected move
                self._cut.release()
        if yields % self.accumulate:
            raise RuleError(
                f"the move of {player!r} yielded {yields} losses, "
                f"not a multiple of accumulate={self.accumulate}"
            )
        return logs.means()

    def rounds(
        self, data: Data, count: int, *, turns: Sequence[Turn] | None = None
    ) -> Iterator[Logs]:
        """Play `count` rounds, yielding each round's logs.

        Args:
            data: Function from i to batch number i, which a resumed run continues exactly and at
                once; or any iterable of batches, repeated endlessly (a resumed run skips the
                batches already drawn).
            count: Number of rounds to play.
            turns: Turns of a round; None takes those of the game.

        Raises:
            NonFiniteError: A loss or gradient was not finite; the message names the step and the
                last checkpoint.
            RuleError: A move breaks one of the rules of `Move`.
            UserError: The game is in evaluation mode, was moved, or layers of it were replaced,
                since the engine was made; or turns or data cannot be played.
        """
        check_count(count)
        self._cut.release()
        stream = self.stream(data)
        turns = self.game.turns() if turns is None else turns
        check_turns(turns)
        for _ in range(count):
            check_training(self.game)
            check_unchanged(self.game, self.device, self.players, self.optimizers)
            logs = Means()
            for turn in turns:
                if self.round % turn.every == 0:
                    for _ in range(turn.repeat):
                        logs.add(self.play(turn, stream))
            parallel.average_norms([self.game, *self.ema.values()])
            self.round += 1
            self._guard.check(self.round, self.saved)
            yield parallel.average_logs(logs.means())

    def run(
        self,
        data: Data,
        count: int,
        *,
        turns: Sequence[Turn] | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        """Play `count` rounds, calling each callback with (engine, logs) after each.

        Args:
            data: Batches, see `rounds`.
            count: Number of rounds to play.
            turns: Turns of a round; None takes those of the game.
            callbacks: Functions called after each round.

        Raises:
            NonFiniteError: A loss or gradient was not finite.
            UserError: The data, turns or callbacks are of another kind; see `rounds`.
        """
        check_callbacks(callbacks)
        for logs in self.rounds(data, count, turns=turns):
            for callback in callbacks:
                callback(self, logs)

    def reset(self, player: str) -> None:
        """Restart a player's optimizer and schedule; weights, averages and counts are kept.

        Use it between stages: the player's parameters are read again from the game, so that other
        ones may learn. On resume, bring the game to its stage before the engine is built.

        Args:
            player: Name of a player that has an optimizer.

        Raises:
            UserError: There is no such player, or it has no optimizer.
        """
        players = self.game.players()
        check_player("reset", player, players, self.optimizers)
        self.players[player] = list(players[player])
        self.optimizers[player] = self.optim[player](self.players[player])
        if player in self._schedule:
            self.schedules[player] = self._schedule[player](self.optimizers[player])

    # -- one step --------------------------------------------------------------------------------

    def _next(self, move: Iterator[Loss], turn: Turn) -> tuple[Tensor, Logs] | None:
        player = turn.player
        with self._autocast():
            try:
                yielded = next(move)
            except StopIteration as stop:
                if stop.value is not None:
                    raise RuleError(
                        f"the move of {player!r} returned a value; log it instead"
                    ) from None
                return None
            except RuntimeError as error:
                check_own_iterators(error, player)
                raise
            check_outside_with(move, player)
            if not torch.is_grad_enabled() or (
                torch.is_autocast_enabled(self.device.type) != self._mixed
            ):
                raise RuleError(
                    f"the move of {player!r} yielded with gradients or autocast switched; switch "
                    "them back first"
                )
        return as_loss(yielded, player)

    @property
    def _mixed(self) -> bool:
        return self._accelerator is not None and self._accelerator.mixed_precision != "no"

    def _autocast(self) -> AbstractContextManager[None]:
        return self._accelerator.autocast() if self._mixed and self._accelerator else nullcontext()

    def _step(self, player: str, loss: Tensor) -> Tensor:
        parameters = self.players[player]
        parallel.average_gradients(self._cut.whole(parameters))
        self._cut.release()
        learning = [p for p in parameters if p.grad is not None]
        if not learning:
            raise RuleError(f"the loss of {player!r} reaches none of its parameters")
        # Torch measures and scales parts of shards and whole gradients in calls of their own
        cut = [p for p in learning if is_sharded(p.grad)]
        kinds = [cut, [p for p in learning if not is_sharded(p.grad)]] if cut else [learning]
        norm = self._norm(kinds)
        if player in self.clip:
            for alike in kinds:
                nn.utils.clip_grads_with_norm_(alike, self.clip[player], norm)
        self.optimizers[player].step()
        self._forget(player)
        if player in self.schedules:
            self._advance(player)
        self._cut.gather()
        self.steps[player] += 1
        self._guard.note(player, norm + loss.detach(), self.steps[player])
        learned = {id(p) for p in parameters} if self.ema else set()
        for name, average in self.ema.items():
            module = self.game.get_submodule(name)
            if any(id(p) in learned for p in module.parameters()):
                average.update(module)
        return norm

    def _advance(self, player: str) -> None:
        try:
            self.schedules[player].step()
        except ValueError as error:  # of a schedule of so many steps
            raise UserError(
                f"schedule of {player!r} has no more steps ({error}); give it as many as the "
                "player takes"
            ) from error

    def _forget(self, player: str) -> None:
        for parameter in self.players[player]:  # also those that its optimizer leaves out
            parameter.grad = None

    def _norm(self, kinds: Sequence[Sequence[nn.Parameter]]) -> Tensor:
        """The norm of all gradients together, those of shards and those that are whole."""
        gradients = [[p.grad for p in kind if p.grad is not None] for kind in kinds if kind]
        norms = [whole(nn.utils.get_total_norm(alike)) for alike in gradients]
        return norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms))

    @contextmanager
    def learning(self, player: str) -> Iterator[None]:
        """Context in which its parameters alone require gradients; they flow through all others.

        Args:
            player: Name of a player.

        Raises:
            UserError: There is no such player.
        """
        check_player("learning", player, self.players, self.players)
        learning = {id(p) for p in self.players[player]}
        flags = [(p, p.requires_grad) for p in self.game.parameters()]
        for parameter, flag in flags:
            # Permanently frozen parameters, such as a pretrained layer's, stay frozen.
            parameter.requires_grad_(flag and id(parameter) in learning)
        before, self._learner = self._learner, player
        try:
            yield
        finally:
            self._learner = before
            for parameter, flag in flags:
                parameter.requires_grad_(flag)

    def stream(self, data: Data) -> Iterator[Batch]:
        """Batches not yet drawn, on the device: this process's share of each.

        Args:
            data: Batches, see `rounds`.

        Raises:
            UserError: The data are no source of batches, hold none, or a batch holds no tensors.
        """
        for batch in batches(data, self.drawn, self.device):
            self.drawn += 1
            yield to_device(parallel.share(as_tensors(batch)), self.device)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Context in which sharded modules are whole, to evaluate; every process must enter it."""
        self._cut.gather()
        try:
            yield
        finally:
            self._cut.release()

    # -- saving ----------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> None:
        """Write a checkpoint atomically; the previous one is kept until the new one is complete.

        Args:
            folder: Folder of the checkpoint.

        Raises:
            UserError: The disk is full, the folder is not writable, or `notes` are no plain values.
            RuleError: It is called inside a move.
        """
        folder = check_folder(folder)
        check_between_rounds("save", self._learner)
        if not isinstance(self.notes, dict):
            kind = type(self.notes).__name__
            raise UserError(f"engine.notes is a {kind}; put values into the mapping it was")
        self._cut.release()
        snapshot.save(self._state(), folder)
        self.saved = folder

    def load(self, folder: str | Path) -> None:
        """Continue from a checkpoint, bit for bit; a rejected checkpoint changes nothing.

        Args:
            folder: Folder of the checkpoint.

        Raises:
            UserError: The checkpoint is missing, corrupt, or belongs to another game.
            RuleError: It is called inside a move.
        """
        folder = check_folder(folder)
        check_between_rounds("load", self._learner)
        self._restore(snapshot.load(self._state(), folder), folder)

    def load_learned(self, folder: str | Path) -> None:
        """Load weights, averages and counts from a checkpoint, but no optimizer state.

        Use it to sample or to evaluate, with any number of processes, and to begin another stage.

        Args:
            folder: Folder of the checkpoint.

        Raises:
            UserError: The checkpoint is missing, corrupt, or belongs to another game.
            RuleError: It is called inside a move.
        """
        folder = check_folder(folder)
        check_between_rounds("load_learned", self._learner)
        self._restore(snapshot.load_learned(self._state(), folder), folder)

    def _state(self) -> snapshot.State:
        return snapshot.State(
            self.game,
            self.ema,
            self.optimizers,
            self.schedules,
            self.device,
            round=self.round,
            drawn=self.drawn,
            steps=self.steps,
            notes=self.notes,
        )

    def _restore(self, state: snapshot.State, folder: Path) -> None:
        self.round, self.drawn = state.round, state.drawn
        # A player of this stage may not have existed in an earlier one
        self.steps, self.notes = dict.fromkeys(self.players, 0) | state.steps, state.notes
        self.saved = folder
        self._guard.forget()
