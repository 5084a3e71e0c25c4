"""A chat page: what is said, and each reply's tokens coloured by the discriminator's output.

A form and the standard library's server: nothing to install, nothing fetched, no scripts. One
conversation, on this machine only.
"""

import html
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import torch

from image_core.adversarial.errors import UserError
from seqgan.dialogue.chat import Chat, Piece

MOST = 10_000
"""Bytes of one message."""

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>seqgan chat</title>
<style>body{{font:16px sans-serif;max-width:45em;margin:2em auto;padding:0 1em}}
input[name=say]{{width:70%;font:inherit}}button{{font:inherit}}</style></head><body>
<p>Red: the discriminator takes the reply so far for a machine's; green: for a person's.</p>
<div id="said">{said}</div>
<form method="post"><input name="say" autofocus aria-label="you" autocomplete="off">
<button>say</button> <button name="new" value="1">new conversation</button></form></body></html>"""


def marked(pieces: list[Piece]) -> str:
    """A reply as HTML; whatever it says is text."""
    return "".join(
        f'<span style="background:hsl({round(120 * human)},80%,80%);color:#111" '
        f'title="{human:.2f}">{html.escape(text)}</span>'
        for text, human in pieces
    )


def exchange(text: str, reply: list[Piece]) -> str:
    """What was said and what was answered, as HTML."""
    return f"<p><b>you</b> {html.escape(text)}</p><p><b>model</b> {marked(reply)}</p>"


def server(chat: Chat, port: int) -> HTTPServer:
    """The page's server, not yet serving; port 0 takes a free one.

    Raises:
        UserError: The port is taken.
    """
    lines: list[str] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._show(200)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if length > MOST:
                self._show(413)
                return
            form = parse_qs(self.rfile.read(length).decode("utf-8", "replace"))
            text = form.get("say", [""])[0].strip()
            if "new" in form:
                chat.forget()
                lines.clear()
            elif text:
                lines.append(exchange(text, chat.answer(text)))
            # So that loading the page anew says nothing twice
            self.send_response(303)
            self.send_header("Location", "/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _show(self, status: int) -> None:
            body = _PAGE.format(said="".join(lines)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Say nothing: the terminal shows the address alone."""

    try:
        return HTTPServer(("127.0.0.1", port), Page)
    except (OSError, OverflowError) as error:
        raise UserError(f"--port {port} cannot be used ({error}); choose another") from error


def serve(chat: Chat, port: int, seed: int) -> None:
    """Serve the page until it is interrupted."""
    torch.manual_seed(seed)
    with server(chat, port) as page:
        print(f"http://127.0.0.1:{page.server_port}  (ctrl-c ends it)", flush=True)
        page.serve_forever()
