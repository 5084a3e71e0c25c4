"""Some classes of an IDX data set as an .npz: `some_classes.py --data PREFIX --classes 3 5 8`."""

import argparse

import numpy as np

from image_core.data.images import Reading, read_images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="Path up to -images-idx3-ubyte.gz.")
    parser.add_argument("--classes", type=int, nargs="+", required=True)
    parser.add_argument("--out", required=True, help="New .npz of images and labels.")
    options = parser.parse_args()
    read = read_images(f"{options.data}-images-idx3-ubyte.gz", Reading(size=28))
    assert read.labels is not None
    labels = read.labels.numpy()
    kept = np.isin(labels, options.classes)
    np.savez(options.out, images=read.images.numpy()[kept, 0], labels=labels[kept])


if __name__ == "__main__":
    main()
