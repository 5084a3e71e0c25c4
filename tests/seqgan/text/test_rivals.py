"""The table of rivals: rows, their figures by hand, going on, and what is refused."""

import itertools
import json
from dataclasses import replace

import pytest
import torch

from seqgan.cli import main
from seqgan.data.tokenizer import END
from seqgan.lm.policies import LSTMPolicy
from seqgan.text.rivals import measure, rows, table, training, turned
from seqgan.text.rivals.config import RivalOptions
from seqgan.text.rivals.task import read_task
from seqgan.text.rivals.training import Clock
from tests.recipes.made import refusal

CHECK = """
def check(prompts, answers):
    return [answer == prompt for prompt, answer in zip(prompts, answers)]

def reward(sentences):
    return [float(sentence.count("h")) for sentence in sentences]

def short(prompts, answers):
    return [True]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Answers that repeat their prompt: pairs, validation, tests, prompts, labels."""
    folder = tmp_path_factory.mktemp("rivals")
    every = [" ".join(pair) for pair in itertools.product("cdefghij", repeat=2)]
    parts = {"pairs": every[::4], "valid": every[1::8], "test": every[5::8], "more": every[2::4]}
    for name, prompts in parts.items():
        (folder / f"{name}.txt").write_text("".join(f"{p} => {p}\n" for p in prompts))
    (folder / "prompts.txt").write_text("".join(f"{p}\n" for p in every[2::4]))
    (folder / "copying.py").write_text(CHECK)
    return folder


def words(folder, out, *more):
    files = [f"--{n} {folder / (n if n != 'data' else 'pairs')}.txt" for n in ("data", "valid")]
    files += [f"--{name} {folder / name}.txt" for name in ("test", "prompts")]
    sizes = "--seconds 0.02 --hidden 8 --embedding 4 --batch 8 --prompts_batch 4 --candidates 2"
    line = f"{' '.join(files)} --check copying:check {sizes} --frozen_steps 3 --d_warmup_steps 2"
    return ["rivals", *line.split(), "--out", str(out), *more]


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))


@pytest.fixture
def task(folder, here):
    names = {n: str(folder / f"{n}.txt") for n in ("valid", "test", "prompts")}
    more = {"hidden": 8, "embedding": 4, "reward": "copying:reward", "batch": 8}
    return read_task(
        RivalOptions(data=str(folder / "pairs.txt"), check="copying:check", **names, **more)
    )


@pytest.mark.usefixtures("here")
def test_a_table_of_all_rows_goes_on_where_it_stopped(folder, capsys):
    out = folder / "out"
    labelled = ["--labelled", str(folder / "more.txt"), "--seeds", "2", "--translated", "64"]
    assert main(words(folder, out, *labelled)) == 0
    result = json.loads((out / "result.json").read_text())
    names = list(result["table"])
    assert names == [
        *("MLE start", "MLE longer", "MLE at its best temperature", "larger MLE"),
        *("self-training", "back-translation", "best of 4 at decoding", "best of 16 at decoding"),
        *("best of 2, distilled", "adversary", "control: permuted"),
        *("ceiling: labels", "ceiling: checked"),
    ]
    for name in names:
        each = [result["seeds"][seed][name]["sampled"] for seed in ("0", "1")]
        assert result["table"][name]["sampled"] == pytest.approx(sum(each) / 2)
    gap = result["differences"]["MLE longer"]["sampled"]
    seeds = result["seeds"].values()
    each = [seed["adversary"]["sampled"] - seed["MLE longer"]["sampled"] for seed in seeds]
    assert gap[0] == pytest.approx(sum(each) / 2)
    # Half the width of two values' interval: t(1) |a - b| / 2
    assert gap[2] - gap[0] == pytest.approx(12.7062 * abs(each[0] - each[1]) / 2, abs=1e-3)
    capsys.readouterr()
    files = sorted(out.rglob("seeds/*/*.json"))
    before = {file: file.stat().st_mtime_ns for file in files}
    (out / "seeds" / "1" / "adversary.json").unlink()
    assert main(words(folder, out, *labelled)) == 0
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1].strip() for line in said] == ["adversary"]
    changed = [file for file in files if file.stat().st_mtime_ns != before[file]]
    assert [file.name for file in changed] == ["adversary.json"]
    said = refusal(capsys, *words(folder, out, *labelled, "--g_lr", "0.1"))
    assert "holds a table with another --g_lr" in said


