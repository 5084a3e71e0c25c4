"""Where reading a number from the device costs nothing, and where it stops the program."""

import torch


def reading_is_free(device: torch.device) -> bool:
    """Whether a count can be read without waiting, so that finished rows may leave a batch.

    A CPU computes as it is told; a GPU runs behind the program, which would have to wait for it.
    What games draw depends on it, and nothing else does: a test that compares two devices lets both
    answer alike.

    Args:
        device: Device that holds the count.
    """
    return device.type == "cpu"
