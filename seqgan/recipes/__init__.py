"""Recipes: a configuration, its phases, its result. Tests run every preset."""

__all__ = ["discrete", "oracle", "retrieve", "text"]
