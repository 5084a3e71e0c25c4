"""Retrieval: queries, candidate documents, scorers, baselines and ranking metrics."""
