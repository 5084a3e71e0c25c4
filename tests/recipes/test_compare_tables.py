"""`seqgan compare` of dialogue, discrete, retrieval and text-to-image runs, on made results."""

import json
from statistics import mean, stdev

import pytest

from image_core.runs.folder import RunFolder
from seqgan.cli import main
from tests.recipes.made import refusal

ROWS = {
    "dialogue": ("human", "dull", "MLE T=0.5", "MLE T=1.0", "GAN T=0.5", "GAN T=1.0"),
    "discrete": ("BGAN", "real again", "independent variables"),
    "retrieve": ("ideal", "random", "popular", "start (no adversary)", "IRGAN"),
    "text2image": ("StackGAN", "real again", "real again, shuffled captions"),
}
COMMON = {
    "dialogue": ["human", "dull"],
    "discrete": ["real again", "independent variables"],
    "retrieve": ["ideal", "random", "popular"],
    "text2image": ["real again", "real again, shuffled captions"],
}


def made(folder, recipe, name, seed, lr, shift):
    """A finished run whose figures are known: row r of run s has `bleu2` r + shift."""
    run = RunFolder(folder / name)
    run.folder.mkdir()
    config = {"out": name, "seed": seed, "data": "d", "g_lr": lr}
    run.config.write_text(json.dumps({"recipe": recipe, "format": 2, **config}))
    figures = {
        row: {"bleu2": place + shift, "distinct2": 0.5, "ndcg@5": place + shift, "empty": ""}
        for place, row in enumerate(ROWS[recipe])
    }
    content = {"table": figures, "seed": seed, "config": config, "data": {"train_rows": 3}}
    run.result.write_text(json.dumps(content))
    rounds = [{"round": r, "d_auc": 0.5 + shift / 10, "nll_valid": r + shift} for r in (1, 2)]
    run.log.write_text("".join(json.dumps(row) + "\n" for row in rounds))
    return str(run.folder)


@pytest.mark.parametrize("recipe", sorted(ROWS))
def test_seeds_are_one_row_and_real_rows_stand_once(tmp_path, capsys, recipe):
    runs = [
        made(tmp_path, recipe, "a", 0, 0.1, 0.0),
        made(tmp_path, recipe, "b", 1, 0.1, 1.0),
        made(tmp_path, recipe, "c", 0, 0.2, 3.0),
    ]
    out = tmp_path / "out"
    assert main(["compare", *runs, "--out", str(out)]) == 0
    table = json.loads((out / "result.json").read_text())["table"]
    models = [row for row in ROWS[recipe] if row not in COMMON[recipe]]
    labels = ("a (2 seeds)", "c (one seed)")
    expected = [f"{label}: {model}" for label in labels for model in models]
    assert list(table) == [*expected, *COMMON[recipe]]
    place, key = ROWS[recipe].index(models[-1]), "ndcg@5"
    half = 12.7062 * stdev([0, 1]) / 2**0.5
    assert table[f"a (2 seeds): {models[-1]}"][key] == f"{place + 0.5:.3f} ±{half:.3f}"
    assert table[f"c (one seed): {models[-1]}"][key] == f"{place + 3:.3f}"
    real = COMMON[recipe][0]
    values = [ROWS[recipe].index(real) + shift for shift in (0, 1, 3)]
    half = 4.3027 * stdev(values) / 3**0.5
    assert table[real][key] == f"{mean(values):.3f} ±{half:.3f}"
    assert "empty" not in table[real]
    page = (out / "report.html").read_text(encoding="utf-8")
    pictures = 2 if recipe == "dialogue" else 1
    assert page.count("data:image/svg+xml;base64,") == pictures
    assert "Data, train: 3 rows" in page
    said = capsys.readouterr().out
    assert "T=0.5" not in said  # all temperatures are on the page alone
    assert "T=0.5" in page or recipe != "dialogue"


def test_what_does_not_compare(tmp_path, capsys):
    one, out = made(tmp_path, "discrete", "a", 0, 0.1, 0.0), ("--out", str(tmp_path / "out"))
    other = made(tmp_path, "retrieve", "b", 0, 0.1, 0.0)
    assert "a run of discrete and" in refusal(capsys, "compare", one, other, *out)
    again = made(tmp_path, "discrete", "c", 0, 0.1, 0.0)
    assert "repeats the options and the seed" in refusal(capsys, "compare", one, again, *out)
    result = tmp_path / "c" / "result.json"
    result.write_text(result.read_text().replace('"data": "d"', '"data": "e"'))
    assert "--data is d in" in refusal(capsys, "compare", one, again, *out)
    result.write_text("{}")
    found = json.loads((tmp_path / "a" / "result.json").read_text())
    result.write_text(json.dumps({**found, "table": {}}))
    assert "holds no table; write one with `seqgan evaluate" in refusal(
        capsys, "compare", one, again, *out
    )
    config = tmp_path / "c" / "config.yaml"
    config.write_text(config.read_text().replace("discrete", "attack"))
    assert "is a run of attack; runs of decipher, dialogue, discrete" in refusal(
        capsys, "compare", again, one, *out
    )
