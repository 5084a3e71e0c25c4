"""Several games played one after another in one run: the real one and its controls.

A result without controls proves little: a positive reward alone teaches CartPole whatever the
demonstrations show. So the same game is played with a discriminator that never learns, and with
demonstrations of a random policy; where those reach the expert too, the result means nothing.
"""

from collections.abc import Mapping, Sequence

from torch import nn

from image_core.adversarial.game import Game, Turn


class ControlledGame(Game):
    """Independent games under one roof, so that all are saved, resumed and reported together.

    Args:
        games: Games by name; the players of the first keep their names, those of others end in
            "_NAME".
    """

    def __init__(self, games: Mapping[str, Game]):
        super().__init__()
        self.games = nn.ModuleDict(games)
        self.first = next(iter(games))

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {
            self.renamed(name, player): parameters
            for name, game in self.games.items()
            for player, parameters in self._game(name).players().items()
        }

    def turns(self) -> Sequence[Turn]:
        """Of the first game; a recipe plays the others by `turns_of` in phases of their own."""
        return self.turns_of(self.first)

    def turns_of(self, name: str) -> Sequence[Turn]:
        """One round of one of the games.

        Args:
            name: Name of the game.
        """
        return [
            turn._replace(player=self.renamed(name, turn.player))
            for turn in self._game(name).turns()
        ]

    def _game(self, name: str) -> Game:
        game = self.games[name]
        assert isinstance(game, Game)
        return game

    def renamed(self, name: str, player: str) -> str:
        """A player of one of the games, as this game names it."""
        return player if name == self.first else f"{player}_{name}"
