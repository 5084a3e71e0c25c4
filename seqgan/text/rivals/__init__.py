"""Rivals of an adversary on one task: prompts, few answers, a check, and equal CPU seconds."""
