"""What every image game of a discriminator with logits shares: both moves, all terms, all tricks.

A game says what its generator reads, what is known of an image, and what else the discriminator's
trunk has to tell; loss, penalties, regularizers, noise and averages are the same for all of them.

Symbols: G generator, D discriminator, d its logit, z latent.
"""

import functools
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from image_core.adversarial import losses
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Batch, Loss, Turn
from image_core.adversarial.losses import AdversarialLoss
from image_core.adversarial.penalties import (
    Flattening,
    Penalty,
    clip_weights,
    twice_differentiable,
)
from image_core.adversarial.regularizers import Regularizer
from image_core.adversarial.tricks import HistoricalAverage, Schedule, add_noise, match_features
from image_core.games.common import (
    Images,
    LatentGame,
    Prior,
    check_discriminator,
    evaluating,
    lifted,
)
from image_core.games.common import Told as Told
from image_core.games.coupling import Coupling as Coupling
from image_core.games.coupling import Reader as Reader
from image_core.games.coupling import consensus, look_ahead
from image_core.nets.discriminators import trunk_of
from image_core.nets.layers import mixes_samples
from image_core.nets.spectral import iterate


class Output(NamedTuple):
    """What the discriminator makes of images.

    Args:
        logits: One logit an image, high = real; of float32 at least wherever a loss reads them.
        read: What a further head of its trunk reads; None where it has none.
    """

    logits: Tensor
    read: Tensor | None


class Steps(NamedTuple):
    """What is computed between batch and loss, each a graph of its own where it is compiled.

    Args:
        outputs: Function from both sides to D's outputs for them, and a penalty that is due.
        penalty: Function from both sides to the penalty alone.
        output: Function from images to D's output for them.
    """

    outputs: Callable[..., tuple[Output, Output, Tensor | None]]
    penalty: Callable[..., Tensor]
    output: Callable[..., Output]


