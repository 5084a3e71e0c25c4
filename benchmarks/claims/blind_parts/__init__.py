"""Blocks world: what makes it, checks a plan, and follows one."""
