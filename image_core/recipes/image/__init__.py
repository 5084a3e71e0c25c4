"""`seqgan train image`: image GANs of any loss, penalty, norm and architecture."""
