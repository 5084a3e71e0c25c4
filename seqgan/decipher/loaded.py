"""A trained decipherment run to work with, without its text."""

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError
from image_core.runs.loaded import LoadedRun
from seqgan.decipher.data import letters
from seqgan.decipher.measures import read
from seqgan.decipher.recipe import Run


class LoadedDecipherer(LoadedRun[Run]):
    """A trained decipherment run.

    Args:
        run: Run that was built without data; its last checkpoint is loaded.
    """

    @python_call()
    def decipher(self, text: str) -> str:
        """Plain text of cipher text, whose first letter is of the first place of the key.

        Args:
            text: Cipher text; what is not of the alphabet is left out.

        Raises:
            UserError: No letter is left.
        """
        alphabet = self._run.config.alphabet
        given = letters([text], alphabet)
        if not len(given):
            raise UserError(f"the text holds no letter of {alphabet}")
        return self._run.written(read(self._run.game, given[None], len(alphabet))[0])

    @python_call()
    def encipher(self, text: str) -> str:
        """Cipher text of plain text, by the cipher of the run.

        Args:
            text: Plain text; what is not of the alphabet is left out.
        """
        given = letters([text], self._run.config.alphabet)
        return self._run.written(self._run.cipher.encipher(given[None])[0])


Loaded = LoadedDecipherer
