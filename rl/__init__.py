"""Adversarial imitation in gymnasium, on `image_core.adversarial`. Nothing is here yet."""
