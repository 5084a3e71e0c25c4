"""`sg.load`: a trained run without its data, and `seqgan sample` on the same object."""

import numpy as np
import pytest
import torch

import seqgan as sg
from image_core.adversarial.errors import UserError
from seqgan.cli import main
from seqgan.data.tokenizer import END, PAD, START, UNK
from seqgan.lm.likelihood import nll
from tests.recipes.made import TINY, TINY_ORACLE, corpus, refusal, sentences, shorten
from tests.recipes.made import short_report as short_report


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run whose data are gone."""
    folder = tmp_path_factory.mktemp("loaded")
    words = ["--mle_epochs", "6", "--mle_lr", "0.03", "--dropout", "0", "--rounds", "1"]
    with pytest.MonkeyPatch.context() as patched:
        shorten(patched, 1.0)
        data = corpus(folder, 200)
        assert main([*TINY, *words, "--data", data, "--out", str(folder / "run")]) == 0
    (folder / "corpus.txt").unlink()
    return folder / "run"


@pytest.fixture(scope="module")
def loaded(folder):
    return sg.load(folder)


REAL = sentences(40, seed=9)


def logits_after(policy, ids):
    """Step by step, without the code that scores."""
    state, given = policy.begin(1), [policy.start, *ids]
    rows = []
    for token in given:
        hidden, state = policy.step(torch.tensor([token]), state)
        logits = policy.logits(hidden)[0].detach()
        logits[[PAD, START]] = -torch.inf
        rows.append(logits)
    return rows


@pytest.mark.parametrize("model", ["seqgan", "mle"])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_scores_are_log_probabilities(loaded, model, temperature):
    game = loaded._run.game
    policy = game.G if model == "seqgan" else game.mle
    scores = loaded.score(REAL, model=model, temperature=temperature)
    (ids,) = loaded.tokenizer.encode(REAL[:1])
    steps = [row.div(temperature).log_softmax(0) for row in logits_after(policy, ids)]
    expected = sum(float(row[token]) for row, token in zip(steps, [*ids, END], strict=True))
    assert scores[0] == pytest.approx(expected, abs=1e-4)
    # As the run's own NLL has it, over all tokens and ends
    tokens = loaded._run.encode_sentences(REAL)
    count = sum(len(row) + 1 for row in loaded.tokenizer.encode(REAL))
    own = nll(policy, tokens, temperature)
    assert -scores.sum() / count == pytest.approx(own, abs=1e-5)


def test_greedy_is_the_likeliest_token_each_time(loaded):
    policy, ids = loaded._run.game.G.eval(), []
    while len(ids) < loaded._run.game.length:
        logits = logits_after(policy, ids)[-1]
        logits[UNK] = -torch.inf
        if (token := int(logits.argmax())) == END:
            break
        ids.append(token)
    assert loaded.sample(greedy=True) == [loaded.tokenizer.decode(ids)]
    assert loaded.sample(greedy=True) == loaded.sample(greedy=True)


def test_prompts_are_kept_in_their_order(loaded):
    prompts = ["the dog", "my", "a cat sees"]
    lines = loaded.sample(3, prompts=prompts, seed=1)
    assert len(lines) == 9
    for place, line in enumerate(lines):
        given = prompts[place // 3].split()
        assert line.split()[: len(given)] == given
    assert len(set(lines)) > 5
    # One prompt draws what it drew before there could be several
    torch.manual_seed(4)
    rows = loaded._run.game.sample(
        5, policy=loaded._run.game.G, never=(UNK,), prompt=loaded._run.encode_prompt("my")
    )
    expected = [loaded.tokenizer.decode(row) for row in rows.tolist()]
    assert loaded.sample(5, prompts=["my"], seed=4) == expected


def test_top_p_draws_from_the_likeliest_tokens(loaded):
    logits = logits_after(loaded._run.game.G.eval(), [])[0]
    logits[UNK] = -torch.inf
    falling = logits.softmax(0).sort(descending=True)
    kept = int((falling.values.cumsum(0) < 0.5).sum()) + 1
    allowed = {loaded.tokenizer.decode([token]) for token in falling.indices[:kept].tolist()}
    firsts = {line.split()[0] for line in loaded.sample(300, top_p=0.5, seed=0) if line}
    assert firsts <= allowed
    assert len(firsts) == len(allowed - {""})


def test_the_discriminator_gives_its_logits(loaded):
    game = loaded._run.game
    rows = loaded._run.encode_sentences(REAL)
    assert rows.shape[1] == game.length
    found = loaded.discriminate(REAL)
    assert np.allclose(found, game.discriminate(rows).numpy(), atol=1e-6)
    assert len(loaded.discriminate(["a " * 40])) == 1  # longer than the run's sentences


def test_random_numbers_and_threads_stay_as_they_are(folder, loaded):
    config = folder / "config.yaml"
    content = config.read_text()
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    config.write_text(content.replace("threads: 0", "threads: 2"))
    try:
        sg.load(folder)
        loaded.sample(2, seed=3)
    finally:
        config.write_text(content)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    loaded.sample(2)
    assert not torch.equal(torch.get_rng_state(), state)


def test_the_command_line_uses_the_same_object(folder, loaded, tmp_path, capsys):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("the dog\nmy\n")
    words = ["--prompt", "a cat", "--prompts", str(prompts), "--n", "2", "--top_p", "0.8"]
    capsys.readouterr()
    assert main(["sample", str(folder), *words, "--seed", "5"]) == 0
    expected = loaded.sample(2, prompts=["a cat", "the dog", "my"], top_p=0.8, seed=5)
    assert capsys.readouterr().out.splitlines() == expected
    assert main(["sample", str(folder), "--greedy", "--prompt", "my"]) == 0
    assert capsys.readouterr().out.splitlines() == loaded.sample(greedy=True, prompts=["my"])


def test_a_prompt_of_a_file_is_told_by_its_line(folder, tmp_path, capsys):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("the dog\n\nmy zebra\n")
    said = refusal(capsys, "sample", str(folder), "--prompts", str(prompts))
    assert f"--prompts {prompts}: line 3 has words outside the vocabulary: zebra" in said


def test_a_loaded_run_tells_what_it_is(folder, loaded):
    played = loaded._run.engine.round
    assert repr(loaded) == f"<LoadedText of {folder}: recipe text, round {played}>"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--top_p", "0"), "--top_p 0.0: it must be above 0"),
        (("--top_p", "1.5"), "--top_p 1.5: it must be above 0 and at most 1"),
        (("--greedy", "--n", "3"), "--greedy takes the likeliest token"),
        (("--greedy", "--temperature", "2"), "leave --n, --temperature and --top_p away"),
        (("--prompts", "none.txt"), "there is no file none.txt"),
        (("--between", "2"), "leave --between out"),
        (("--best_of", "0"), "seqgan: --best_of 0: it must be at least 1"),
        (("--label", "x"), "seqgan: --label x: "),
    ],
)
def test_what_does_not_go_together(folder, capsys, words, said):
    assert said in refusal(capsys, "sample", str(folder), *words)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda run: run.sample("3"), "sample: n is '3'; give a whole number or None"),
        (lambda run: run.sample(0), "n=0: it must be at least 1"),
        (lambda run: run.sample(1, prompts="my"), "prompts is one string, 'my'; put it in [ ]"),
        (lambda run: run.sample(1, prompts=[3]), "prompts is [3]; give a list of strings"),
        (lambda run: run.sample(1, prompts=["zebra"]), "prompts has words outside the vocabulary"),
        (lambda run: run.sample(2, greedy=True), "leave n, temperature and top_p away"),
        (lambda run: run.score([None]), "score: sentences is [None]; give a list of strings"),
        (lambda run: run.discriminate([]), "no sequences; give at least one"),
    ],
)
def test_wrong_calls_name_the_argument(loaded, call, says):
    with pytest.raises(UserError) as refused:
        call(loaded)
    assert says in str(refused.value)
    assert "--" not in str(refused.value)


def test_what_cannot_be_loaded(loaded, tmp_path):
    with pytest.raises(UserError, match="is not a run"):
        sg.load(tmp_path)
    with pytest.raises(UserError, match=r"sentences is one string, 'a cat'; put it in \[ \]"):
        loaded.score("a cat")
    with pytest.raises(UserError, match=r"^model=gan: choose one of seqgan, mle"):
        loaded.sample(model="gan")


@pytest.mark.usefixtures("short_report")
def test_an_oracles_sequences_are_numbers(tmp_path):
    out = tmp_path / "run"
    assert main([*TINY_ORACLE, "--rounds", "1", "--mle_epochs", "1", "--out", str(out)]) == 0
    run = sg.load(out)
    (line,) = run.sample(1, prompts=["3 19"], seed=0)
    assert line.split()[:2] == ["3", "19"]
    assert len(line.split()) == 10
    tokens = torch.tensor([[int(word) for word in line.split()]])
    assert run.score([line])[0] == pytest.approx(
        -10 * nll(run._run.game.G.eval(), tokens), abs=1e-4
    )
    with pytest.raises(UserError, match="sequence 2 has 2 tokens, and the run's have 10"):
        run.score([line, "1 2"])
    with pytest.raises(UserError, match="whose tokens are numbers, not text"):
        _ = run.tokenizer


@pytest.mark.usefixtures("short_report")
def test_lines_of_one_length_give_samples_of_that_length(tmp_path):
    lines = [" ".join((s.split() * 6)[:6]) for s in sentences(80)]
    data, out = tmp_path / "six.txt", tmp_path / "run"
    data.write_text("\n".join(lines))
    words = [*TINY, "--data", str(data), "--rounds", "1", "--mle_epochs", "1"]
    assert main([*words, "--fixed_length", "true", "--out", str(out)]) == 0
    run = sg.load(out)
    assert {len(line.split()) for line in run.sample(200, seed=0)} == {6}
    assert {len(line.split()) for line in run.sample(50, prompts=["my cat"], seed=0)} == {6}
    with pytest.raises(UserError, match="sentence 1 has 2 tokens, and the run was trained on"):
        run.score(["my cat"])
    assert run.score(lines[:1])[0] < 0


def test_the_best_of_several_has_the_highest_logit(loaded, monkeypatch):
    drawn = []
    game = loaded._run.game
    draw = game.writer().sample
    monkeypatch.setattr(game.G, "sample", lambda *a, **k: drawn.append(draw(*a, **k)) or drawn[-1])
    found = loaded.sample(6, best_of=5, seed=3)
    (rows,) = drawn
    best = game.D.scorer()(rows).view(6, 5).argmax(1)
    chosen = rows.view(6, 5, -1)[torch.arange(6), best]
    assert found == [loaded._run.decode(row) for row in chosen.tolist()]
    with pytest.raises(UserError, match=r"^best_of=0: it must be at least 1"):
        loaded.sample(1, best_of=0)
    with pytest.raises(UserError, match=r"^best_of=2 and rescore=3: leave one of them out"):
        loaded.sample(1, best_of=2, rescore=3)


def test_rescored_sentences_are_drawn_by_the_discriminators_logit(loaded, monkeypatch):
    """A discriminator that wants a word gets it, as often as its odds among the candidates say."""
    plain = loaded.sample(300, seed=1)
    wanted = loaded.tokenizer.ids()["cat"]
    game = loaded._run.game
    share = sum("cat" in line.split() for line in plain) / 300
    assert 0.02 < share < 0.7

    def told(tokens):
        return 3.0 * (tokens == wanted).any(1).float()

    monkeypatch.setattr(game.D, "scorer", lambda: told)
    found = sum("cat" in line.split() for line in loaded.sample(300, rescore=64, seed=1)) / 300
    expected = share * np.exp(3) / (share * np.exp(3) + 1 - share)
    assert found == pytest.approx(expected, abs=0.13)  # four standard errors, few candidates
    monkeypatch.setattr(game.D, "scorer", lambda: lambda tokens: torch.zeros(len(tokens)))
    blind = sum("cat" in line.split() for line in loaded.sample(300, rescore=8, seed=2)) / 300
    assert blind == pytest.approx(share, abs=0.13)
    with pytest.raises(UserError, match=r"^rescore=0: it must be at least 1"):
        loaded.sample(1, rescore=0)
