"""Networks of two domains that share all layers but those next to the pictures (CoGAN)."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from image_core.nets.dcgan import dcgan
from image_core.nets.layers import Leaky, weighted

KERNEL = 5
"""Side in pixels of the kernels of the layers that belong to one domain."""


@final
class CoupledGenerator(nn.Module):
    """Latents to a picture of either domain: trunks, and a last layer of each domain.

    Args:
        trunk_a: Network from latents to maps, for A.
        trunk_b: The same for B; the same object where the domains share it.
        maps: Number of maps.
        channels: Colours of A and of B.
    """

    def __init__(
        self, trunk_a: nn.Module, trunk_b: nn.Module, maps: int, channels: tuple[int, int]
    ):
        super().__init__()
        self.trunk_a, self.shares = trunk_a, trunk_a is trunk_b
        self.trunk_b = None if self.shares else trunk_b
        heads = [
            nn.Sequential(weighted("none", nn.Conv2d(maps, c, KERNEL, 1, KERNEL // 2)), nn.Tanh())
            for c in channels
        ]
        self.to_a, self.to_b = heads

    def forward(
        self, z: Float[Tensor, "N latent"]
    ) -> tuple[Float[Tensor, "N C H W"], Float[Tensor, "N D H W"]]:
        maps = self.trunk_a(z)
        return self.to_a(maps), self.to_b(maps if self.trunk_b is None else self.trunk_b(z))


@final
class CoupledDiscriminator(nn.Module):
    """Pictures of either domain to logits: a first layer of each domain, and trunks.

    Args:
        trunk_a: Network from maps of half the side to logits, for A.
        trunk_b: The same for B; the same object where the domains share it.
        maps: Number of maps.
        channels: Colours of A and of B.
    """

    def __init__(
        self, trunk_a: nn.Module, trunk_b: nn.Module, maps: int, channels: tuple[int, int]
    ):
        super().__init__()
        self.trunk_a, self.shares = trunk_a, trunk_a is trunk_b
        self.trunk_b = None if self.shares else trunk_b
        heads = [
            nn.Sequential(weighted("none", nn.Conv2d(c, maps, 4, 2, 1)), Leaky(0.2))
            for c in channels
        ]
        self.from_a, self.from_b = heads

    def forward(
        self, a: Float[Tensor, "N C H W"], b: Float[Tensor, "M D H W"]
    ) -> tuple[Float[Tensor, " N"], Float[Tensor, " M"]]:
        of_a, of_b = self.from_a(a), self.from_b(b)
        return self.trunk_a(of_a), (self.trunk_b or self.trunk_a)(of_b)


def coupled_networks(
    side: int, channels: tuple[int, int], latent: int, width: float, *, shares: bool
) -> tuple[CoupledGenerator, CoupledDiscriminator]:
    """Generator and discriminator whose inner parts are DCGAN's; the discriminator has no norm.

    Args:
        side: Side of the pictures, a power of two of at least 16.
        channels: Colours of A and of B.
        latent: Size of z.
        width: Channels, as a multiple of DCGAN's.
        shares: Whether the domains share the inner layers; without, they have their own.
    """
    maps = max(4, round(32 * width))
    trunks = [
        (
            dcgan(side, maps, latent, width=width, norm="none")[0],
            dcgan(side // 2, maps, latent, width=2 * width, norm="none")[1],
        )
        for _ in range(1 if shares else 2)
    ]
    (g_a, d_a), (g_b, d_b) = trunks[0], trunks[-1]
    return (
        CoupledGenerator(g_a, g_b, maps, channels),
        CoupledDiscriminator(d_a, d_b, maps, channels),
    )
