"""The papers of decipherment, one module each."""
