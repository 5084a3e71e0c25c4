"""Images from sentences: StackGAN and its relatives."""
