"""Metrics of generated sequences, one for each name in `__all__`.

Heavy libraries (transformers, mauve, sacrebleu) are imported by the metric that uses one.
"""

from image_core.metrics.distances import frechet as frechet_distance

from .bleu import bleu as bleu
from .bleu import bleu_per_sentence as bleu_per_sentence
from .bleu import self_bleu as self_bleu
from .bleu import self_bleu_per_sentence as self_bleu_per_sentence
from .bootstrap import bootstrap_band as bootstrap_band
from .corpus_bleu import corpus_bleu as corpus_bleu
from .diversity import adjusted_distinct as adjusted_distinct
from .diversity import copied_ngrams as copied_ngrams
from .diversity import copied_share as copied_share
from .diversity import distinct as distinct
from .diversity import lengths as lengths
from .diversity import ngram_entropy as ngram_entropy
from .diversity import repetition_share as repetition_share
from .diversity import unigram_entropy as unigram_entropy
from .diversity import unique_share as unique_share
from .embedding import embedding_similarity as embedding_similarity
from .mauve import mauve as mauve
from .ms_jaccard import ms_jaccard as ms_jaccard

__all__ = [
    "adjusted_distinct",
    "bleu",
    "bleu_per_sentence",
    "copied_ngrams",
    "copied_share",
    "corpus_bleu",
    "distinct",
    "embedding_similarity",
    "frechet_distance",
    "lengths",
    "mauve",
    "ms_jaccard",
    "ngram_entropy",
    "repetition_share",
    "self_bleu",
    "self_bleu_per_sentence",
    "unigram_entropy",
    "unique_share",
]
