"""Image GANs, one module each: `seqgan train image --paper NAME`."""
