"""Games on token sequences: drawn samples (SeqGAN) and relaxed samples (RelGAN)."""
