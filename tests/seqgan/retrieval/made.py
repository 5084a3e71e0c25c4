"""Made-up worlds for retrieval: one whose true p(d | q) is known, and small files."""

import numpy as np
import torch

from seqgan.retrieval.ragged import Ragged
from seqgan.retrieval.split import Split


def low_rank_world(queries=60, documents=80, rank=4, drawn=40, seed=0):
    """p(d | q) = softmax of a low-rank table, and `drawn` documents of each query, as a multiset.

    Returns:
        log p (Q, D), and a split whose positives are the draws, repeats kept: the game then sees
        p itself, not which documents it never drew.
    """
    generator = torch.Generator().manual_seed(seed)
    u = torch.randn(queries, rank, generator=generator)
    v = torch.randn(documents, rank, generator=generator)
    log_p = (u @ v.T).log_softmax(1)
    draws = torch.multinomial(log_p.exp(), drawn, replacement=True, generator=generator)
    offsets = torch.arange(0, queries * drawn + 1, drawn)
    return log_p, Split(torch.arange(queries), documents, Ragged(offsets, draws.flatten()))


def kl(log_p, log_q):
    """KL(p || q) in the mean over rows."""
    return float((log_p.exp() * (log_p - log_q)).sum(1).mean())


def write_pairs(file, users=30, items=40, seed=0, each=8):
    """A table user, item, rating of users with two tastes, names that are words."""
    random = np.random.default_rng(seed)
    lines = []
    for user in range(users):
        half = (np.arange(items) % 2 == user % 2) * 4.0 + 1
        liked = random.choice(items, each, replace=False, p=half / half.sum())
        for item in liked:
            rating = 5 if item % 2 == user % 2 else 2
            lines.append(f"u{user}\ti{item}\t{rating}")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(file)


def write_letor(file, queries=24, documents=6, seed=0):
    """LETOR text whose first feature is the label and noise."""
    random = np.random.default_rng(seed)
    lines = []
    for query in range(queries):
        labels = [2, 1, *([0] * (documents - 2))]
        for label in random.permutation(labels):
            x = label / 2 + random.normal(0, 0.3)
            lines.append(f"{label} qid:{seed}{query} 1:{x:.4f} 3:{random.random():.4f} # a comment")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(file)


def write_answers(file, questions=12, seed=0):
    """Questions whose right answer holds their noun, and whose wrong ones do not."""
    random = np.random.default_rng(seed)
    nouns = [f"noun{n}" for n in range(30)]
    lines = ["id\tlabel\tquestion\tanswer"]
    for number in range(questions):
        noun, *others = random.choice(nouns, 5, replace=False)
        lines.append(f"{number}\t1\twhat is a {noun} ?\tit is a {noun} of sort {number} .")
        for other in others:
            lines.append(f"{number}\t0\twhat is a {noun} ?\tit is a {other} of sort {number} .")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(file)


def write_encoder(folder, words):
    """A random encoder of one layer, saved as any other."""
    from transformers import BertConfig, BertModel, BertTokenizer

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
    )
    BertModel(config).save_pretrained(folder)
    BertTokenizer(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    return str(folder)


def saved(file, text):
    file.write_text(text, encoding="utf-8")
    return str(file)
