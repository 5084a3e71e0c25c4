"""Papers on retrieval, one module each."""
