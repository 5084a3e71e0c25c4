"""Which of each user's pairs are held out: a drawn share, the latest share, or one."""

import numpy as np
from jaxtyping import Bool, Float, Int64

from image_core.adversarial.errors import UserError

SPLITS = ("share", "time", "leave_one_out")


def hold_out(
    users: Int64[np.ndarray, " N"],
    times: Float[np.ndarray, " N"] | None,
    *,
    how: str = "share",
    share: float = 0.2,
    seed: int = 0,
) -> Bool[np.ndarray, " N"]:
    """True where a pair is held out: at least one of each user with two, and never all.

    Args:
        users: User of each pair.
        times: Time of each pair, if it is known.
        how: Rule: share draws a share of each user's pairs, time takes the latest share,
            leave_one_out takes the latest pair, or draws it where there are no times.
        share: Share of each user's pairs, rounded down, but one at least.
        seed: Seed of the draw, and of the order of equal times.

    Raises:
        UserError: The rule reads times and there are none.
    """
    if how == "time" and times is None:
        raise UserError(
            "--split time needs a column of times that can be read, such as 2020-01-31 or seconds "
            "since 1970; name it as the fourth of --columns, or use --split share"
        )
    chance = np.random.default_rng(seed).random(len(users))
    if times is None or how == "share":
        order = np.lexsort((chance, users))
    else:
        order = np.lexsort((chance, -times, users))
    counts = np.bincount(users) if len(users) else np.zeros(0, np.int64)
    first = np.cumsum(counts) - counts
    place = np.empty(len(users), np.int64)
    place[order] = np.arange(len(users)) - np.repeat(first, counts)
    wanted = np.ones(len(counts)) if how == "leave_one_out" else np.floor(share * counts)
    wanted = np.where(counts > 1, np.maximum(1, wanted), 0)
    return place < wanted[users]
