"""`sg.load` of a dialogue run without its data, its saved model, and `seqgan chat` on it."""

import io
import json
import random

import numpy as np
import pytest
import torch

import seqgan as sg
from image_core.adversarial.errors import UserError
from seqgan.cli import main
from seqgan.dialogue import recipe
from seqgan.dialogue.chat import Manner
from seqgan.dialogue.encode import Format
from seqgan.dialogue.models import save_model
from seqgan.dialogue.turns import Utterance
from tests.recipes.made import refusal
from tests.seqgan.dialogue.made import END, V, policy_of

CONTEXT, REPLY, TURNS = 24, 8, 2
LAST = [Utterance("user", "why ?")]
"""Of the tiny preset."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run whose data are gone."""
    folder, draw = tmp_path_factory.mktemp("loaded"), random.Random(1)
    data = folder / "talks.jsonl"
    said = [f"do you like tea {draw.randint(1, 99)} ?" for _ in range(60)]
    rows = [{"turns": [text, "yes , tea is nice .", "why ?", "no ."]} for text in said]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["train", "dialogue", "--preset", "tiny", "--rounds", "1", "--d_warmup_steps", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "write_report", lambda subject, seconds: None)
        assert main([*words, "--data", str(data), "--out", str(folder / "run")]) == 0
    data.unlink()
    return folder / "run"


@pytest.fixture(scope="module")
def loaded(folder):
    return sg.load(folder)


def chat(*texts):
    roles = ("user", "assistant")
    return [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]


LONG = [f"text {i} of a chat that is longer than the model" for i in range(41)]


MANY = [Utterance(("user", "assistant")[i % 2], f"text {i}") for i in range(41)]


def outputs(loaded, turns):
    talk = loaded.chat(Manner(temperature=0.0))
    talk.history = list(turns)
    return [piece.human for piece in talk.respond()]


def context_of(loaded, texts):
    turns = [Utterance(("user", "assistant")[i % 2], text) for i, text in enumerate(texts)]
    return loaded._run.form.context(turns, CONTEXT)


@pytest.mark.parametrize("model", ["gan", "mle"])
def test_scores_are_log_probabilities_token_by_token(loaded, model):
    policy = {"gan": loaded._run.game.G, "mle": loaded._run.game.mle}[model].eval()
    context, mask = context_of(loaded, ["do you like tea ?"])
    form = loaded._run.form
    ids = [*form.texts(["no ."])[0], form.end]
    logits, state = policy.read(context, mask)
    expected = 0.0
    for token in ids:
        expected += float(logits.log_softmax(-1)[0, token].detach())
        logits, state = policy.step(torch.tensor([token]), state)
    assert loaded.score([("do you like tea ?", "no .")], model=model)[0] == pytest.approx(
        expected, abs=1e-4
    )


def test_greedy_replies_are_the_likeliest_tokens(loaded):
    policy, form = loaded._run.game.G.eval(), loaded._run.form
    logits, state = policy.read(*context_of(loaded, ["do you like tea ?"]))
    logits[:, form.end] = -torch.inf  # a reply is not empty
    ids = []
    while len(ids) < REPLY:
        ids.append(int(logits[0].argmax()))
        if ids[-1] == form.end:
            break
        logits, state = policy.step(torch.tensor(ids[-1:]), state)
    said = loaded.reply("do you like tea ?", greedy=True, block=0)
    assert said == form.decode(ids)
    assert loaded.reply(chat("do you like tea ?"), greedy=True, block=0) == said


def test_a_long_chat_is_cut_as_in_training(loaded):
    """To the last turns, whatever stood before; turns of one speaker are one, empty ones none."""
    short, pairs = LONG[-TURNS:], [(LONG, "yes ."), (chat(*LONG), "yes .")]
    expected = loaded.score([(short, "yes .")])[0]
    assert loaded.score(pairs) == pytest.approx([expected] * 2, abs=1e-5)
    # The discriminator's output for each token tells contexts apart where the replies do not
    assert outputs(loaded, MANY) == outputs(loaded, MANY[-TURNS:])
    assert outputs(loaded, MANY) != outputs(loaded, MANY[:TURNS])
    halves = [*chat("a", "b"), *chat("do you", "", "like tea ?")]
    whole = chat("a", "b", "do you\nlike tea ?")
    last = chat("a", "b", "like tea ?")
    scores = loaded.score([(said, "yes .") for said in (halves, whole, last)])
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)
    assert scores[0] != pytest.approx(scores[2], abs=1e-3)


