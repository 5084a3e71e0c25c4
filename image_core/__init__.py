"""The shared half: the adversarial core, and images. Imports neither `rl` nor `seqgan`."""
