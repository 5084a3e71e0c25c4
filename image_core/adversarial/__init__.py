"""The adversarial core: games, the engine that plays them, losses, penalties, estimators, returns.

It is independent of pixels, tokens and environments, and imports nothing of this repository outside
this folder.
"""