def test_rows_of_a_reward_and_of_a_choice(task):
    names = list(rows.rows_of(task))
    judges = ("", "frozen D + ", "co-trained D + ", "matched D + ")
    assert {f"reward + {judge}KL 0.3" for judge in judges} < {*names}
    assert "adversary" not in names
    assert "ceiling: labels" not in names
    task.options.only = "reward + KL 0.1, larger"
    assert list(rows.rows_of(task)) == ["MLE start", "larger MLE", "reward + KL 0.1"]
    task.options.only = ""


class Copies(LSTMPolicy):
    """Repeats the prompt where its first token is an even id, else writes one token and no end."""

    def sample(self, count, length, *, temperature=1.0, top_p=1.0, never=(), prompt=None):
        rows = torch.zeros(count, length, dtype=torch.int64)
        rows[:, :3], rows[:, 3:5], rows[:, 5] = prompt, prompt[:, :2], END
        odd = prompt[:, 0] % 2 == 1
        rows[odd, 5] = prompt[odd, 0]
        return rows


class Wrong(LSTMPolicy):
    """Writes the first token of the prompt three times."""

    def sample(self, count, length, *, temperature=1.0, top_p=1.0, never=(), prompt=None):
        rows = torch.zeros(count, length, dtype=torch.int64)
        rows[:, :3], rows[:, 3:6] = prompt, prompt[:, :1]
        return rows


def test_figures_by_hand(task):
    policy = Copies(task.tokenizer.vocab_size, start=1, end=2, pad=0)
    even = (task.test[:, 0] % 2 == 0).float().mean().item()
    found = measure.figures(task, policy)
    assert found["greedy"] == pytest.approx(even)
    assert found["sampled"] == pytest.approx(even)
    assert found["distinct"] == 1
    texts = [
        task.tokenizer.decode(row) for row in policy.sample(8, 6, prompt=task.test[:, :3]).tolist()
    ]
    assert found["reward"] == pytest.approx(sum(text.count("h") for text in texts) / 8)
    right = task.valid_rows(policy.sample(8, 6, prompt=task.test[:, :3])).tolist()
    earned = sum(t.count("h") for t, valid in zip(texts, right, strict=True) if valid) / 8
    assert found["earned"] == found["best_earned"] == pytest.approx(earned)
    # What repeats itself earns once
    place = max(range(8), key=lambda row: right[row] * texts[row].count("h"))
    repeated = replace(task, test=task.test[[place] * 4])
    again = measure.rewarded(repeated, policy)
    assert again["reward"] == texts[place].count("h") > 0
    assert again["earned"] == pytest.approx(again["reward"] / 4)
    assert task.valid_rows(task.test).all()


def test_the_best_of_several_is_what_the_discriminator_prefers(task):
    D = task.discriminator()
    D.scorer = lambda: lambda tokens: tokens[:, 3].float()  # the larger, the better
    torch.manual_seed(0)
    policy = LSTMPolicy(task.tokenizer.vocab_size, start=1, end=2, pad=0)
    rows_ = []
    draw = policy.sample
    policy.sample = lambda *a, **k: rows_.append(draw(*a, **k)) or rows_[-1]
    chosen = measure.choose(task, policy, D, task.test[:4, :3], 5)
    (drawn,) = rows_
    for place, row in enumerate(chosen):
        part = drawn[5 * place : 5 * place + 5]
        assert row[3] == part[:, 3].max()
        assert torch.equal(row[:3], task.test[place, :3])


