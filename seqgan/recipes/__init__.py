"""Recipes: a configuration, its phases, its result."""
