"""Marks around answers in chat templates that came without them."""

import pytest

from seqgan.dialogue.encode import train_tokenizer
from seqgan.dialogue.templates import with_marks

CHATML = (
    "{% for message in messages %}{{'<s>' + message['role'] + '\n' + message['content'] + '<end>'"
    " + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<s>assistant\n' }}{% endif %}"
)
STRIPPED = (
    "{%- for message in messages -%}"
    "{{- message.role + ': ' + message.content | trim + eos_token -}}{%- endfor -%}"
)
ENDS_LATER = (  # an answer's end is written by whoever speaks next, so that no mark can hold it
    "{% for message in messages %}{{ ('' if loop.first else '<end>') + '|' + message['content'] }}"
    "{% endfor %}<end>"
)
CHAT = [
    {"role": "user", "content": "tea ?"},
    {"role": "assistant", "content": "no ."},
    {"role": "user", "content": "rain ?"},
]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["tea ?", "no .", "rain ?"], 270)


@pytest.mark.parametrize(
    ("template", "learned"), [(CHATML, "no .<end>\n"), (STRIPPED, "no .<end>")]
)
def test_answers_and_their_ends_are_marked_and_the_text_stays(tokenizer, template, learned):
    tokenizer.chat_template = template
    before = tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    tokenizer.chat_template = with_marks(tokenizer)
    after = tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    assert after == before
    found = tokenizer.apply_chat_template(CHAT, return_dict=True, return_assistant_tokens_mask=True)
    kept = zip(found["input_ids"], found["assistant_masks"], strict=True)
    assert tokenizer.decode([i for i, said in kept if said]) == learned
    assert with_marks(tokenizer) == tokenizer.chat_template
    checks = pytest.importorskip("trl.chat_template_utils", reason="trl is not installed")
    assert checks.is_chat_template_stop_token_trained(tokenizer)


@pytest.mark.parametrize(
    "template", [ENDS_LATER, "{{ messages[0]['content'] }}", "{{ raise_exception('no') }}"]
)
def test_what_cannot_be_marked_is_left_alone(tokenizer, template):
    tokenizer.chat_template = template
    assert with_marks(tokenizer) == template
