"""Boundary-seeking GANs on independent discrete variables: pixels, palette images, characters."""
