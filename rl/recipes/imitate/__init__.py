"""`seqgan train imitate`: GAIL and its relatives, with controls."""
