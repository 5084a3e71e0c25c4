"""Decipherment: text and enciphered text that are no pairs, translated into each other."""
