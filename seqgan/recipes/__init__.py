"""Recipes: a configuration, its phases, its result. The command line runs them; tests run every preset."""

__all__ = ["oracle", "text"]
