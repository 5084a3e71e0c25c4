"""The same parts of SeqGAN written the textbook way, as a yardstick on the same machine.

    python benchmarks/plain_seqgan.py

nn.LSTM and cross entropy; softmax and multinomial a token; one decoding loop from the first token
for every prefix and copy; Conv1d with dropout, ReLU and maximum; Adam with its defaults. CPU
seconds with one torch thread, same sizes as `seqgan_step.py`. The rollout is timed for one copy
of the sixteen, the discriminator for 10 of 312 steps, and scaled.
"""

import json
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seqgan.text.discriminators import SEQGAN_FILTERS

V, T, B, N, H = 5000, 20, 64, 16, 32


class Generator(nn.Module):
    """Embedding, LSTM, softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(V, H), nn.LSTM(H, H, batch_first=True)
        self.output = nn.Linear(H, V)

    def forward(self, tokens: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple:
        hidden, state = self.lstm(self.embedding(tokens), state)
        return self.output(hidden), state

    @torch.no_grad()
    def complete(self, prefix: Tensor) -> Tensor:
        """Read the prefix from its first token, then draw what is missing."""
        tokens, state = [torch.zeros(len(prefix), 1, dtype=torch.int64)], None
        for t in range(T):
            logits, state = self(tokens[-1], state)
            drawn = torch.multinomial(F.softmax(logits[:, -1], 1), 1)
            tokens.append(prefix[:, t : t + 1] if t < prefix.shape[1] else drawn)
        return torch.cat(tokens[1:], 1)


class Discriminator(nn.Module):
    """Embedding, convolutions, highway, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        size = sum(n for _, n in SEQGAN_FILTERS)
        self.embedding = nn.Embedding(V, 64)
        self.convs = nn.ModuleList(nn.Conv1d(64, n, w) for w, n in SEQGAN_FILTERS)
        self.plain, self.gate = nn.Linear(size, size), nn.Linear(size, size)
        self.dropout, self.output = nn.Dropout(0.25), nn.Linear(size, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens).transpose(1, 2)
        x = torch.cat([F.relu(conv(x)).max(2).values for conv in self.convs], 1)
        t = torch.sigmoid(self.gate(x))
        return self.output(self.dropout(t * F.relu(self.plain(x)) + (1 - t) * x))


def learn(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    generator, discriminator = Generator(), Discriminator()
    g_adam, d_adam = (torch.optim.Adam(m.parameters()) for m in (generator, discriminator))
    data = generator.complete(torch.empty(9_984, 0, dtype=torch.int64))
    samples = generator.complete(torch.empty(B, 0, dtype=torch.int64))
    labels = torch.arange(B) % 2

    def rollout() -> None:
        with torch.no_grad():
            for t in range(1, T + 1):
                F.softmax(discriminator(generator.complete(samples[:, :t])), 1)

    def d_steps() -> None:
        for batch in data[: 10 * B].split(B):
            learn(F.cross_entropy(discriminator(batch), labels), d_adam)

    def mle_epoch() -> None:
        for batch in data.split(B):
            logits, _ = generator(F.pad(batch[:, :-1], (1, 0)), None)
            learn(F.cross_entropy(logits.flatten(0, 1), batch.flatten()), g_adam)

    parts: list[tuple[str, Callable[[], object], float]] = [
        ("sample 64 sequences", lambda: generator.complete(samples[:, :0]), 1.0),
        ("rollout reward N=16", rollout, float(N)),
        ("discriminator epoch, 20,000 sequences", d_steps, 31.2),
        ("MLE epoch, 9,984 sequences", mle_epoch, 1.0),
    ]
    for name, run, scale in parts:
        run()
        began = time.process_time()
        run()
        seconds = scale * (time.process_time() - began)
        line = {"part": name, "seconds": round(seconds, 4), "scaled_by": scale}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
