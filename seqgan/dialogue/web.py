"""A chat page: what is said, and each reply's tokens coloured by the discriminator's output.

A form and the standard library's server: nothing to install, nothing fetched, no scripts. One
conversation. On this machine alone, unless a host is named: then a token is asked for. Pages of
other sites can neither read nor post: Host and Origin are checked.
"""

import hmac
import html
import ipaddress
import secrets
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import torch

from image_core.adversarial.errors import UserError
from seqgan.dialogue.chat import Chat, Piece

MOST = 10_000
"""Bytes of one message."""

LOCAL = "127.0.0.1"
PATIENCE_SECONDS = 10
"""Seconds that a client may take to send a message, while all others wait."""

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>seqgan chat</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:16px sans-serif;max-width:45em;margin:2em auto;padding:0 1em}}
#said p{{white-space:pre-wrap;overflow-wrap:anywhere}}
input[name=say]{{width:70%;font:inherit}}button{{font:inherit}}</style></head><body>
<p>Red: the discriminator takes the reply so far for a machine's; green: for a person's.</p>
<div id="said">{said}</div>
<form method="post"><input name="say" autofocus aria-label="you" autocomplete="off">
<button>say</button> <button name="new" value="1">new conversation</button></form></body></html>"""


def marked(pieces: list[Piece]) -> str:
    """A reply as HTML; whatever it says is text.

    Args:
        pieces: Tokens of the reply as text, with D's output for each.
    """
    return "".join(
        f'<span style="background:hsl({round(120 * human)},80%,80%);color:#111" '
        f'title="{human:.2f}">{html.escape(text)}</span>'
        for text, human in pieces
    )


def exchange(text: str, reply: list[Piece]) -> str:
    """What was said and what was answered, as HTML.

    Args:
        text: What the user said.
        reply: Tokens of the reply as text, with D's output for each.
    """
    return f"<p><b>you</b> {html.escape(text)}</p><p><b>model</b> {marked(reply)}</p>"


class ChatServer(HTTPServer):
    """The page's server, not yet serving.

    Args:
        chat: The conversation.
        port: Port; 0 takes a free one.
        host: Address that it listens on; any but this machine's own needs the token.

    Raises:
        UserError: The port or the host cannot be used.
    """

    def __init__(self, chat: Chat, port: int, host: str = LOCAL):
        self.chat, self.lines = chat, list[str]()
        self.token = "" if is_local(host) else secrets.token_urlsafe(16)
        try:
            super().__init__((host, port), _Page)
        except (OSError, OverflowError) as error:
            raise UserError(
                f"--host {host} --port {port} cannot be used ({error}); choose others"
            ) from error

    @property
    def address(self) -> str:
        """What to open in a browser."""
        name = str(self.server_address[0])
        return f"http://{name}:{self.server_port}/" + (f"?token={self.token}" if self.token else "")


def is_local(host: str) -> bool:
    """Whether a name is this machine's own, which no other machine reaches.

    Args:
        host: Name or address of a machine.
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class _Page(BaseHTTPRequestHandler):
    server: ChatServer
    timeout = PATIENCE_SECONDS

    def do_GET(self) -> None:
        given = parse_qs(urlsplit(self.path).query).get("token", [""])[0]
        if not self._host_is_ours():
            self._answer(403, "this page is not served under that name")
        elif self.server.token and self._same(given):
            # The address is kept in histories, a cookie of this page is not
            self._go_on(f"chat={given}; HttpOnly; SameSite=Strict; Path=/")
        elif not self._may_enter():
            self._answer(403, "open the address with the token that the terminal shows")
        else:
            self._show(200)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (self._host_is_ours() and self._origin_is_ours() and self._may_enter()):
            self._answer(403, "this page takes messages from itself alone")
            return
        if not length.isdecimal():
            self._answer(411, "a message says how long it is")
            return
        if int(length) > MOST:
            self._show(413)
            return
        form = parse_qs(self.rfile.read(int(length)).decode("utf-8", "replace"))
        text = form.get("say", [""])[0].strip()
        chat, lines = self.server.chat, self.server.lines
        if "new" in form:
            chat.forget()
            lines.clear()
        elif text:
            lines.append(exchange(text, chat.answer(text)))
        # So that loading the page anew says nothing twice
        self._go_on()

    def _host_is_ours(self) -> bool:
        """A foreign name that resolves to this machine is a page of someone else (rebinding)."""
        host = self.headers.get("Host", "")
        try:
            named = urlsplit(f"//{host}")
            return bool(self.server.token) or (
                # Browsers leave out the port of http
                is_local(named.hostname or "") and (named.port or 80) == self.server.server_port
            )
        except ValueError:
            return False

    def _origin_is_ours(self) -> bool:
        """Browsers say which page a form was sent from."""
        origin = self.headers.get("Origin")
        return origin is None or origin == f"http://{self.headers.get('Host', '')}"

    def _may_enter(self) -> bool:
        if not self.server.token:
            return True
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get("chat")
        except CookieError:
            return False
        return cookie is not None and self._same(cookie.value)

    def _same(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.server.token.encode())

    def _go_on(self, cookie: str = "") -> None:
        self.send_response(303)
        self.send_header("Location", "/")
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _show(self, status: int) -> None:
        self._answer(status, _PAGE.format(said="".join(self.server.lines)), "text/html")

    def _answer(self, status: int, text: str, kind: str = "text/plain") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Say nothing: the terminal shows the address alone."""


def serve(chat: Chat, port: int, seed: int, host: str = LOCAL) -> None:
    """Serve the page until it is interrupted.

    Args:
        chat: Conversation.
        port: Port to listen at.
        seed: Seed of the draws.
        host: Name or address to listen at.
    """
    torch.manual_seed(seed)
    with ChatServer(chat, port, host) as page:
        print(f"{page.address}  (ctrl-c ends it)", flush=True)
        page.serve_forever()
