"""Systems of picture translation, one a file."""
