"""Demonstrations in files: what is read, how it is checked, and the npz that is written.

docs/demonstrations.md describes the formats.
"""

from rl.formats.load import Demonstrations as Demonstrations
from rl.formats.load import load_demonstrations as load_demonstrations
from rl.formats.load import read_demonstrations as read_demonstrations
from rl.formats.npz import save_npz as save_npz
from rl.formats.raw import Raw as Raw
from rl.formats.raw import encode as encode
from rl.formats.replay import replay_episodes as replay_episodes
