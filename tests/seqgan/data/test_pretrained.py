"""Folders that hold a model of transformers and no tokenizer, wherever one is read."""

import pytest

from image_core.adversarial.errors import UserError
from seqgan.data.tokenizer import TextTokenizer
from seqgan.judges.encoders import TransformerEncoder
from seqgan.text.attack import TextAttackOptions, _victim
from seqgan.text2image.encoders import PretrainedEncoder


def attacked(folder):
    return _victim(TextAttackOptions(out="none", texts="none.csv", model=folder))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from transformers import GPT2Config, GPT2ForSequenceClassification

    made = str(tmp_path_factory.mktemp("model"))
    config = GPT2Config(vocab_size=9, n_positions=8, n_embd=8, n_layer=1, n_head=1, pad_token_id=0)
    GPT2ForSequenceClassification(config).save_pretrained(made)
    return made


@pytest.mark.parametrize(
    "read", [TextTokenizer.of_model, TransformerEncoder, PretrainedEncoder, attacked]
)
def test_a_model_without_its_tokenizer_is_named_as_such(read, folder):
    """Transformers makes a tokenizer of special tokens alone of the model's config."""
    with pytest.raises(UserError, match="a model without its tokenizer; write it there by"):
        read(folder)
