"""Shared parts of all recipes: run folder, phases, options, training loop and reports."""
