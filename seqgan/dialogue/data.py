"""Options that name the dialogues of a run."""

from dataclasses import dataclass

from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.recipe import RunConfig
from seqgan.dialogue.turns import CHITCHAT


@dataclass(kw_only=True)
class DialogueDataOptions(RunConfig):
    """Data.

    Args:
        data: Dialogues to learn from: a file (.jsonl, .json, .parquet, .csv, gzipped or not; or one
            dialogue a line, turns separated by tabs), a hub data set, "chitchat" or "chatterbot"
            for those of an installed package.
        valid: Dialogues that stop maximum likelihood; a drawn twentieth of the data when left out.
        test: Dialogues to measure on; the validation set when left out.
        where: Condition that dialogues of --test meet in a column, as in train_overlap=0.
        limit: Most dialogues of the data; all when left out.
        backward: Whether to learn what was said before a turn and not the answer to it, for
            --backward of `seqgan chat`.
    """

    data: str = CHITCHAT
    valid: str | None = None
    test: str | None = None
    where: str = ""
    limit: int | None = None
    backward: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.limit is not None:
            options.check_least(self, 2, "limit")
        if self.where and self.test is None:
            raise UserError(f"--where {self.where} keeps rows of --test, which is not named")
        if self.data == CHITCHAT:
            for name in ("valid", "test", "where"):
                if getattr(self, name):
                    raise UserError(f"--{name} is not for --data {CHITCHAT}, which has its own")
