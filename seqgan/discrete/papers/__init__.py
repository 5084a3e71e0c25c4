"""Papers on discrete variables, one module each."""
