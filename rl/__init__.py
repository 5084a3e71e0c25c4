"""Adversarial imitation in gymnasium environments, on `image_core.adversarial`."""
