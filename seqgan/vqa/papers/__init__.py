"""The papers of visual question answering, one module each."""
