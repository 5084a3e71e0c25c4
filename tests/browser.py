"""A real browser without a screen, by the WebDriver protocol: what a report's reader would see."""

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1000,800",
]

SEEN = """
return {
  title: document.title,
  text: document.body.innerText,
  images: [...document.images].map(
    i => [i.complete, i.naturalWidth, i.getBoundingClientRect().width]),
  fetched: performance.getEntriesByType('resource').map(r => r.name),
  scripts: document.scripts.length,
  overflow: document.documentElement.scrollWidth - window.innerWidth,
  rows: [...document.querySelectorAll('#samples tbody tr')].map(
    r => [...r.cells].map(c => c.innerText)),
  copied: document.querySelectorAll('tr.copied').length,
}
"""


@contextmanager
def browser() -> Iterator[Any]:
    """A function from a file to what is on its page; skips where there is no Chromium.

    Its `write` types a line into the page that is open.
    """
    driver = shutil.which("chromedriver")
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    if driver is None or binary is None:
        pytest.skip("no browser: chromium and chromedriver are not installed")
    with subprocess.Popen(
        [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        session = ""
        try:
            assert process.stdout is not None
            line = next(line for line in process.stdout if "successfully on port" in line)
            port = line.rpartition("port ")[2].strip().rstrip(".")
            address = f"http://127.0.0.1:{port}/session"
            chrome = {"binary": binary, "args": OPTIONS}
            wanted = {"goog:chromeOptions": chrome, "goog:loggingPrefs": {"browser": "ALL"}}
            body = {"capabilities": {"alwaysMatch": wanted}}
            session = f"{address}/{_call(address, body)['sessionId']}"

            def look(file: Path) -> dict[str, Any]:
                _call(f"{session}/url", {"url": file.resolve().as_uri()})
                for _ in range(50):
                    seen = _call(f"{session}/execute/sync", {"script": SEEN, "args": []})
                    if all(complete for complete, _, _ in seen["images"]):
                        break
                    time.sleep(0.1)
                log = _call(f"{session}/se/log", {"type": "browser"})
                return seen | {"complaints": [entry["message"] for entry in log]}

            def write(selector: str, text: str, answer: str) -> dict[str, Any]:
                """Type into what the page has by now; what is seen once the answer is there."""
                find = {"using": "css selector", "value": selector}
                for _ in range(300):
                    if found := _call(f"{session}/elements", find):
                        break
                    time.sleep(0.1)
                (element,) = found[0].values()
                _call(f"{session}/element/{element}/value", {"text": text + "\ue007"})
                for _ in range(300):
                    seen = _call(f"{session}/execute/sync", {"script": SEEN, "args": []})
                    if answer in seen["text"]:
                        break
                    time.sleep(0.1)
                return seen

            look.write = write  # type: ignore[attr-defined]
            yield look
        finally:
            if session:
                urllib.request.urlopen(urllib.request.Request(session, method="DELETE"), timeout=30)
            process.terminate()


def _call(address: str, body: dict[str, Any]) -> Any:
    data = json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as answer:
        return json.loads(answer.read())["value"]
