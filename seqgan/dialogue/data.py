"""Options that name the dialogues of a run."""

from dataclasses import dataclass

from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.recipe import RunConfig
from seqgan.dialogue.layouts import assignments
from seqgan.dialogue.reading import CHATTERBOT, CHITCHAT


@dataclass(kw_only=True)
class DialogueDataOptions(RunConfig):
    """Data.

    Args:
        data: Dialogues to learn from: a file (.jsonl, .json, .parquet, .csv, packed or not, in any
            layout of docs/dialogue.md; or text with a dialogue a line, or an empty line between
            dialogues), a hub data set, "chitchat" or "chatterbot" of an installed package.
        valid: Dialogues that stop maximum likelihood; a drawn twentieth of the data when left out.
        test: Dialogues to measure on; the validation set when left out.
        prompts: Prompts that nobody has answered, which the adversarial rounds answer besides: a
            file with one a line, or with a column prompt of texts or messages.
        where: Condition that dialogues of --test meet in a column, as in train_overlap=0.
        columns: Columns of tables whose names are not told, as in prompt=question,completion=reply.
        limit: Most dialogues of the data; all when left out.
        backward: Whether to learn what was said before a turn and not the answer to it, for
            --backward of `seqgan chat`.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    data: str = CHITCHAT
    valid: str | None = None
    test: str | None = None
    prompts: str | None = None
    where: str = ""
    columns: str = ""
    limit: int | None = None
    backward: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.limit is not None:
            options.check_least(self, 2, "limit")
        if self.where and self.test is None:
            raise UserError(f"--where {self.where} keeps rows of --test, which is not named")
        if self.columns:
            assignments(self.columns)
        if self.data == CHITCHAT:
            for name in ("valid", "test", "where"):
                if getattr(self, name):
                    raise UserError(f"--{name} is not for --data {CHITCHAT}, which has its own")
        if self.columns and self.data in (CHITCHAT, CHATTERBOT):
            raise UserError(f"--columns is not for --data {self.data}, which is no table")
