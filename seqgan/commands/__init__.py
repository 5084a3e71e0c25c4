"""Commands of the command line: one module each with a `run(words)`, listed in `seqgan/cli.py`."""
