"""Adversarial imitation in gymnasium. Nothing is here yet; the core it will stand on is `image_core.adversarial`."""
