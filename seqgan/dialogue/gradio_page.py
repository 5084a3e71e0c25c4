"""The chat page as a gradio app: what the plain page shows, with the temperature at hand."""

from dataclasses import replace
from typing import Any

import torch

from image_core.adversarial.errors import UserError
from seqgan.dialogue.chat import Chat
from seqgan.dialogue.web import exchange


def app(chat: Chat) -> Any:
    """The page, not yet served; one conversation.

    Args:
        chat: Conversation.

    Raises:
        UserError: Gradio is not installed.
    """
    try:
        import gradio
    except ImportError as error:
        raise UserError(
            "--web gradio needs the package gradio; pip install gradio, or leave gradio out"
        ) from error
    lines: list[str] = []

    def say(text: str, temperature: float) -> tuple[str, str]:
        chat.manner = replace(chat.manner, temperature=temperature)
        if text.strip():
            lines.append(exchange(text, chat.answer(text)))
        return "".join(lines), ""

    def forget() -> str:
        chat.forget()
        lines.clear()
        return ""

    with gradio.Blocks(title="seqgan chat", analytics_enabled=False) as page:
        gradio.HTML(
            "Red: the discriminator takes the reply so far for a machine's; green: for a person's"
        )
        said = gradio.HTML(elem_id="said")
        text = gradio.Textbox(label="you")
        warmth = gradio.Slider(0, 2, value=chat.manner.temperature, label="temperature")
        anew = gradio.Button("new conversation")
        text.submit(say, [text, warmth], [said, text])
        anew.click(forget, None, said)
    return page


def launch(chat: Chat, port: int | None, *, wait: bool) -> Any:
    """Serve the page on this machine; returns it at once unless it is to wait.

    Args:
        chat: The conversation.
        port: None = a free one.
        wait: Whether to return only when it is interrupted.

    Raises:
        UserError: Gradio is missing, or the port is taken.
    """
    page = app(chat)
    import gradio

    # Fonts of this machine: the page fetches nothing
    plain = gradio.themes.Base(font=["sans-serif"], font_mono=["monospace"])
    try:
        page.launch(
            server_name="127.0.0.1", server_port=port, share=False, quiet=not wait,
            prevent_thread_lock=not wait, theme=plain,
        )  # fmt: skip
    except OSError as error:
        raise UserError(f"--port {port} cannot be used ({error}); choose another") from error
    return page


def serve(chat: Chat, port: int, seed: int) -> None:
    """Serve the page until it is interrupted.

    Args:
        chat: Conversation.
        port: Port to listen at.
        seed: Seed of the draws.
    """
    torch.manual_seed(seed)
    launch(chat, port, wait=True)
