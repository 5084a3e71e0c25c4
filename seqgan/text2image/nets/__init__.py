"""Networks of text-to-image systems."""
