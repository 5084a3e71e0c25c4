"""What trainers of all kinds hand to the reward: rows, plain texts; and its folder of its own."""

import asyncio
import inspect
import sys

import pytest
import torch

import seqgan as sg
from image_core.adversarial.errors import UserError
from seqgan.dialogue.discriminators import (
    HierarchicalDiscriminator,
    LanguageModelDiscriminator,
    LogRatioDiscriminator,
    StepDiscriminator,
)
from seqgan.dialogue.encode import Format
from seqgan.dialogue.language_models import CausalLMPolicy
from seqgan.dialogue.models import with_adapters
from seqgan.dialogue.reward import as_reward
from seqgan.dialogue.trl_rows import answers, prompt_turns, reply_text
from seqgan.dialogue.turns import Utterance
from tests.seqgan.dialogue.test_reward import HUMAN, MADE, PROMPTS, reward_of

CALLS = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
TOOLS = [
    {"role": "assistant", "content": None, "tool_calls": [CALLS]},
    {"role": "tool", "tool_call_id": "1", "content": "17 degrees"},
    {"role": "assistant", "content": "it is warm"},
]
PARTS = [{"type": "text", "text": "and"}, {"type": "image"}, {"type": "text", "text": "rain ?"}]


@pytest.fixture(scope="module")
def reward():
    return reward_of()[0]


def without_dropout():
    made = reward_of()[0]
    for part in made.game.D.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    return made


def weights(reward):
    return torch.cat([p.detach().flatten().clone() for p in reward.game.D.parameters()])


def test_prompts_and_completions_of_every_kind_are_read():
    assert prompt_turns("hi") == [Utterance("user", "hi")]
    said = [{"role": "developer", "content": "be brief"}, {"role": "user", "content": PARTS}]
    assert prompt_turns([*said, *TOOLS[:2]]) == [
        Utterance("system", "be brief"), Utterance("user", "and\nrain ?")
    ]  # fmt: skip
    assert reply_text("no .") == "no ."
    assert reply_text([{"role": "assistant", "content": PARTS}]) == "and\nrain ?"
    assert reply_text([{"role": "assistant", "content": None, "tool_calls": [CALLS]}]) == ""
    assert reply_text(TOOLS) == "it is warm"


def test_answers_may_be_none_one_or_several():
    message = [{"role": "assistant", "content": "no ."}]
    assert answers(None) == answers("  ") == answers([]) == answers([None]) == []
    assert answers("yes") == ["yes"]
    assert answers(message) == ["no ."]
    assert answers(["a", "b", ""]) == ["a", "b"]
    assert answers([message, "b", None]) == ["no .", "b"]


def test_ids_are_read_unless_tools_spoke_in_between(reward):
    form = reward.form
    ids = [form.texts(["tea tea"])[0], form.texts(["a tool said this"])[0]]
    batch = reward._batch(["a", "b"], ["other", TOOLS], [], ids)
    assert form.decode(batch["reply"][0].tolist()) == "tea tea"
    assert form.decode(batch["reply"][1].tolist()) == "it is warm"
    assert not batch["known"].any()


def test_rows_without_an_answer_are_scored_and_not_learned():
    one, other = without_dropout(), without_dropout()
    gaps = [None if i % 2 else text for i, text in enumerate(HUMAN)]
    scores = one(PROMPTS, MADE, human=gaps)
    assert len(scores) == 8
    other(PROMPTS[::2], MADE[::2], human=HUMAN[::2])
    torch.testing.assert_close(weights(one), weights(other))
    before, logged = weights(one), {}
    one(PROMPTS, MADE, human=[None] * 8, log_metric=logged.__setitem__)
    assert torch.equal(before, weights(one))
    assert logged == {}


def test_of_several_answers_each_has_its_turn():
    one = reward_of()[0]
    several = [["a", "b"], ["a", "b"], ["c"]]
    shown = []
    for _ in range(2):
        shown.append([row[0] for row in one._paired(several)])
        one(PROMPTS[:3], MADE[:3], human=several)
    assert shown == [["a", "b", "c"], ["b", "a", "c"]]


def test_an_asynchronous_trainer_gets_the_same_scores():
    one, other = reward_of()[0], reward_of()[0]
    assert inspect.iscoroutinefunction(one.acall)
    # As TRL's asynchronous trainer calls it: no state of the trainer, nothing to log to
    found = asyncio.run(one.acall(PROMPTS, MADE, completion_ids=None, human=HUMAN))
    assert found == other(PROMPTS, MADE, human=HUMAN)


def test_plain_texts_in_numbers_out():
    one = reward_of()[0]
    real, fake = ["yes , tea is nice ."] * 4, ["tea tea tea"] * 4
    before = one.score([*real, *fake])
    assert before == one.score([*real, *fake])  # nothing is learned
    for _ in range(25):
        logs = one.update(real, fake)
    assert set(logs) == {"loss", "accuracy", "margin"}
    after = one.score([*real, *fake])
    assert min(after[:4]) > max(after[4:])
    assert one.score(fake[:1], prompts=["and rain ?"]) != one.score(fake[:1])
    with pytest.raises(UserError, match="3 real and 4 fake texts are none"):
        one.update(real[:3], fake)
    with pytest.raises(UserError, match="0 real and 0 fake"):
        one.update([], [])


