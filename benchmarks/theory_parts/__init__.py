"""Theorems about adversarial games, each as an exact problem small enough to run."""
