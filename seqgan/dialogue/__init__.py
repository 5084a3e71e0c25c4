"""Dialogue on language models: turns, policies, discriminators, credit, decoding.

Submodules are imported where they are used: most of them need transformers.
"""
