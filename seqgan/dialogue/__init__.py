"""Dialogue on language models: turns, policies, critics, credit, decoding.

Submodules are imported where they are used: most of them need transformers.
"""