def test_a_discriminator_is_taught_what_its_generator_writes(task):
    """That no answer repeats its prompt, and the generator stays as it is."""
    torch.manual_seed(0)
    policy = Wrong(task.tokenizer.vocab_size, start=1, end=2, pad=0)
    game = training.prompted_game(task, policy)
    before = {name: value.clone() for name, value in game.G.state_dict().items()}
    task.options.frozen_steps = 60
    training.teach(task, game, seed=0)
    assert measure.quality(task, policy, game.D.eval())["d_accuracy"] > 0.9
    assert all(torch.equal(game.G.state_dict()[name], value) for name, value in before.items())


def test_some_test_lines_are_of_everywhere(task):
    rows = [row.tolist() for row in task.test]
    some = [rows.index(row.tolist()) for row in task.some_test(len(rows) // 2)]
    assert some == sorted(set(some))
    assert some[-1] > len(rows) // 2
    assert len(task.some_test(10**6)) == len(rows)


def test_lines_are_turned_round(task):
    pairs = turned.halves(task.pairs[:2], task.mark)
    assert [pair[0] for pair in pairs] == [row[:2] for row in task.pairs[:2].tolist()]
    assert torch.equal(turned.joined(pairs, task.mark, task.length), task.pairs[:2])
    made = turned.translated(task, 0.02, 0)
    assert task.valid_rows(made).shape == (len(made),)
    known = {tuple(pair[1]) for pair in turned.halves(task.pairs, task.mark)}
    written = [tuple(pair[1]) for pair in turned.halves(made, task.mark)]
    assert sum(answer in known for answer in written) >= len(written) / 3


def test_a_clock_falls_from_one_to_zero(monkeypatch):
    now = [5.0]
    monkeypatch.setattr("seqgan.text.rivals.training.time.process_time", lambda: now[0])
    clock = Clock(4.0)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = clock.falling(0.1)(optimizer)
    found = []
    for second in (6.0, 8.0, 9.0, 20.0):
        now[0] = second
        optimizer.step()
        schedule.step()
        found.append(optimizer.param_groups[0]["lr"])
    assert found == pytest.approx([0.75, 0.25, 0.1, 0.1])
    assert clock.left() == 0
    assert Clock(-1.0).left() == 0


def test_differences_of_one_seed_have_no_interval():
    seeds = {3: {"adversary": {"greedy": 0.9}, "MLE": {"greedy": 0.6}}}
    assert table.differences(seeds, "adversary") == {"MLE": {"greedy": pytest.approx((0.3,))}}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--check", "copying:nothing"], "has no 'nothing'"),
        (["--check", "copying:short"], "return one for each"),
        (["--seconds", "0"], "--seconds"),
        (["--prompts", "test.txt"], "has an answer behind --prompt_end"),
        (["--valid", "test.txt"], "8 prompts of --test"),
        (["--prompt_end", "c"], "has no --prompt_end"),
    ],
)
def test_what_is_refused(folder, tmp_path, capsys, options, told):
    assert told in refusal(capsys, *words(folder, tmp_path / "out", *options))


@pytest.mark.usefixtures("here")
def test_another_device_is_the_default_of_a_table_alone(monkeypatch):
    seen = []
    monkeypatch.setattr(table, "pick_device", lambda name: torch.device("meta"))
    monkeypatch.setattr(table, "_check_same", lambda options, out: None)
    monkeypatch.setattr(table, "read_task", lambda options: seen.append(torch.zeros(1).device.type))
    monkeypatch.setattr(table, "rows_of", lambda task: {})
    monkeypatch.setattr(table, "warm_up", lambda task: None)
    monkeypatch.setattr(table, "_write", lambda *given: seen.append(torch.zeros(1).device.type))
    names = dict.fromkeys(("data", "valid", "test", "prompts"), "")
    table.make_table(RivalOptions(**names, check="copying:check"))
    assert seen == ["meta", "cpu"]
