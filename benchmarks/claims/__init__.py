"""One page for each headline figure: its data, budget, commands, seeds and assertions.

A page is a module of this folder with a `CLAIM`. `python -m benchmarks.claims --help` says how the
pages are run; docs/papers shows their tables.
"""
