"""Recipes of reinforcement learning: imitation, and experts to imitate."""
