"""Metrics of generated sequences; each name in `__all__` is one."""

from .bleu import bleu as bleu
from .bleu import bleu_per_sentence as bleu_per_sentence
from .bleu import self_bleu as self_bleu
from .bleu import self_bleu_per_sentence as self_bleu_per_sentence
from .diversity import copied_share as copied_share
from .diversity import distinct as distinct
from .diversity import repetition_share as repetition_share
from .diversity import unigram_entropy as unigram_entropy
from .diversity import unique_share as unique_share
from .language_model import fit_language_model as fit_language_model
from .likelihood import jsd as jsd
from .likelihood import nll as nll

__all__ = [
    "bleu",
    "bleu_per_sentence",
    "copied_share",
    "distinct",
    "jsd",
    "nll",
    "repetition_share",
    "self_bleu",
    "self_bleu_per_sentence",
    "unigram_entropy",
    "unique_share",
]
