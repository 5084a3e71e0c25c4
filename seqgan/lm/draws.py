"""What a draw from a policy must be given."""

from numbers import Real

from image_core.adversarial.errors import UserError


def check_draw(temperature: float, top_p: float = 1.0) -> None:
    """Reject a temperature or a probability mass from which nothing can be drawn.

    Args:
        temperature: Sampling temperature.
        top_p: Probability mass of nucleus sampling.

    Raises:
        UserError: One of them is out of range.
    """
    if not isinstance(temperature, Real) or not temperature > 0:
        raise UserError(f"temperature={temperature!r}: give a number above 0")
    if not 0 < top_p <= 1:
        raise UserError(f"top_p={top_p}: give a number above 0 and at most 1")
