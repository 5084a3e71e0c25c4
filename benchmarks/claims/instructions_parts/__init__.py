"""Instructions to a chat model: the generator of plans, and its settings."""
