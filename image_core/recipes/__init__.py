"""Recipes of images: configuration, run and report of each."""
