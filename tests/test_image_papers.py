"""benchmarks/image_papers.py: its table from results of every kind of paper."""

import json
from pathlib import Path

from benchmarks import image_papers
from image_core.recipes.image.recipe import PAPERS
from image_core.recipes.image.report import AGAIN


def result(title: str, fd: float, discriminator: dict[str, float]) -> str:
    """What a run leaves, as far as the table reads it."""
    table = {title: {"fd-clf": fd}, AGAIN: {"fd-clf": 1.0}}
    return json.dumps(
        {
            "table": table,
            "intervals": {AGAIN: {"fd-clf": [0.5, 1.5]}, "over": "draws"},
            "objective": {"loss": "-", "penalty": "none"},
            "discriminator": discriminator,
            "rounds": 7,
        }
    )


def test_a_paper_without_a_discriminator_has_a_row_without_its_quality(tmp_path: Path) -> None:
    judged = {"vae": {}, "dcgan": {"d_accuracy": 0.8, "d_auc": 0.9}}
    for paper, discriminator in judged.items():
        title = PAPERS.load(paper).title
        for seed, fd in ((0, 2.0), (1, 4.0)):
            folder = tmp_path / f"digits-{paper}-{seed}"
            folder.mkdir()
            (folder / "result.json").write_text(result(title, fd, discriminator))
    rows = image_papers.rows(tmp_path, "digits", [0, 1])
    assert list(rows) == ["dcgan", "vae", AGAIN]
    assert rows["vae"]["fd-clf"].startswith("3")
    assert "d_auc" not in rows["vae"]
    assert rows["dcgan"]["d_auc"].startswith("0.9")
    assert rows[AGAIN] == {"fd-clf": "1 (0.5 - 1.5)"}
    last = image_papers.markdown(rows).splitlines()[3]
    assert last.startswith("| vae | - | none | 7, 7 | 3")
    assert last.endswith("|  |  |  |  |  |")
