"""A discriminator of features of states: what a style consists of, and nothing else."""

from collections.abc import Callable, Sequence
from typing import final

from jaxtyping import Bool, Float
from torch import Tensor

from image_core.adversarial.errors import UserError
from rl.discriminators import Discriminator, bound
from rl.envs.spaces import Actions, Observations
from rl.nets import Normaliser, mlp

FeaturesOf = Callable[[Tensor], Tensor]
"""From observations (N, ...) to features (N, F)."""


@final
class FeatureDiscriminator(Discriminator):
    """Dense layers over the features of a state and of the next one; no action enters.

    Args:
        features_of: Function from observations to features; None takes the observations.
        observations: What the features are.
        actions: Actions of the environment, which it does not see.
        normaliser: Normaliser of features.
        hidden: Widths of the layers.
        spectral: Whether each dense weight is divided by its largest singular value.

    Source: Peng et al. 2021, section 5.
    """

    def __init__(
        self,
        features_of: FeaturesOf | None,
        observations: Observations,
        actions: Actions,
        normaliser: Normaliser,
        hidden: Sequence[int] = (64, 64),
        spectral: bool = False,
    ):
        super().__init__(observations, actions, normaliser, "state_next", hidden)
        self.features_of = features_of
        self.dense = mlp([self.features, *hidden, 1], 1.0)
        if spectral:
            bound(self.dense)

    @staticmethod
    def of(
        features_of: FeaturesOf | None,
        observations: Observations,
        actions: Actions,
        normaliser: Normaliser,
        shown: Tensor,
        hidden: Sequence[int],
        *,
        spectral: bool = False,
    ) -> "FeatureDiscriminator":
        """One whose features are normalised by the demonstrations'.

        Args:
            features_of: Function from observations to features; None takes the observations.
            observations: Observations of the environment.
            actions: Actions of the environment.
            normaliser: Normaliser of observations, used where these are the features.
            shown: Observations of the demonstrations, (N, ...).
            hidden: Widths of the layers.
            spectral: Whether each dense weight is divided by its largest singular value.

        Raises:
            UserError: The function returns no features.
        """
        if features_of is None:
            return FeatureDiscriminator(
                None, observations, actions, normaliser, hidden, spectral=spectral
            )
        found = features_of(shown)
        if not isinstance(found, Tensor) or found.dim() != 2 or len(found) != len(shown):
            told = f"a tensor {tuple(found.shape)}" if isinstance(found, Tensor) else type(found)
            raise UserError(
                f"--features: of observations {tuple(shown.shape)} the function made {told}; it "
                f"must make a tensor ({len(shown)}, F)"
            )
        seen = Observations(observations.space, (found.shape[1],))
        own = Normaliser(seen).to(found.device)
        own.see(found)
        return FeatureDiscriminator(features_of, seen, actions, own, hidden, spectral=spectral)

    def encode_state(
        self, obs: Tensor, absorbing: Bool[Tensor, " batch"]
    ) -> Float[Tensor, "batch inputs"]:
        seen = obs if self.features_of is None else self.features_of(obs).float()
        return super().encode_state(seen, absorbing)

    def score(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, " batch"]:
        return self.dense(self._read(x)).squeeze(1)
