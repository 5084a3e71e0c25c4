"""Studies of any recipe: a search over its options by any number of workers."""
