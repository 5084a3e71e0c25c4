"""A score carries in its name what it was made with, and only equal names are compared."""

from dataclasses import asdict, dataclass
from typing import Any

from image_core.adversarial.errors import UserError


@dataclass(frozen=True)
class Score:
    """One measured number.

    Args:
        measure: Name of the measure, as in "fd", "kd", "precision".
        value: Value of the measure.
        extractor: Short name of the feature extractor: clf, pixels, efflite0, inception.
        digest: Digest of the extractor's weights; scores of different weights do not compare.
        resize: How images reached the extractor's size.
        real: Number of images of the data that were used.
        fake: Number of samples that were used.
    """

    measure: str
    value: float
    extractor: str
    digest: str
    resize: str
    real: int
    fake: int

    @property
    def short(self) -> str:
        """As tables show it: `fid` only where the true Inception network was used."""
        if self.measure == "fd" and self.extractor == "inception":
            return "fid"
        if self.measure == "kd" and self.extractor == "inception":
            return "kid"
        return f"{self.measure}-{self.extractor}"

    @property
    def name(self) -> str:
        """All of it: fd-clf@1a2b3c4d/none/10000x10000."""
        return f"{self.short}@{self.digest[:8]}/{self.resize}/{self.real}x{self.fake}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, the name among them."""
        return {"name": self.name, **asdict(self)}


def difference(one: Score, other: Score) -> float:
    """one - other.

    Args:
        one: Score to compare.
        other: Score that is taken from it.

    Raises:
        UserError: They were not made the same way.
    """
    if one.name != other.name:
        raise UserError(
            f"{one.name} and {other.name} are different scores; measure both with one extractor, "
            "resize and number of samples"
        )
    return one.value - other.value