def test_a_system_turn_stands_before_the_last_turns(folder, loaded, monkeypatch, capsys):
    talk = loaded.chat(Manner(system=" be brief "))
    talk.history = [Utterance("user", "hi"), Utterance("assistant", "no ."), *LAST]
    assert talk._read() == [Utterance("system", "be brief"), *LAST]  # of two turns
    talk.manner = Manner()
    assert talk._read() == [Utterance("assistant", "no ."), *LAST]
    monkeypatch.setattr("sys.stdin", io.StringIO("why ?\n"))
    read = []
    context = Format.context
    monkeypatch.setattr(
        Format, "context", lambda form, turns, n: read.append(turns) or context(form, turns, n)
    )
    assert main(["chat", str(folder), "--system", "be brief"]) == 0
    assert read[0] == [Utterance("system", "be brief"), Utterance("user", "why ?")]


def test_the_discriminator_gives_its_logits_of_whole_replies(loaded):
    pairs = [("do you like tea ?", "yes , tea is nice ."), ("why ?", "no .")]
    found, game, form = loaded.discriminate(pairs), loaded._run.game, loaded._run.form
    for (said, reply), logit in zip(pairs, found, strict=True):
        ids = torch.tensor([[*form.texts([reply])[0], form.end][:REPLY]])
        alone = game.D.eval()(*context_of(loaded, [said]), ids)[0, -1]
        assert logit == pytest.approx(float(alone.detach()), abs=1e-5)
    assert found.dtype == np.float32


def test_a_run_is_no_discriminator_of_a_reward(loaded):
    with pytest.raises(UserError, match="a dialogue run has a method as_reward"):
        sg.as_reward(loaded, loaded.tokenizer)
    with pytest.raises(UserError, match="load_reward reads one of a folder"):
        sg.as_reward(discriminator=str(loaded.folder))


def test_as_a_reward_it_gives_these_logits_and_only_the_copy_learns(loaded):
    pairs = [("do you like tea ?", "yes , tea is nice ."), ("why ?", "no .")]
    before = loaded.discriminate(pairs)
    reward = loaded.as_reward(lr=0.1)
    prompts, replies = zip(*pairs, strict=True)
    first = reward(prompts, replies, human=["no .", "yes ."])
    assert first == pytest.approx(before.tolist(), abs=1e-5)
    assert reward(prompts, replies, human=["no .", "yes ."]) != pytest.approx(first, abs=1e-3)
    assert np.array_equal(loaded.discriminate(pairs), before)


def test_seeds_make_replies_and_leave_the_random_numbers_alone(loaded):
    state = torch.get_rng_state()
    said = {loaded.reply("why ?", temperature=2.0, top_p=1.0, seed=seed) for seed in range(6)}
    assert len(said) > 2
    assert torch.equal(torch.get_rng_state(), state)


def test_the_command_line_talks_with_the_same_object(folder, loaded, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("why ?\n"))
    capsys.readouterr()
    assert main(["chat", str(folder), "--temperature", "0", "--block", "0"]) == 0
    pieces = capsys.readouterr().out.rstrip("\n")
    assert "\x1b" not in pieces  # no terminal
    expected = loaded.reply("why ?", greedy=True, block=0)
    shown = "".join(part.partition("]")[2] for part in ("]" + pieces).split("["))
    assert shown.strip() == expected


@pytest.mark.parametrize(("no_color", "colours"), [("", True), ("1", False)])
def test_a_terminal_has_colours_unless_they_are_unwanted(folder, monkeypatch, no_color, colours):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    out = Terminal()
    monkeypatch.setattr("sys.stdin", io.StringIO("why ?\n"))
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setenv("NO_COLOR", no_color)
    assert main(["chat", str(folder), "--seed", "1"]) == 0
    assert ("\x1b[38;2;" in out.getvalue()) == colours


