"""Language models of token sequences: policies, their likelihoods, and training one."""
