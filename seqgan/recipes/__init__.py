"""Recipes: a configuration, its phases, its result. Tests run every preset."""

__all__ = [
    "dialogue",
    "discrete",
    "expert",
    "image",
    "imitate",
    "oracle",
    "retrieve",
    "text",
    "text2image",
]
