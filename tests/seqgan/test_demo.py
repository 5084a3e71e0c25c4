"""The demo: its commands, how they are run, and what its page says of their results."""

import base64
import json
import re

import pytest

from image_core.adversarial.errors import UserError
from seqgan.cli import main
from seqgan.commands import demo
from seqgan.commands.demo_page import CLONING, read_findings, write_page

RETURNS = {0: (500.0, 300.0), 1: (480.0, 100.0)}
"""Returns of GAIL and of cloning, by seed."""


def write_result(folder, **result):
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(result))


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A demo's folder with the results of its runs, made by hand."""
    out = tmp_path_factory.mktemp("demo")
    for seed, (gail, bc) in RETURNS.items():
        rows = {
            "expert": 500.0,
            "GAIL": gail,
            "discriminator never trained": 120.0,
            "random demonstrations": 20.0,
            "random policy": 21.0,
        }
        write_result(
            out / f"gail{seed}",
            table={name: {"return": value} for name, value in rows.items()},
            returns={"imitation": [gail, gail], "untrained": [120.0], "random": [20.0]},
        )
        episodes = {"imitation": [bc - 50, bc + 50]}
        write_result(out / f"bc{seed}", table={"BC": {"return": bc}}, returns=episodes)
    text = {"MLE": {"bleu5": 0.25}, "SeqGAN": {"bleu5": 0.5}, "human": {}}
    write_result(out / "text", table=text)
    (out / "text" / "samples").mkdir()
    (out / "text" / "samples" / "mle.txt").write_text("hi <unk>\n")
    (out / "text" / "samples" / "seqgan.txt").write_text("a < b\nwho are <unk> $x$\nfine\n")
    return out


def test_findings_are_means_over_seeds_and_all_episodes(out):
    found = read_findings(out, tuple(RETURNS))
    assert found.returns[CLONING] == [300.0, 100.0]
    assert found.episodes[CLONING].tolist() == [250, 350, 50, 150]
    says = "GAIL keeps the pole up for 490 of 500 steps and behavioural cloning for 200 (means of 2"
    assert says in found.told()
    assert found.unknown() == "1 of 3 sentences of SeqGAN holds <unk>."


def test_the_page_holds_picture_figures_and_samples_and_needs_no_network(out):
    write_page(out, read_findings(out, tuple(RETURNS)), ["train text --out 'a b'"])
    page = (out / "report.html").read_text(encoding="utf-8")
    (picture,) = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert base64.b64decode(picture) == (out / "demo.png").read_bytes()
    assert re.search(r"<th>GAIL</th><td>490[.\d]*</td><td>500[.\d]*</td><td>480", page)
    assert re.search(r"<th>bleu5</th><td>0.25\d*</td><td>0.5\d*</td><td></td>", page)
    assert "<td>SeqGAN</td><td>a &lt; b</td>" in page
    assert "seqgan train text --out &#39;a b&#39;" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)


@pytest.mark.parametrize("line", [demo.TEXT, demo.EXPERT, demo.GAIL, demo.CLONING])
def test_the_training_commands_are_accepted(line, capsys):
    line = line.format(out="x", seed=3)
    with pytest.raises(SystemExit) as stop:
        main([*line.split(), "--print_config"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    for option, value in re.findall(r"--(\w+) (\S+)", line.replace("--preset", "")):
        assert re.search(rf"^{option}: {re.escape(value)}$", printed, re.MULTILINE)


def test_every_seed_plays_gail_and_cloning_on_its_own_episode(tmp_path):
    lines = demo.planned(tmp_path)["cartpole"]
    for seed in demo.SEEDS:
        demos = f"{tmp_path}/demos{seed}.npz"
        assert [line.split()[0] for line in lines if demos in line] == ["demos", "train", "train"]
    assert len(lines) == 1 + 3 * len(demo.SEEDS)


def test_a_command_that_fails_ends_the_demo_and_is_named(tmp_path, capsys):
    with pytest.raises(UserError, match=r"ended with 2; .*b\.log says why"):
        demo.side_by_side({"a": ["--version", "--version"], "b": ["nothing"]}, tmp_path)
    assert "no command 'nothing'" in (tmp_path / "b.log").read_text()
    assert re.search(r"0 s  b +seqgan nothing", capsys.readouterr().out)


def test_commands_of_a_part_run_in_turn(tmp_path, capsys):
    demo.side_by_side({"a": ["--version", "-V"]}, tmp_path)
    log = (tmp_path / "a.log").read_text()
    assert re.fullmatch(r"\$ seqgan --version\nseqgan \S+\n\$ seqgan -V\nseqgan \S+\n", log)
    assert capsys.readouterr().out.count("s  a ") == 3
