"""The chat page, over real HTTP and in a real browser."""

import asyncio
import gc
import http.client
import sys
import threading
import urllib.parse
import urllib.request
import warnings
from contextlib import contextmanager

import pytest

from image_core.adversarial.errors import UserError
from seqgan.dialogue.chat import Chat, Manner, Piece, colored, numbered
from seqgan.dialogue.web import ChatServer, is_local, marked
from tests.browser import browser


class Parrot(Chat):
    """Answers with what was said."""

    def __init__(self):
        self.history, self.manner = [], Manner()

    def answer(self, text):
        self.history.append(text)
        return [Piece(text, 0.0), Piece(f" no. {len(self.history)}", 1.0)]

    def forget(self):
        self.history.clear()


@contextmanager
def served(chat, host="127.0.0.1"):
    page = ChatServer(chat, 0, host)
    thread = threading.Thread(target=page.serve_forever)
    thread.start()
    try:
        yield page
    finally:
        page.shutdown()
        thread.join()
        page.server_close()


def post(port, **form):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    data = urllib.parse.urlencode(form).encode()
    with opener.open(f"http://127.0.0.1:{port}/", data, timeout=30) as answer:
        return answer.read().decode()


class Address:
    """What `browser` takes for a file."""

    def __init__(self, port):
        self.port = port

    def resolve(self):
        return self

    def as_uri(self):
        return f"http://127.0.0.1:{self.port}/"


def test_what_a_model_says_is_text_on_the_page_and_outputs_are_colours():
    said = marked([Piece("<script>", 0.0), Piece(" & so", 1.0)])
    assert "<script>" not in said
    assert "&lt;script&gt;" in said
    assert "hsl(0," in said
    assert "hsl(120," in said


def test_a_terminal_shows_red_for_a_machine_and_green_for_a_person():
    assert "38;2;255;0;0m" in colored([Piece("x", 0.0)])
    assert "38;2;0;255;0m" in colored([Piece("x", 1.0)])
    assert numbered([Piece("x", 0.25)]) == "x[0.25]"


def test_a_model_cannot_command_the_terminal():
    said = [Piece("a\x1b[2J\rb\nc é", 0.5)]
    assert numbered(said) == "a\ufffd[2J\ufffdb\nc é[0.50]"
    assert colored(said).count("\x1b") == 2


def test_a_conversation_over_http():
    chat = Parrot()
    with served(chat) as page:
        port = page.server_port
        post(port, say="<b>hello</b>")
        shown = post(port, say="and & again")
        assert "&lt;b&gt;hello&lt;/b&gt;" in shown
        assert "no. 2" in shown
        assert chat.history == ["<b>hello</b>", "and & again"]
        assert "hello" not in post(port, new="1")
        assert chat.history == []
        with pytest.raises(UserError, match=f"--port {port}"):
            ChatServer(chat, port)


def ask(port, method="GET", path="/", body=b"", **headers):
    """Status, headers and text of a raw request."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    line.putrequest(method, path, skip_host="Host" in headers)
    if method == "POST":
        headers.setdefault("Content-Length", str(len(body)))
    for name, value in headers.items():
        line.putheader(name, value)
    line.endheaders(body)
    answer = line.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read().decode()
    line.close()
    return found


def test_only_the_page_itself_reads_and_posts():
    chat = Parrot()
    with served(chat) as page:
        port = page.server_port
        here = f"127.0.0.1:{port}"
        for told in (
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": f"https://{here}"},
            {"Host": "evil.example", "Origin": "http://evil.example"},
            {"Host": f"evil.example:{port}"},
            {"Host": f"127.0.0.1:{port + 1}"},
            {"Host": "127.0.0.1:x"},
        ):
            assert ask(port, "POST", body=b"say=x", **told)[0] == 403, told
        assert ask(port, Host=f"evil.example:{port}")[0] == 403
        assert ask(port, "POST", body=b"say=x", Content_Length="-1")[0] == 411
        assert ask(port, "POST", Content_Length="20000")[0] == 413
        assert chat.history == []
        for host in (here, f"localhost:{port}", f"[::1]:{port}"):
            assert ask(port, "POST", body=b"say=x", Host=host, Origin=f"http://{host}")[0] == 303
        assert ask(port, "POST", body=b"say=x")[0] == 303  # no browser
        assert chat.history == ["x"] * 4
        policy = ask(port)[1]["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        page.server_port = 80  # as where the page has the port of http
        for host, status in (("localhost", 200), ("localhost:80", 200), ("localhost:81", 403)):
            assert ask(port, Host=host)[0] == status


def test_others_machines_need_the_token():
    assert is_local("127.0.0.2")
    assert not is_local("0.0.0.0")
    assert not is_local("localhost.evil.example")
    chat = Parrot()
    with served(chat, "0.0.0.0") as page:
        port, path = page.server_port, page.address.partition(f":{page.server_port}")[2]
        assert len(page.token) > 20
        for path_, cookie in (("/", ""), ("/?token=x", ""), ("/", "chat=x"), ("/", 'chat="')):
            assert ask(port, path=path_, Cookie=cookie)[0] == 403
        assert ask(port, "POST", body=b"say=x")[0] == 403
        status, headers, _ = ask(port, path=path, Host="my.machine")
        assert (status, headers["Location"]) == (303, "/")
        cookie = headers["Set-Cookie"].partition(";")[0]
        assert "HttpOnly; SameSite=Strict" in headers["Set-Cookie"]
        assert "seqgan chat" in ask(port, Cookie=cookie, Host="my.machine")[2]
        own = {"Cookie": cookie, "Host": "my.machine"}
        assert ask(port, "POST", body=b"say=x", Origin="http://other.machine", **own)[0] == 403
        assert chat.history == []
        assert ask(port, "POST", body=b"say=x", Origin="http://my.machine", **own)[0] == 303
        assert chat.history == ["x"]


@pytest.mark.slow
def test_a_reader_sees_the_conversation():
    with served(Parrot()) as page, browser() as look:
        port = page.server_port
        post(port, say="good <i>morning</i>")
        seen = look(Address(port))
    assert seen["title"] == "seqgan chat"
    assert "model good <i>morning</i> no. 1" in seen["text"]
    assert seen["scripts"] == 0
    assert seen["overflow"] <= 0


def close_idle_loops():
    """Gradio leaves an event loop behind, whose warning would fall on whichever test comes next."""
    for found in gc.get_objects():
        if issubclass(type(found), asyncio.BaseEventLoop) and not found.is_running():
            found.close()
    gc.collect()


@pytest.mark.slow
def test_gradios_page_shows_the_same_and_fetches_nothing():
    pytest.importorskip("gradio", reason="gradio is not installed")
    from seqgan.dialogue.gradio_page import launch

    chat = Parrot()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        page = launch(chat, None, wait=False)
        try:
            with browser() as look:
                look(Address(page.local_url.strip("/").rpartition(":")[2]))
                seen = look.write("textarea", "good <i>morning</i>", "no. 1")
                seen = look.write("textarea", "and again", "no. 2")
        finally:
            page.close(verbose=False)
            close_idle_loops()
    assert "model good <i>morning</i> no. 1" in seen["text"]
    assert chat.history == ["good <i>morning</i>", "and again"]
    assert all("//127.0.0.1:" in address for address in seen["fetched"])


def test_without_gradio_its_page_is_refused_in_one_sentence(monkeypatch):
    from seqgan.dialogue.gradio_page import app

    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(UserError, match="pip install gradio"):
        app(Parrot())
