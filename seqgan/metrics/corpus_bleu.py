"""Corpus BLEU as used in machine translation, by sacrebleu: each sample has its own references."""

from collections.abc import Sequence
from typing import NamedTuple

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError


class CorpusBLEU(NamedTuple):
    """A corpus BLEU score and its settings.

    Args:
        score: Score from 0 to 100.
        signature: Signature of sacrebleu; report it with the score.
    """

    score: float
    signature: str


@python_call()
def corpus_bleu(
    samples: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    order: int = 4,
    lowercase: bool = False,
) -> CorpusBLEU:
    """Corpus BLEU of plain, detokenized text, with sacrebleu's tokenizer and its signature.

    For samples that answer something: the i-th sample is compared with the i-th sentence of each
    reference set. It is not meaningful for unconditional text, see `bleu`.

    Args:
        samples: Sentences.
        references: One or more reference sets, each with one sentence per sample.
        order: Maximum order of the n-grams.
        lowercase: Whether case is ignored.

    Raises:
        UserError: There are no samples, or a reference set has another size.

    Source: Papineni et al. 2002; Post 2018.
    """
    from sacrebleu.metrics import BLEU

    if not samples or not references:
        raise UserError("corpus BLEU needs at least one sample and one reference set")
    for number, part in enumerate(references, 1):
        if len(part) != len(samples):
            raise UserError(
                f"corpus BLEU compares line by line: reference set {number} has {len(part)} "
                f"sentences for {len(samples)} samples"
            )
    metric = BLEU(max_ngram_order=order, lowercase=lowercase)
    score = metric.corpus_score(list(samples), [list(part) for part in references])
    return CorpusBLEU(float(score.score), str(metric.get_signature()))
