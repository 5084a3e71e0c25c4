"""Text data: reading, tokens, padded matrices, masks. Libraries are imported when used."""

from seqgan.data.chat import ChatSplits as ChatSplits
from seqgan.data.chat import chitchat_turns as chitchat_turns
from seqgan.data.encode import DEFAULT_MAX_LENGTH as DEFAULT_MAX_LENGTH
from seqgan.data.encode import Encoded as Encoded
from seqgan.data.encode import LongLines as LongLines
from seqgan.data.encode import check_vocabulary as check_vocabulary
from seqgan.data.encode import encode_matrix as encode_matrix
from seqgan.data.encode import mask_of as mask_of
from seqgan.data.source import Texts as Texts
from seqgan.data.source import read_texts as read_texts
from seqgan.data.tokenizer import END as END
from seqgan.data.tokenizer import PAD as PAD
from seqgan.data.tokenizer import SPECIALS as SPECIALS
from seqgan.data.tokenizer import START as START
from seqgan.data.tokenizer import UNK as UNK
from seqgan.data.tokenizer import Level as Level
from seqgan.data.tokenizer import TextTokenizer as TextTokenizer
