"""Readers of sets of images, and toy data drawn by number."""
