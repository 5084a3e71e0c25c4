"""Commands of the command line: one module each with `run(words)`, listed in `seqgan/cli.py`."""
