"""Evaluation of text files from any source: a table, result.json and an HTML report."""
