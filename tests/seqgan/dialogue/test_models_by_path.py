"""Dialogue on models of one's own: by path, with falling rates, killed and resumed, refused."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from image_core.runs import options
from seqgan.cli import main
from seqgan.commands.recipes import open_run
from tests.recipes.made import refusal
from tests.recipes.outside import killed
from tests.seqgan.dialogue.test_dialogue_recipe import TINY, talks, written
from tests.seqgan.dialogue.test_dialogue_recipe import short_report as short_report


def saved(folder, kind, **tokens):
    """A small pretrained model with its tokenizer, as save_pretrained leaves them."""
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        LlamaConfig,
        LlamaForCausalLM,
        T5Config,
        T5ForConditionalGeneration,
    )  # fmt: skip

    from seqgan.dialogue.encode import train_tokenizer

    texts = [text for row in talks(50) for text in row["turns"]]
    tokenizer = train_tokenizer(texts, 300)
    tokenizer.chat_template = tokens.get("template")
    if "pad" in tokens:
        tokenizer.pad_token = tokens["pad"]
    # Another tokenizer knows no marks of ours
    text = tokenizer.backend_tokenizer.to_str().replace("<user>", "<u>").replace(
        "<assistant>", "<a>").replace("<system>", "<s>")  # fmt: skip
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(text), eos_token="<end>",
        pad_token=tokens.get("pad"), chat_template=tokens.get("template"),
    )  # fmt: skip
    common = {"vocab_size": len(tokenizer) + 3, "eos_token_id": tokenizer.eos_token_id}
    torch.manual_seed(0)
    match kind:
        case "gpt2":
            config = GPT2Config(n_positions=40, n_embd=16, n_layer=1, n_head=2, **common)
            model = GPT2LMHeadModel(config)
        case "llama":
            model = LlamaForCausalLM(LlamaConfig(
                hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
                num_key_value_heads=1, max_position_embeddings=64, **common,
            ))  # fmt: skip
        case "t5":
            model = T5ForConditionalGeneration(T5Config(
                d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, pad_token_id=0,
                decoder_start_token_id=0, **common,
            ))  # fmt: skip
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


TEMPLATE = (
    "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


@pytest.mark.slow
@pytest.mark.usefixtures("short_report")
@pytest.mark.parametrize(("kind", "tokens", "extra"), [
    ("gpt2", {}, []),
    ("llama", {"template": TEMPLATE, "pad": "<pad>"}, ["--lora", "2"]),
    ("t5", {"pad": "<pad>"}, ["--discriminator", "hierarchical"]),
])  # fmt: skip
def test_models_by_path_learn_and_are_saved(tmp_path, kind, tokens, extra):
    """Without a pad token, with a chat template and adapters, with an encoder."""
    if "--lora" in extra and find_spec("peft") is None:
        pytest.skip("peft is not installed")
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    model = saved(tmp_path / "base", kind, **tokens)
    run = tmp_path / "run"
    words = ["--data", written(tmp_path, talks(40)), "--model", model, "--out", str(run), *extra]
    assert main([*TINY, *words]) == 0
    auto = AutoModelForSeq2SeqLM if kind == "t5" else AutoModelForCausalLM
    before, after = auto.from_pretrained(model), auto.from_pretrained(run / "model")
    pairs = zip(before.state_dict().items(), after.state_dict().values(), strict=True)
    moved = [name for (name, p), q in pairs if not torch.equal(p, q)]
    assert moved
    if "--lora" in extra:
        assert all("proj" in name for name in moved)
    again = open_run(str(run), data=False)  # the folder of --model is not needed any more
    again.load()
    assert not (run / "model" / "adapter_config.json").exists()


@pytest.mark.usefixtures("short_report")
def test_falling_rates_rise_and_end_at_nothing_with_the_last_step(tmp_path):
    data, run = written(tmp_path, talks(40)), tmp_path / "run"
    words = [*TINY, "--data", data, "--falling", "true", "--mle_lr", "0.5"]
    options_ = ["--discriminator", "step", "--d_mle_steps", "60", "--teacher_forcing", "0.5"]
    assert main([*words, *options_, "--out", str(run)]) == 0
    engine = open_run(str(run)).engine
    assert engine.optimizers["mle"].param_groups[0]["lr"] == pytest.approx(0.5 / 2)  # of 20 steps
    engine.load(run / "checkpoint")
    assert engine.steps == {"G": 8, "mle": 20, "D": 8, "d_mle": 60}
    for optimizer in engine.optimizers.values():
        assert optimizer.param_groups[0]["lr"] == 0.0
    factors = [options.falling(20)(_adam()).lr_lambdas[0](step) for step in (0, 1, 2, 11, 20, 21)]
    assert factors == pytest.approx([0.5, 1.0, 1.0, 0.5, 0.0, 0.0])


def _adam():
    return torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])


@pytest.mark.slow
@pytest.mark.usefixtures("short_report")
def test_a_killed_run_goes_on_bit_for_bit(tmp_path):
    data = written(tmp_path, talks(60))
    words = [*TINY, "--data", data, "--rounds", "12", "--buffer_size", "32", "--reuse", "false"]
    words += ["--falling", "true"]
    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    run = tmp_path / "killed"
    killed([*words, "--out", str(run)], run, 9)
    assert main(["resume", str(run)]) == 0
    log = run / "log.jsonl"
    assert log.read_bytes() == (tmp_path / "whole" / "log.jsonl").read_bytes()
    name = "checkpoint/game.safetensors"
    weights, expected = load_file(run / name), load_file(tmp_path / "whole" / name)
    assert all(torch.equal(weights[key], value) for key, value in expected.items())


def test_what_cannot_be_used_is_refused_in_one_sentence(tmp_path, capsys):
    out = str(tmp_path / "run")
    for rows, says in (
        ([{"ask": "a", "reply": "b"}], "columns are ['ask', 'reply']"),
        ([{"messages": [{"role": "narrator", "content": "hi"}]}], "unknown role 'narrator'"),
        ([{"turns": ["alone"]}], "no dialogue of two turns"),
        ([{"prompt": "a", "completion": "b"}, {"prompt": "a"}], "record 2 of {} has no completion"),
        (talks(1), "too few different ones to hold some out"),
    ):
        data = written(tmp_path, rows)
        assert says.format(data) in refusal(capsys, *TINY, "--data", data, "--out", out)
    data = written(tmp_path, talks(40))
    assert "too few for a judge" in refusal(
        capsys, *TINY, "--data", data, "--judge_seeds", "1", "--out", out
    )
    model = str(tmp_path / "nothing")
    assert model in refusal(capsys, *TINY, "--data", data, "--model", model, "--out", out)
    model = saved(tmp_path / "untold", "gpt2")
    for file in Path(model).glob("token*"):
        file.unlink()
    assert "without its tokenizer" in refusal(
        capsys, *TINY, "--data", data, "--model", model, "--out", out
    )
    assert not Path(out).exists()
