"""Shapes of sequence games."""
