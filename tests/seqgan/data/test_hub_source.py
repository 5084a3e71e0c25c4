"""Data sets of the hub, found, missing, offline; and what `datasets` prints."""

import http.server
import importlib
import logging
import socket
import threading

import pytest

from seqgan.data import read_texts
from tests.seqgan.data.reading import found, sentence_of


@pytest.mark.parametrize("name", ["datasets", "huggingface_hub"])
def test_progress_bars_and_logs_fall_silent_and_come_back(offline, monkeypatch, name):
    import datasets

    library = importlib.import_module(f"{name}.utils")
    level, records = library.logging.get_verbosity(), []
    bars_off, bars = library.are_progress_bars_disabled(), []

    def noisy(*args: object, **options: object) -> object:
        logging.getLogger(name).error("noise")
        bars.append(not library.are_progress_bars_disabled())
        return datasets.Dataset.from_dict({"text": ["a"]})

    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", records.append)
    monkeypatch.setattr(datasets, "load_dataset", noisy)
    logging.getLogger(name).addHandler(handler)
    try:
        library.logging.set_verbosity(logging.INFO)
        library.enable_progress_bars()
        read_texts("own/er")
        assert (records, bars) == ([], [False])
        assert library.logging.get_verbosity() == logging.INFO
        assert not library.are_progress_bars_disabled()
        library.disable_progress_bars()
        read_texts("own/er")
        assert library.are_progress_bars_disabled()
    finally:
        logging.getLogger(name).removeHandler(handler)
        library.logging.set_verbosity(level)
        (library.disable_progress_bars if bars_off else library.enable_progress_bars)()


@pytest.fixture
def hub(monkeypatch):
    """A hub of our own that answers every question with one status, and notes the questions."""
    import datasets
    import huggingface_hub

    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        status = 404

        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(self.status)
            if self.status in (401, 404):
                self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    yield Handler, asked
    server.shutdown()
    thread.join()
    server.server_close()
    huggingface_hub.close_session()


def test_an_unknown_hub_name(hub):
    handler, asked = hub
    for handler.status in (401, 404):
        sentence = sentence_of("nobody/nothing", "text")
        assert "no file nobody/nothing, nor a hub data set of that name" in sentence
    assert [path for path in asked if "nothing" in path] == ["/api/datasets/nobody/nothing"] * 2


def test_a_hub_that_fails_is_asked_once(hub):
    handler, asked = hub
    handler.status = 503
    sentence = sentence_of("nothing:configuration", "text")
    assert "no file nothing:configuration, and the hub request for a data set" in sentence
    assert "503" in sentence
    assert [path for path in asked if "nothing" in path] == ["/api/datasets/nothing"]


def test_no_connection(hub, monkeypatch):
    import huggingface_hub

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", closed)
    sentence = sentence_of("nobody/nothing", "text")
    assert "no file nobody/nothing, and the hub request for a data set" in sentence
    assert "Connection refused" in sentence
    assert "HF_HUB_OFFLINE=1" in sentence


@pytest.fixture
def offline(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return datasets


def test_offline_without_a_copy(offline):
    sentence = sentence_of("nobody/nothing", "text")
    assert "there is no file nobody/nothing, and the hub data set of that name cannot" in sentence


def test_a_hub_data_set(offline, monkeypatch):
    asked = []

    def load_dataset(*args: object, **options: object) -> object:
        asked.append((args, options))
        return offline.Dataset.from_dict({"t": ["a", "", None, "b\nc"], "i": [1, 2, 3, 4]})

    monkeypatch.setattr(offline, "load_dataset", load_dataset)
    assert found(read_texts("own-er/na.me:con-fig", "t", "test[:4]")) == (["a", "b c"], [1, 4], 2)
    assert asked == [(("own-er/na.me", "con-fig"), {"split": "test[:4]"})]
    read_texts("name", "t")
    assert asked[1] == (("name", None), {"split": "train"})
    assert read_texts("own/er").lines == ["a", "b c"]


def test_numbers_of_classes_are_their_names(offline, monkeypatch):
    kinds = {"t": offline.Value("string"), "kind": offline.ClassLabel(names=["fig", "ash"])}
    rows = offline.Dataset.from_dict({"t": list("abc"), "kind": [1, 0, 1]}, offline.Features(kinds))
    monkeypatch.setattr(offline, "load_dataset", lambda *args, **options: rows)
    read = read_texts("own/er", "t", label_field="kind")
    assert read.classes == ("ash", "fig")
    assert read.labels.tolist() == [0, 1, 0]


def test_an_unknown_split_of_a_saved_data_set_is_refused_by_those_there_are(tmp_path):
    import datasets

    rows = datasets.Dataset.from_dict({"text": ["a"]})
    datasets.DatasetDict({"train": rows, "dev": rows}).save_to_disk(str(tmp_path / "d"))
    said = sentence_of(str(tmp_path / "d"), None, "test")
    assert "has no split 'test'; --split may be train, dev" in said
    assert found(read_texts(str(tmp_path / "d"), split="dev")) == (["a"], [1], 0)
