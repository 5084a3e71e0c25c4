"""The shared half: the adversarial core, and what images need. Imports neither `rl` nor `seqgan`."""
