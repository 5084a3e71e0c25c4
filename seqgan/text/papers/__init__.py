"""Papers on sequence GANs, one module each: `seqgan train text|oracle --paper NAME`."""
