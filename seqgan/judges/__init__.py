"""Learned judges of text: classifiers of samples, and encoders of sentences."""
