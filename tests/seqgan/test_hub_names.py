"""Names of the hub without a connection are refused at once, in one sentence with the way out."""

import socket

import pytest

from image_core.adversarial.errors import UserError
from image_core.data.images import read_images
from seqgan.data.source import read_texts
from seqgan.data.tokenizer import TextTokenizer
from seqgan.dialogue.encode import load_tokenizer
from seqgan.retrieval.columns import read_table
from seqgan.retrieval.interactions import ROLES

DATA_SETS = {
    "text": read_texts,
    "pictures": read_images,
    "ratings": lambda name: read_table(name, ROLES),
}


@pytest.fixture
def unplugged(monkeypatch):
    """A hub whose port nobody listens at; retries would wait for 23 seconds."""
    import datasets
    import huggingface_hub

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", closed)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)

    def retries(*_args, **_options):
        raise AssertionError("asked by the library that retries")

    monkeypatch.setattr(datasets, "load_dataset", retries)
    yield retries
    huggingface_hub.close_session()


@pytest.mark.parametrize("kind", DATA_SETS)
def test_data_sets(unplugged, kind):
    with pytest.raises(UserError) as refusal:
        DATA_SETS[kind]("nobody/nothing")
    said = str(refusal.value)
    assert "there is no file nobody/nothing, and the hub request for a data set" in said
    assert "Connection refused" in said
    assert "set HF_HUB_OFFLINE=1" in said


def test_models(unplugged, monkeypatch):
    from transformers import AutoTokenizer

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", unplugged)
    for load in (TextTokenizer.of_model, load_tokenizer):
        with pytest.raises(UserError) as refusal:
            load("nobody/nothing")
        assert "there is no folder nobody/nothing, and the hub cannot" in str(refusal.value)
