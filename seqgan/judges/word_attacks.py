"""Attacks on text classifiers: a few words are exchanged until the classifier answers otherwise."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from image_core.adversarial.attacks.victim import margin
from image_core.adversarial.errors import UserError

Candidates = Callable[[str], Sequence[str]]
"""Word -> words that may take its place."""


class Attempt(NamedTuple):
    """What an attack made of one text.

    Args:
        text: Changed text; the given one where nothing helped.
        changed: Number of words or tokens that were exchanged.
        fooled: Whether the classifier now gives another class.
        queries: Number of texts that the classifier was asked about.
    """

    text: str
    changed: int
    fooled: bool
    queries: int


class TextVictim:
    """A sequence classifier of transformers, in evaluation mode, with its tokenizer.

    Args:
        model: Model such as those of `AutoModelForSequenceClassification`.
        tokenizer: Tokenizer of the model.
        batch: Texts at a time.

    Raises:
        UserError: The model has fewer than two classes.
    """

    def __init__(self, model: Any, tokenizer: Any, batch: int = 32):
        self.model, self.tokenizer, self.batch = model.eval(), tokenizer, batch
        self.device = next(model.parameters()).device
        self.most = min(tokenizer.model_max_length, model.config.max_position_embeddings)
        if model.config.num_labels < 2:
            raise UserError("the text classifier has one output; attacks need two classes or more")

    def encoded(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Token numbers and mask of texts, cut at the model's length.

        Args:
            texts: Texts.
        """
        made = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.most, return_tensors="pt"
        )
        return {name: made[name].to(self.device) for name in ("input_ids", "attention_mask")}

    @torch.no_grad()
    def logits(self, texts: Sequence[str]) -> Float[Tensor, "N K"]:
        """Logits of the classes.

        Args:
            texts: Texts, at least one.
        """
        parts = [texts[i : i + self.batch] for i in range(0, len(texts), self.batch)]
        return torch.cat([self.model(**self.encoded(part)).logits.float() for part in parts])

    @torch.no_grad()
    def logits_of(self, ids: Int64[Tensor, "N T"]) -> Float[Tensor, "N K"]:
        """Logits of rows of tokens without padding.

        Args:
            ids: Tokens, (N, T).
        """
        return torch.cat([self.model(input_ids=x).logits.float() for x in ids.split(self.batch)])

    def slopes(self, ids: Int64[Tensor, "1 T"], label: int) -> Float[Tensor, "T d"]:
        """Gradient of -log p(label) with respect to the embedding of each token.

        Args:
            ids: Tokens of one text, (1, T).
            label: Class of the text.
        """
        with torch.enable_grad():
            embedded = self.model.get_input_embeddings()(ids).detach().requires_grad_()
            z = self.model(inputs_embeds=embedded).logits.float()
            return torch.autograd.grad(-z.log_softmax(1)[0, label], embedded)[0][0]


def greedy_words(
    victim: TextVictim, text: str, label: int, candidates: Candidates, most: int
) -> Attempt:
    """Exchange words, the most important first, each for the candidate that hurts most.

    importance of word i = m(text) - m(text without word i),   m the margin of the true class

    Words are what blanks separate. The classifier is only asked. An exchange that does not lower
    the margin is not made.

    Args:
        victim: Classifier.
        text: Text.
        label: True class of the text, which the classifier gives.
        candidates: Function to the words that may replace a word.
        most: Most words to exchange.

    Source: Jin, Jin, Zhou & Szolovits 2020 (TextFooler), without its filters of grammar.
    """
    words = text.split()
    without = [" ".join(words[:i] + words[i + 1 :]) for i in range(len(words))]
    scores = _margins(victim, [text, *without], label)
    best, queries, changed = float(scores[0]), len(scores), 0
    for i in scores[1:].argsort().tolist():
        if best < 0 or changed == most:
            break
        tried = [w for w in candidates(words[i]) if w != words[i]]
        if not tried:
            continue
        texts = [" ".join([*words[:i], w, *words[i + 1 :]]) for w in tried]
        found = _margins(victim, texts, label)
        queries += len(texts)
        if float(found.min()) < best:
            best, changed = float(found.min()), changed + 1
            words[i] = tried[int(found.argmin())]
    return Attempt(" ".join(words) if changed else text, changed, best < 0, queries)


def random_words(
    victim: TextVictim, text: str, label: int, candidates: Candidates, most: int
) -> Attempt:
    """Exchange as many words as allowed for random candidates: the control of `greedy_words`.

    Args:
        victim: Classifier.
        text: Text.
        label: True class of the text.
        candidates: Function to the words that may replace a word.
        most: Number of words to exchange.
    """
    words, changed = text.split(), 0
    for i in torch.randperm(len(words)).tolist():
        tried = [w for w in candidates(words[i]) if w != words[i]]
        if tried and changed < most:
            words[i] = tried[int(torch.randint(len(tried), ()))]
            changed += 1
    made = " ".join(words)
    return Attempt(made, changed, bool(_margins(victim, [made], label)[0] < 0), 1)


