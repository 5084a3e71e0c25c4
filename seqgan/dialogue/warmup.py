"""The discriminator's warm-up, which lasts until its rewards say something, and its end."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from image_core.adversarial import parallel
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.runs.phase import Phase
from seqgan.dialogue.config import DialogueRunOptions
from seqgan.dialogue.game import DialogueGame

WARMUPS = 4
"""Most times --d_warmup_steps that the discriminator takes to reach --min_auc."""


@dataclass(frozen=True)
class Warmup:
    """Warm-up of a run's discriminator, and what follows where it does not earn its turn.

    Args:
        engine: Engine of the run, whose notes keep what is found.
        game: Game of the run.
        config: Options of the run.
        measure: Gives `d_auc`, among others, of the discriminator on whole held-out replies.
    """

    engine: Engine
    game: DialogueGame
    config: DialogueRunOptions
    measure: Callable[[], dict[str, float]]

    def phase(self, *, joint: bool) -> Phase:
        """The phase of a run.

        Args:
            joint: Whether the generator takes a step of maximum likelihood beside each of D's.

        Raises:
            UserError: The discriminator does not reach the least AUC.
        """
        c, game, steps, notes = self.config, self.game, self.config.d_warmup_steps, self._notes

        def enter() -> None:
            game.keep_mle()
            c.begin_discriminator(game)

        def leave() -> None:
            if joint:
                game.keep_mle()
            self._decide()

        turns = [Turn("D", game.discriminator_move)]
        if joint:
            turns = [Turn("G", game.mle_move), *turns]
        if not c.min_auc:
            return Phase("warmup", turns, steps, enter=enter, leave=leave)
        return Phase(
            "warmup",
            turns,
            WARMUPS * steps,
            self._look,
            max(1, steps - 1),  # so that it is measured after its last regular step
            enter=enter,
            leave=leave,
            finished=lambda: notes["phase_round"] >= steps and notes["warmup_auc"] >= c.min_auc,
        )

    def frozen(self, rounds: Phase) -> list[Phase]:
        """Adversarial rounds, those after --d_frozen_after with the generator's turn alone.

        Args:
            rounds: All of them, in one phase.
        """
        after, game = self.config.d_frozen_after, self.game
        if after is None or after >= rounds.rounds:
            return [rounds]

        def move(batches: Iterator[Batch]) -> Iterator[Loss]:
            # Known when it is played: the warm-up decides whether there is an adversary
            return game.policy_move(batches) if game.adversarial else game.mle_move(batches)

        alone = replace(rounds, name="frozen", turns=[Turn("G", move)])
        return [replace(rounds, rounds=after), replace(alone, rounds=rounds.rounds - after)]

    def recall(self) -> None:
        """Go on as a checkpoint's notes say: with the adversary, or without."""
        self.game.adversarial = not self._notes.get("without_adversary", False)

    @property
    def _notes(self) -> dict[str, Any]:
        return self.engine.notes

    def _look(self) -> dict[str, float]:
        found = self.measure()
        self._notes["warmup_auc"] = found["d_auc"]
        return found

    def _decide(self) -> None:
        """Make the rounds maximum likelihood where the discriminator is worth no reward.

        Raises:
            UserError: It is below --min_auc, and alarms stop the run.
        """
        c, notes = self.config, self._notes
        if not c.min_auc or not c.rounds:
            return
        if not c.d_warmup_steps:
            self._look()
        reached = notes["warmup_auc"]
        if parallel.agree(reached >= c.min_auc):  # each process has sampled replies of its own
            return
        weak = (
            f"after {self.engine.steps['D']} steps the discriminator tells people's held-out "
            f"replies from the generator's with AUC {reached:.3f}, below --min_auc {c.min_auc:g}, "
            "so that its rewards would be noise"
        )
        if c.alarms == "stop":
            raise UserError(
                f"{weak}; raise --d_warmup_steps or --d_lr, name another --discriminator, or pass "
                "--min_auc 0"
            )
        said = f"{weak}: the {c.rounds} rounds are maximum likelihood alone"
        notes.setdefault("alarms", []).append(said)
        notes["without_adversary"] = True
        self.recall()
        if parallel.first():
            print(f"alarm: {said}", file=sys.stderr)
