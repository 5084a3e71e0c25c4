"""CatGAN (Liu, Wang & Liang 2020): text by label, by a relativistic loss and evolution.

    L_D = sum_i relativistic average loss of D(x_i) and D(y_i),   i the labels
    F   = quality + lambda diversity,   quality = mean sigmoid(D(y) - mean D(x))

One relational memory is told the label at every token. In a step its children try two losses and
three temperatures from the same weights and moments, and the fittest stays. Here both parts of the
fitness are means; the released code adds up some 30,000 values of the first and weighs the second
by 0.001, so that diversity never decides. --select random keeps any child, as a control of equal
cost; --mutations ragan is one loss alone. Text with labels is needed (--label_field).
"""

from dataclasses import dataclass, replace
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.adversarial.fork import Fork
from image_core.adversarial.game import Turn
from image_core.runs import options
from image_core.runs.phase import Phase
from seqgan.text.config import DiscriminatorOptions, Sequences, two_players
from seqgan.text.corpus import Corpus
from seqgan.text.games.evolved import MUTATIONS, SELECTIONS, EvolvedGame
from seqgan.text.labelled_relational import LabelledRelationalPolicy
from seqgan.text.labels import LabelBatches, check_labels
from seqgan.text.mixture import MixturePolicy
from seqgan.text.papers.relgan import SIZES, ManyEmbeddingsDiscriminator


@dataclass(kw_only=True)
class Options(DiscriminatorOptions):
    """CatGAN.

    Args:
        mutations: Losses of the children, separated by commas: ragan (against the mean of real
            text) and rsgan (in pairs).
        select: Child that is kept: best for the fittest, random for any.
        diversity_weight: Weight of the diversity in a child's fitness.
        score_samples: Sentences of each label on which a child is scored.
        beta_max: Inverse temperature of the samples in the last policy step; with 1 the temperature
            is no mutation.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    g_lr: float = 1e-4
    d_lr: float = 1e-4
    d_steps: int = 3
    mutations: str = "ragan,rsgan"
    select: str = "best"
    diversity_weight: float = 1e-3
    score_samples: int = 512
    beta_max: float = 100.0

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_above_zero(self, "beta_max")
        options.check_least(self, 0, "diversity_weight")
        options.check_least(self, 1, "score_samples")
        options.check_choice("select", self.select, SELECTIONS)
        for name in self.losses():
            options.check_choice("mutations", name, tuple(MUTATIONS))
        if self.policy:
            raise UserError(
                f"--policy {self.policy}: CatGAN's policy is told the label; leave it out"
            )

    def losses(self) -> list[str]:
        """Losses of the children, each once."""
        return list(dict.fromkeys(self.mutations.split(",")))

    def method(self) -> dict[str, str]:
        kept = "the fittest child" if self.select == "best" else "a random child"
        reward = "none: the gradient of the loss passes through relaxed samples"
        loss = f"relativistic average by label; policy: {kept} of {self.mutations}"
        return {**super().method(), "reward": reward, "loss": loss, "estimator": "gumbel_softmax"}


PRESETS = {
    "paper": {"hidden": 512, "mle_epochs": 150, "rounds": 2_000, "evaluate_every": 50},
    "tiny": {"score_samples": 8},
}


RECIPES = ("text",)
"""An oracle has no labels."""


def game(o: Options, s: Sequences) -> EvolvedGame:
    """Build the game from a run's options."""
    check_labels("catgan", s.labels)
    sizes: dict[str, Any] = {"layers": o.layers, "start": s.start, "end": s.end, "pad": s.pad}
    policy = LabelledRelationalPolicy(
        s.vocab, len(s.labels), o.embedding, o.hidden, dropout=o.dropout, **sizes
    )
    total = sum(s.labels.values())
    mixture = MixturePolicy(
        [policy.of_label(label) for label in range(len(s.labels))],
        [count / total for count in s.labels.values()],
    )
    views, filters = SIZES[o.discriminator]
    discriminator = ManyEmbeddingsDiscriminator(
        s.vocab, views, views, filters, end=s.end, dropout=o.d_dropout
    )
    return EvolvedGame(
        mixture,
        discriminator,
        s.length,
        moves=o.g_moves(),
        beta_max=o.beta_max,
        mutations=o.losses(),
        select=o.select,
        diversity_weight=o.diversity_weight,
        score_samples=o.score_samples,
        **o.adversarial(),
    )


players = two_players


def data(o: Any, corpus: Corpus) -> LabelBatches:
    """Lists of batches, one for each label."""
    assert corpus.labels is not None
    return LabelBatches(corpus.train, corpus.labels.train, o.batch, seed=o.seed)


def phases(run: Any) -> list[Phase]:
    """Maximum likelihood, then rounds in which children of the policy compete."""
    made, engine = run.game, run.engine
    evolve = Turn(
        "G", lambda batches: made.evolve(batches, lambda: Fork(engine, "G")), repeat=made.g_steps
    )
    turns = [evolve, Turn("D", made.discriminator_move)]
    return [run.mle_phase(), replace(run.adversarial_phase(), turns=turns)]