def hotflip(
    victim: TextVictim,
    text: str,
    label: int,
    allowed: Bool[Tensor, " V"],
    most: int,
    *,
    beam: int = 20,
) -> Attempt:
    """Exchange tokens along the gradient of the loss with respect to their embeddings.

    estimated rise of the exchange of token i for v:   (e_v - e_i) . grad_(e_i) -log p(label)

    The best `beam` estimates are tried, and the one that lowers the margin most is made.

    Args:
        victim: Classifier.
        text: Text.
        label: True class of the text, which the classifier gives.
        allowed: Tokens that may be exchanged, and for which, by their number, (V,).
        most: Most tokens to exchange.
        beam: Number of exchanges that are tried at each step.

    Source: Ebrahimi, Rao, Lowd & Dou 2018, section 3, with a beam of one.
    """
    ids = victim.encoded([text])["input_ids"]
    table = victim.model.get_input_embeddings().weight.detach()
    best = float(margin(victim.logits_of(ids), torch.tensor([label], device=ids.device))[0])
    queries, changed = 1, torch.zeros(ids.shape[1], dtype=torch.bool, device=ids.device)
    while best >= 0 and int(changed.sum()) < most:
        rise = victim.slopes(ids, label) @ table.T  # (T, V)
        rise = rise - rise.gather(1, ids[0][:, None])
        fixed = changed | ~allowed[ids[0]]
        rise = rise.masked_fill(~allowed, -torch.inf).masked_fill(fixed[:, None], -torch.inf)
        count = min(beam, int((rise > 0).sum()))
        if not count:
            break
        chosen = rise.flatten().topk(count).indices
        places, tokens = chosen // rise.shape[1], chosen % rise.shape[1]
        tried = ids.repeat(count, 1)
        tried[torch.arange(count), places] = tokens
        classes = torch.full((count,), label, device=ids.device)
        found = margin(victim.logits_of(tried), classes)
        queries += count
        if float(found.min()) >= best:
            break
        worst = int(found.argmin())
        ids, best = tried[worst : worst + 1], float(found.min())
        changed[places[worst]] = True
    count = int(changed.sum())
    made = victim.tokenizer.decode(ids[0], skip_special_tokens=True) if count else text
    return Attempt(made, count, best < 0, queries)


def whole_words(tokenizer: Any, size: int) -> Bool[Tensor, " V"]:
    """Which tokens are words of letters by themselves.

    Args:
        tokenizer: Tokenizer.
        size: Number V of rows of the embedding.
    """
    special = set(tokenizer.all_special_ids)
    known = min(size, len(tokenizer))
    names = tokenizer.convert_ids_to_tokens(list(range(known)))
    begins = any(name.startswith(("Ġ", "▁")) for name in names)  # marks of a word's beginning
    kept = torch.zeros(size, dtype=torch.bool)
    for i, name in enumerate(names):
        word = name[1:] if name[:1] in ("Ġ", "▁") else "" if begins else name
        kept[i] = i not in special and word.isalpha()
    return kept


def neighbours(victim: TextVictim, count: int = 20) -> Candidates:
    """Words nearest to a word in the classifier's own embedding, by cosine.

    Words that are not one token of the tokenizer have none. Nearness in a classifier's embedding is
    not sameness of meaning: a list of synonyms of one's own is the better choice of candidates.

    Args:
        victim: Classifier.
        count: Number of neighbours.
    """
    table = victim.model.get_input_embeddings().weight.detach()
    allowed = whole_words(victim.tokenizer, len(table)).to(table.device)
    unit = torch.nn.functional.normalize(table, dim=1)
    known: dict[str, list[str]] = {}

    def found(word: str) -> Sequence[str]:
        if word not in known:
            known[word] = []
            ids = victim.tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
            if len(ids) == 1 and bool(allowed[ids[0]]):
                near = (unit @ unit[ids[0]]).masked_fill(~allowed, -2)
                near[ids[0]] = -2
                best = near.topk(min(count, int(allowed.sum()) - 1)).indices.tolist()
                known[word] = [victim.tokenizer.decode([i]).strip() for i in best]
        return known[word]

    return found


def _margins(victim: TextVictim, texts: Sequence[str], label: int) -> Float[Tensor, " N"]:
    z = victim.logits(texts)
    return margin(z, torch.full((len(texts),), label, device=z.device))
