"""Systems on sequences, one module each: `seqgan train text|oracle --paper NAME`."""