def test_plain_transformers_answer_a_chat_longer_than_the_model(folder, loaded):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    assert tokenizer.model_max_length == CONTEXT
    generation = model.generation_config
    assert generation.max_new_tokens == REPLY
    assert generation.eos_token_id == tokenizer.eos_token_id == loaded._run.form.end
    assert generation.pad_token_id == tokenizer.pad_token_id
    said = tokenizer.apply_chat_template(
        chat(*LONG), add_generation_prompt=True, truncation=True, return_dict=True,
        return_tensors="pt",
    )  # fmt: skip
    context, mask = context_of(loaded, LONG[-1:])
    assert said["input_ids"].shape == (1, CONTEXT)
    assert said["input_ids"].tolist() == context[mask][None].tolist()
    written = model.generate(**said, do_sample=False)
    assert CONTEXT < written.shape[1] <= CONTEXT + REPLY
    # What the assistant says is marked as what has to be learned, its end too
    texts = tokenizer.apply_chat_template(chat("a", "b"), tokenize=False)
    assert texts == "<user>a<assistant>b<end>"
    last = tokenizer.apply_chat_template(chat("a", "b", "c"), tokenize=False)
    marked = tokenizer.apply_chat_template(
        chat("a", "b", "c"), return_dict=True, return_assistant_tokens_mask=True
    )
    kept = zip(marked["input_ids"], marked["assistant_masks"], strict=True)
    assert tokenizer.decode([i for i, learned in kept if learned]) == "b<end>"
    assert last == "<assistant>b<end><user>c"


def test_the_template_passes_trls_own_checks(folder, tmp_path):
    """Which want of a saved tokenizer's template that training on it teaches a model to stop."""
    checks = pytest.importorskip("trl.chat_template_utils", reason="trl is not installed")
    from transformers import AutoTokenizer

    form = Format(AutoTokenizer.from_pretrained(folder / "model"))
    form.save_limited(tmp_path, CONTEXT, 3)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert checks.has_generation_markers(tokenizer.chat_template)
    assert checks.is_chat_template_stop_token_trained(tokenizer)
    assert checks.is_chat_template_prefix_preserving(tokenizer)


def test_a_model_keeps_the_end_tokens_that_it_came_with(tmp_path):
    from transformers import GenerationConfig

    policy = policy_of("gpt2")
    outside = V + 7  # as the default of GPT-2's configuration, of a small vocabulary
    policy.model.generation_config.eos_token_id = [5, END, outside]
    policy.model.generation_config.temperature = 0.7
    save_model(policy, tmp_path, REPLY)
    kept = GenerationConfig.from_pretrained(tmp_path)
    assert kept.eos_token_id == [END, 5]
    assert (kept.do_sample, kept.temperature, kept.max_new_tokens) == (True, 0.7, REPLY)


@pytest.mark.parametrize(("call", "says"), [
    (lambda run: run.reply(chat("a", "b")), "does not end with something a user says"),
    (lambda run: run.reply(" "), "does not end with something a user says"),
    (lambda run: run.reply([{"role": "narrator", "content": "a"}]), "unknown role 'narrator'"),
    (lambda run: run.reply("a", model="seqgan"), "^model=seqgan: choose one of gan, mle"),
    (lambda run: run.reply("a", temperature=-1.0), "^temperature=-1.0: give at least 0"),
    (lambda run: run.score([("a", " ")]), "the reply of pair 1 is empty"),
    (lambda run: run.discriminate([]), "there are no pairs"),
    (lambda run: run.backward_model(), "predicts replies, not the turns before them"),
])  # fmt: skip
def test_what_is_refused(loaded, call, says):
    with pytest.raises(UserError, match=says):
        call(loaded)


def test_a_host_is_for_the_plain_page(folder, capsys):
    assert "--host 0.0.0.0 is for --web plain" in refusal(
        capsys, "chat", str(folder), "--host", "0.0.0.0"
    )
