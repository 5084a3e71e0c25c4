"""Mazes: what makes them, checks a path, walks them, and writes paths and walls."""
