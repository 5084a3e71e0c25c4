"""Sequence GANs on text and on an oracle: SeqGAN and related systems."""
