"""Evaluation of text that any tool wrote: files in, table, result.json and one HTML report out."""
