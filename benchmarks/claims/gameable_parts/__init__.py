"""Sequences with a reward that can be gamed: rules, samples, and features of prefixes."""
