"""Attacks on an image classifier, and a defence."""