class Lower:
    """A tokenizer that forgets capitals."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def __call__(self, texts, **options):
        return self.tokenizer([text.lower() for text in texts], **options)

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)

    def __len__(self):
        return len(self.tokenizer)


def test_a_tokenizer_of_its_own_reads_texts_and_must_be_able_to_spell_them():
    one, _, form = reward_of()
    own = as_reward(one.game.D, form, shared_tokenizer=False, context_tokens=24, reply_tokens=24)
    nonsense = [[5, 6, 7]] * 8  # ids of the generator's tokenizer
    batch = own(PROMPTS, MADE, completion_ids=nonsense, human=HUMAN)
    torch.manual_seed(0)
    assert batch == reward_of()[0](PROMPTS, MADE, human=HUMAN)
    short = {"context_tokens": 24, "reply_tokens": 24}
    lossy = as_reward(one.game.D, Format(Lower(form.tokenizer)), shared_tokenizer=False, **short)
    assert len(lossy.score(["tea"])) == 1
    with pytest.raises(UserError, match="tokenizer turns 'Tea' into 'tea'"):
        lossy.score(["Tea"])
    with pytest.raises(UserError, match="context_tokens 256 and reply_tokens 128 need 384 posit"):
        as_reward(one.game.D, form)


# ----------------------------------------------------------------------------- a folder of its own


def every_kind():
    one, model, form = reward_of()
    policy = CausalLMPolicy(model, form.vocab, end=form.end, pad=form.pad, forbidden=form.forbidden)
    moved = LogRatioDiscriminator(policy)
    with torch.no_grad():
        for weight in moved.model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    made = [
        one.game.D,
        moved,
        LanguageModelDiscriminator(policy, 7.0),
        StepDiscriminator.like(model, form.vocab),
        HierarchicalDiscriminator(form.vocab, form.marks, 8, turns=2, turn_tokens=9),
    ]
    return {type(D).__name__: (D, form) for D in made}


@pytest.mark.parametrize("kind", [
    "TransformerDiscriminator", "LogRatioDiscriminator", "LanguageModelDiscriminator",
    "StepDiscriminator", "HierarchicalDiscriminator",
])  # fmt: skip
def test_a_saved_discriminator_scores_alike(tmp_path, kind):
    D, form = every_kind()[kind]
    one = as_reward(D, form, pooling="mean", context_tokens=20, reply_tokens=12)
    one.save_pretrained(tmp_path / "discriminator")
    other = sg.load_reward(tmp_path)  # as the folder of a run
    assert (other.context_tokens, other.reply_tokens, other.game.pooling) == (20, 12, "mean")
    texts, prompts = ["yes , tea is nice .", "no ."], ["do you like tea ?", "and rain ?"]
    assert other.score(texts, prompts) == one.score(texts, prompts)
    assert len(set(other.score(texts, prompts))) == 2
    assert sg.load_reward(tmp_path / "discriminator", reply_tokens=5).reply_tokens == 5


def test_adapters_of_a_discriminator_share_their_model_and_are_merged_apart(tmp_path):
    pytest.importorskip("peft", reason="peft is not installed")
    _, model, form = reward_of()
    policy = CausalLMPolicy(
        with_adapters(model, 2), form.vocab, end=form.end, pad=form.pad, forbidden=form.forbidden
    )
    D = LogRatioDiscriminator(policy.twin())
    own = {p.data_ptr() for p in policy.parameters()}
    for part in (D.model, D.frozen):
        apart = [n for n, p in part.named_parameters() if p.data_ptr() not in own]
        assert apart
        assert all("lora" in name for name in apart)
    with torch.no_grad():  # both have moved, each for itself
        for name, weight in D.named_parameters():
            if "lora" in name:
                weight.add_(0.1 * torch.randn_like(weight))
    one = as_reward(D, form, context_tokens=20, reply_tokens=12)
    texts = ["yes , tea is nice .", "no ."]
    before = one.score(texts)
    one.save_pretrained(tmp_path)
    assert sg.load_reward(tmp_path).score(texts) == pytest.approx(before, rel=1e-3, abs=1e-4)
    assert one.score(texts) == before
    assert abs(before[0]) > 1e-3


def test_a_broken_folder_is_told(tmp_path):
    for name in ("nothing", "discriminator"):
        with pytest.raises(UserError, match="holds no whole discriminator"):
            sg.load_reward(tmp_path / name)
        (tmp_path / "discriminator").mkdir(exist_ok=True)


def test_a_module_can_hold_it_for_a_dotted_path(tmp_path, monkeypatch):
    """`trl grpo --reward_funcs mine.reward` imports the module and takes the name from it."""
    reward_of()[0].save_pretrained(tmp_path / "saved")
    (tmp_path / "mine.py").write_text(
        'import seqgan as sg\n\nreward = sg.load_reward("saved", human_column="answer")\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        import mine

        assert len(mine.reward(prompts=PROMPTS, completions=MADE, answer=HUMAN)) == 8
        assert mine.reward.__name__ == "discriminator"
    finally:
        sys.modules.pop("mine", None)
