"""Dialogue systems, one module a paper; `seqgan train dialogue --paper NAME` takes them."""
