"""Arrays of HDF5 files: whole in memory, and of no file but their own."""

from typing import Any

import numpy as np

from image_core.adversarial.errors import UserError
from image_core.packed import check_unpacked


def check_own(file: Any, where: str) -> None:
    """Refuse a file that would have another one read: whoever made it would choose which.

    Args:
        file: Open HDF5 file.
        where: Name of the file, for complaints.

    Raises:
        UserError: A link, or the numbers of a data set, lead to another file.
    """
    told = file.visititems_links(_is_linked) or file.visititems(_is_outside)
    if told:
        raise UserError(f"{where}: {told} lies in another file; copy it into this one")


def _is_linked(name: str, link: Any) -> str | None:
    import h5py

    return name if isinstance(link, h5py.ExternalLink) else None


def _is_outside(name: str, node: Any) -> str | None:
    import h5py

    if not isinstance(node, h5py.Dataset):
        return None
    virtual = node.virtual_sources() if node.is_virtual else []
    return name if node.external or any(one.file_name != "." for one in virtual) else None


def whole(data: Any, where: str) -> np.ndarray:
    """A data set in memory, unless it unpacks to very much more than its file.

    Args:
        data: Data set of HDF5.
        where: Name of the file and of what is in it, for complaints.

    Raises:
        UserError: It is a bomb.
        TypeError: It is one value.
    """
    check_unpacked(where, data.size * data.dtype.itemsize, data.id.get_storage_size())
    found = data[()]
    if not isinstance(found, np.ndarray):
        raise TypeError("one value, not an array")
    return found
