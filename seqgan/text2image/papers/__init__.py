"""Papers on pictures from sentences, one module each."""
