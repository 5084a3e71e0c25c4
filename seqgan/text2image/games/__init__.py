"""Shapes of text-to-image games."""
