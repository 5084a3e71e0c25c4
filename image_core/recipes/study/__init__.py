"""The large-scale study of regularization and normalization as a program (Kurach et al. 2019)."""
