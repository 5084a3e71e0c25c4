"""Systems of imitation, one module each: `seqgan train imitate --paper NAME`."""