class LogitGame(LatentGame):
    """Players "G" and "D". The data stream yields images, bytes or floats in [-1, 1].

    d: L.d(D(t(x)), D(t(G(z)))) + penalty + regularizer + w_h |theta_D - mean of its past|^2
    g: L.g(D(t(x)), D(t(G(z)))) + w_f mean |E f(x) - E f(G(z))|^2 + w_h |theta_G - ...|^2

    with z ~ prior, t the transform and the noise, and f the features of D's trunk.

    Args:
        G: Generator, latents -> images.
        D: Discriminator, images -> logits.
        latent: Size of z.
        loss: Adversarial loss; one without a reward is given real images in the generator's step
            too.
        penalty: Penalty of the discriminator's slope.
        regularizer: Penalty of the discriminator's weights.
        consistency: Penalty of what altered images change, see `regularizers.consistency`.
        coupling: Term on the gradients of the game.
        feature_matching: Weight of matched features in the generator's loss.
        historical_averaging: Weight of the distance of either player from the mean of its past.
        d_steps: Optimizer steps of the discriminator in a round.
        lazy: Rounds between two steps of the penalty alone, so many times as strong, see
            `tricks.lazy_rates`; 0 = in every discriminator step.
        weight_clip: Bound of the discriminator's weights after each of its steps.
        noise: Standard deviation of instance noise, by discriminator step.
        anneal: Factor of the penalty, by discriminator step.
        transform: Random differentiable change of all images that D sees; a penalty reads the slope
            before it.
        batch: Samples of a generator step.
        prior: Distribution of z.

    Raises:
        UserError: Loss, penalty and discriminator do not fit, or a lazy penalty is none.
    """

    step: Tensor

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        latent: int,
        *,
        loss: AdversarialLoss = losses.non_saturating,
        penalty: Penalty | None = None,
        regularizer: Regularizer | None = None,
        consistency: Penalty | None = None,
        coupling: Coupling | None = None,
        feature_matching: float = 0.0,
        historical_averaging: float = 0.0,
        d_steps: int = 1,
        lazy: int = 0,
        weight_clip: float | None = None,
        noise: Schedule | None = None,
        anneal: Schedule | None = None,
        transform: Callable[[Images], Images] | None = None,
        batch: int = 64,
        prior: Prior = "normal",
    ):
        super().__init__(G, D, latent, d_steps, batch, prior)
        check_discriminator(D, loss, penalty)
        if lazy and penalty is None:
            raise UserError("a lazy penalty needs a penalty; name one, as in --penalty r1=10")
        self.loss, self.penalty, self.regularizer = loss, penalty, regularizer
        self.consistency, self.coupling = consistency, coupling
        self.feature_matching, self.historical_averaging = feature_matching, historical_averaging
        self.lazy, self.weight_clip = lazy, weight_clip
        self.noise, self.anneal, self.transform = noise, anneal, transform
        self.past_G = HistoricalAverage(G) if historical_averaging else None
        self.past_D = HistoricalAverage(D) if historical_averaging else None
        self.together = not mixes_samples(D)
        self.register_buffer("step", torch.zeros(()))
        self.steps = Steps(self._outputs, self._penalty, self._output)
        self.compiled = False
        if weight_clip is not None:
            clip_weights(D.parameters(), weight_clip)

    def compile_steps(self, **how: Any) -> None:
        """Let torch.compile make one graph of each step's networks, the penalty inside.

        Args:
            how: Options of torch.compile.

        Raises:
            UserError: A coupling or matched features need the discriminator piece by piece.
        """
        if self.coupling is not None or self.feature_matching:
            raise UserError(
                "--compile goes with neither look_ahead, consensus nor --feature_matching, which "
                "take the discriminator apart; leave out one of them"
            )
        self.compiled = True
        graph = functools.partial(torch.compile, fullgraph=True, **how)
        self.steps = Steps(*(cast("Any", graph(step)) for step in self.steps))
        self.G.compile(**how)

    # -- what a game says of itself --------------------------------------------------------------

    @abstractmethod
    def conditions(self, count: int, real: Told) -> tuple[Told, Told]:
        """What G is to read for `count` fakes, and what is then known of them.

        Args:
            count: Number of fakes.
            real: What is known of the real images they are paired with; () where they are not.
        """

    def discriminate(self, D: Reader, images: Tensor, told: Told) -> Output:
        """The discriminator's logits, and what its further head reads."""
        return Output(D(images), None)

    def own_terms_d(
        self, real: Output, told_real: Told, fake: Output, told_fake: Told
    ) -> Mapping[str, Tensor]:
        """Terms to add to the discriminator's loss, by name."""
        return {}

    def own_terms_g(self, fake: Output, told: Told) -> Mapping[str, Tensor]:
        """Terms to add to the generator's loss, by name."""
        return {}

    def measures(
        self, real: Output, told_real: Told, fake: Output, told_fake: Told
    ) -> Mapping[str, Tensor]:
        """What else is worth recording in the discriminator's step, by name."""
        return {}

    def d_scores(self, images: Tensor, told: Told) -> Tensor:
        with evaluating(self.D):
            return lifted(self.discriminate(self.D, images, told).logits)

    # -- moves -----------------------------------------------------------------------------------

    def turns(self) -> Sequence[Turn]:
        d_turn, *rest = super().turns()
        lazy = [Turn("D", self.penalty_move, every=self.lazy)] if self.lazy else []
        return [d_turn, *lazy, *rest]

    def discriminator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Reals above fakes; the fakes cost no graph of the generator."""
        real, told_real, fake, told_fake = self._pair(batches)
        of_real, of_fake, penalty = self.steps.outputs(real, told_real, fake, told_fake)
        total = self.loss.d(of_real.logits, of_fake.logits)
        logs = {
            "adversarial": total,
            "d_real": of_real.logits.mean(),
            "d_fake": of_fake.logits.mean(),
        }
        terms = dict(self.own_terms_d(of_real, told_real, of_fake, told_fake))
        if penalty is not None:
            terms["penalty"] = penalty
        if self.regularizer is not None:
            terms["regularizer"] = self.regularizer(self.D)
        if self.consistency is not None:
            terms["consistency"] = self.consistency(self._slope(told_real), real, fake)
        if self.coupling is not None and self.coupling.kind == "consensus":
            terms["consensus"] = self._consensus(real, told_real, learns_d=True)
        if self.past_D is not None:
            terms["historical_averaging"] = self.historical_averaging * self.past_D(self.D)
        for term in terms.values():
            total = total + term
        yield Loss(
            total, {**logs, **terms, **self.measures(of_real, told_real, of_fake, told_fake)}
        )
        self._stepped()

    def penalty_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """The penalty alone, for all the steps that went without."""
        if isinstance(self.penalty, Flattening) and not self.penalty.at_fake:
            batch = next(batches)
            told_real, real = self.told(batch), self.images_of(batch)
            fake = real  # R1 looks at no fakes
        else:
            real, told_real, fake, _ = self._pair(batches)
        penalty = self.steps.penalty(real, told_real, fake)
        yield Loss(self.lazy * self.d_steps * penalty, {"penalty": penalty})
        self._moved()

    def generator_move(self, batches: Iterator[Batch]) -> Iterator[Loss]:
        """Move fakes as the loss says, through the discriminator as it is."""
        self.G.train()
        pairs = self.loss.reward is None or self.coupling is not None
        batch = next(batches) if pairs or self.feature_matching else None
        real, told_real = (None, ()) if batch is None else (self.images_of(batch), self.told(batch))
        count = self.share() if real is None else len(real)
        given, told = self.conditions(count, told_real if pairs else ())
        fake = self.G(*given)
        if real is None or not pairs:
            of_fake, features = self._with_features(fake, told)
            total = self.loss.g(of_fake.logits, of_fake.logits)
        else:
            of_real, of_fake = self._both(self.D, real, told_real, fake, told)
            total = self.loss.g(of_real.logits, of_fake.logits)
            features = self._with_features(fake, told)[1] if self.feature_matching else None
        terms = dict(self.own_terms_g(of_fake, told))
        if real is not None and features is not None:
            with torch.no_grad():
                wanted = self._with_features(real, told_real or told)[1]
            assert wanted is not None
            gap = match_features(wanted, features)
            terms["feature_matching"] = self.feature_matching * gap
        if real is not None and self.coupling is not None:
            terms[self.coupling.kind] = self._coupled(real, told_real, fake, told)
        if self.past_G is not None:
            terms["historical_averaging"] = self.historical_averaging * self.past_G(self.G)
        for term in terms.values():
            total = total + term
        yield Loss(total, {"d_fake": of_fake.logits.mean(), **terms})
        if self.past_G is not None:
            self.past_G.update(self.G)

    # -- parts -----------------------------------------------------------------------------------

    def _pair(self, batches: Iterator[Batch]) -> tuple[Tensor, Told, Tensor, Told]:
        batch = next(batches)
        real, told_real = self.images_of(batch), self.told(batch)
        # A penalty may read the slope at reals, at fakes or between: one label for both
        paired = self.penalty is not None or self.loss.reward is None
        given, told_fake = self.conditions(len(real), told_real if paired else ())
        self.G.train()
        with torch.no_grad():
            return real, told_real, self.G(*given), told_fake

    def _seen(self, images: Tensor) -> Tensor:
        if self.transform is not None:
            images = self.transform(images)
        return images if self.noise is None else add_noise(images, self.noise(self.step))

    def _slope(self, told: Told) -> Callable[[Tensor], Tensor]:
        return lambda images: self._output(self.D, images, told).logits

    def _output(self, D: Reader, images: Tensor, told: Told) -> Output:
        """The output for images as the discriminator sees them, lifted out of half precision."""
        logits, read = self.discriminate(D, self._seen(images), told)
        return Output(lifted(logits), None if read is None else lifted(read))

    def _both(
        self,
        D: Reader,
        real: Tensor,
        told_real: Told,
        fake: Tensor,
        told_fake: Told,
        *,
        together: bool | None = None,
    ) -> tuple[Output, Output]:
        """Discriminate both, in one forward pass unless batch statistics would reveal the label."""
        if not (self.together if together is None else together):
            of_real = self._output(D, real, told_real)
            return of_real, self._output(D, fake, told_fake)
        told = tuple(torch.cat(pair) for pair in zip(told_real, told_fake))
        logits, read = self._output(D, torch.cat([real, fake]), told)
        n = len(real)
        if read is None:
            return Output(logits[:n], None), Output(logits[n:], None)
        return Output(logits[:n], read[:n]), Output(logits[n:], read[n:])

    def _outputs(
        self, real: Tensor, told_real: Told, fake: Tensor, told_fake: Told
    ) -> tuple[Output, Output, Tensor | None]:
        """Return the outputs for both, and the penalty if it is due in every step.

        R1 and R2 read their slopes off the same forward pass, unless it is in half precision or
        part of a graph, which must not hold leaves.
        """
        apart = torch.is_autocast_enabled(real.device.type) or torch.compiler.is_compiling()
        if isinstance(self.penalty, Flattening) and not self.lazy and not apart:
            # Only points that are asked for a slope: the others would get one they do not need
            real = real.detach().requires_grad_(self.penalty.at_real > 0)
            fake = fake.detach().requires_grad_(self.penalty.at_fake > 0)
            both = real.requires_grad and fake.requires_grad
            with twice_differentiable():
                pair = self._both(self.D, real, told_real, fake, told_fake, together=both)
            penalty = self.penalty.shared(pair[0].logits, real, pair[1].logits, fake)
            return *pair, self._annealed(penalty)
        pair = self._both(self.D, real, told_real, fake, told_fake)
        if self.penalty is None or self.lazy:
            return *pair, None
        return *pair, self._penalty(real, told_real, fake)

    def _penalty(self, real: Tensor, told: Told, fake: Tensor) -> Tensor:
        assert self.penalty is not None
        return self._annealed(self.penalty(self._slope(told), real, fake))

    def _annealed(self, penalty: Tensor) -> Tensor:
        return penalty if self.anneal is None else self.anneal(self.step) * penalty

    def _moved(self) -> None:
        """What every step of the discriminator's weights needs after it."""
        if self.weight_clip is not None:
            clip_weights(self.D.parameters(), self.weight_clip)
        if self.compiled:
            iterate(self.D)

    @torch.no_grad()
    def _stepped(self) -> None:
        self.step += 1
        self._moved()
        if self.past_D is not None:
            self.past_D.update(self.D)

    def _with_features(self, images: Tensor, told: Told) -> tuple[Output, Tensor | None]:
        """The output, and what D's trunk made of the images if that is to be matched."""
        if not self.feature_matching:
            return self.steps.output(self.D, images, told), None
        kept: list[Tensor] = []
        hook = trunk_of(self.D).register_forward_hook(lambda _, __, out: kept.append(out))
        try:
            return self._output(self.D, images, told), lifted(kept[0])
        finally:
            hook.remove()

    def _coupled(self, real: Tensor, told_real: Told, fake: Tensor, told: Told) -> Tensor:
        """The coupling's term of the generator's loss."""
        assert self.coupling is not None
        if self.coupling.kind == "consensus":
            return self._consensus(real, told_real, learns_d=False)

        def loss_d(D: Reader) -> Tensor:
            of_real, of_fake = self._both(D, real, told_real, fake, told)
            return self.loss.d(of_real.logits, of_fake.logits)

        return look_ahead(self.D, loss_d, self.coupling.weight)

    def _consensus(self, real: Tensor, told_real: Told, *, learns_d: bool) -> Tensor:
        assert self.coupling is not None

        def both_losses(G: Reader, D: Reader) -> tuple[Tensor, Tensor]:
            given, told = self.conditions(len(real), told_real)
            of_real, of_fake = self._both(D, real, told_real, G(*given), told)
            logits = of_real.logits, of_fake.logits
            return self.loss.g(*logits), self.loss.d(*logits)

        return consensus(self.G, self.D, both_losses, self.coupling.weight, learns_d=learns_d)
