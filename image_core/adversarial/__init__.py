"""The adversarial core: games, the engine that plays them, losses, penalties, estimators, returns.

Knows no pixel, token or environment, and imports nothing of ours outside this folder.
"""
