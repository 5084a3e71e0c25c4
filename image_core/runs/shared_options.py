"""Groups of options that several recipes have, each declared once."""

from dataclasses import dataclass

from image_core.runs import options
from image_core.runs.recipe import RunConfig


@dataclass(kw_only=True)
class PrecisionOptions(RunConfig):
    """Precision.

    Args:
        precision: Number format of the networks: no (float32) or bf16, in which losses and
            penalties stay in float32; in YAML write 'no' in quotes.
    """

    precision: str = "no"

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("precision", self.precision, ("no", "bf16"))


@dataclass(kw_only=True)
class ShardOptions(RunConfig):
    """Modules that processes share.

    Args:
        shard: Modules of which each of several processes holds a part between moves (FSDP2), as in
            G,D.
    """

    shard: str = ""


@dataclass(kw_only=True)
class AdamDecays(RunConfig):
    """Adam.

    Args:
        beta1: Decay of the mean of gradients.
        beta2: Decay of the mean of squared gradients.
    """

    beta1: float = 0.5
    beta2: float = 0.999

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_below_one(self, "beta1", "beta2")


@dataclass(kw_only=True)
class AlarmOptions(RunConfig):
    """Alarms.

    Args:
        alarms: Action at signs of collapse (few different samples, low entropy of tokens, or a
            discriminator that wins or is at chance): warn, stop or off.
    """

    alarms: str = "warn"

    def __post_init__(self) -> None:
        super().__post_init__()
        options.check_choice("alarms", self.alarms, ("warn", "stop", "off"))
