"""Tiny runs of retrieval on made data."""

from seqgan.cli import main
from tests.seqgan.retrieval.made import write_answers, write_letor, write_pairs


def files(folder, task="item"):
    """Options that name made data."""
    if task == "item":
        return ["--data", write_pairs(folder / "pairs.tsv", users=40, each=12), "--relevant", "4"]
    make, end = (write_letor, "txt") if task == "web" else (write_answers, "tsv")
    names = [make(folder / f"{part}.{end}", seed=n) for n, part in enumerate(("train", "test"))]
    return ["--task", task, "--data", names[0], "--test", names[1]]


def tiny(folder, *words, task="item", out="run"):
    options = ["--preset", "tiny", *files(folder, task), "--out", str(folder / out), *words]
    assert main(["train", "retrieve", *options]) == 0
    return folder / out


def opened(folder):
    from seqgan.commands.recipes import open_run

    made = open_run(str(folder))
    made.load()
    return made
