"""Controls: the same run without what a paper is said to learn from.

| control     | what it takes away                                                        |
|-------------|---------------------------------------------------------------------------|
| `permuted`  | rewards or weights are shuffled over the rows of a batch                  |
| `none_real` | real sequences of the rounds are other samples of the policy              |
| `more_mle`  | the policy's steps of the rounds are as many steps of maximum likelihood  |

A control starts from the same maximum likelihood as the run beside it, bit for bit. The fourth one,
maximum likelihood swept over temperature, stands in the table of every full report. A paper whose
curve is that of its permuted control has learned nothing from its discriminator.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from image_core.adversarial.game import Batch, Move
from image_core.runs.phase import Phase
from seqgan.text.games.generator import GeneratorGame

NAMES = ("permuted", "none_real", "more_mle")
SWEPT = "swept_mle"
"""Name of the control that every full report has: maximum likelihood over temperatures."""


def controlled(control: str, phases: Sequence[Phase], game: GeneratorGame) -> list[Phase]:
    """The phases of a run under a control; those of maximum likelihood stay as they are.

    Args:
        control: One of `NAMES`, or "none".
        phases: Phases of the paper.
        game: Game of the run; `permuted` is told to it.
    """
    game.permuted = control == "permuted"
    if control == "none_real":
        return [_without_real(phase, game) for phase in phases]
    if control == "more_mle":
        kept = [phase for phase in phases if phase.name != "warmup"]
        turns = game.likelihood_turns()
        return [phase if phase.name == "mle" else replace(phase, turns=turns) for phase in kept]
    return list(phases)


def _without_real(phase: Phase, game: GeneratorGame) -> Phase:
    if phase.name == "mle":
        return phase
    turns = game.turns() if phase.turns is None else phase.turns
    return replace(phase, turns=[t._replace(move=_on_samples(t.move, game)) for t in turns])


def _on_samples(move: Move, game: GeneratorGame) -> Move:
    return lambda batches: move(_Samples(batches, game))


class _Samples(Iterator[Batch]):
    """Samples of the policy, as many as there are real sequences in each batch.

    Args:
        batches: Batches of real sequences, which are pulled and left.
        game: Game of the policy.
    """

    def __init__(self, batches: Iterator[Batch], game: GeneratorGame):
        self.batches, self.game = batches, game

    def __next__(self) -> Batch:
        real, policy = next(self.batches), self.game.G
        training = policy.training
        policy.eval()
        try:
            return self.game.without_real(real)
        finally:
            policy.train(training)


def told(control: str, choices: Sequence[str], swept: bool) -> str:
    """One sentence on the controls of a result table.

    Args:
        control: Control of the run, or "none".
        choices: Controls that the paper has.
        swept: Whether maximum likelihood is swept over temperature.
    """
    if control != "none":
        return f"This run is a control, {control}: compare it with the run without --control."
    others = ", ".join(f"--control {name}" for name in choices)
    if not swept:
        return f"No controls stand in this table; runs of their own are {others}."
    return f"Controls: maximum likelihood swept over temperature; runs of their own are {others}."
