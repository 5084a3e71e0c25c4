"""Small models and contexts for tests of dialogue."""

import torch
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from seqgan.dialogue.language_models import CausalLMPolicy, Seq2SeqLMPolicy
from seqgan.dialogue.recurrent import AttentionPolicy

V, PAD, END = 24, 0, 2
IDS = {"end": END, "pad": PAD, "forbidden": [0, 1]}


def gpt2(**more):
    options = {"n_positions": 40, "n_embd": 16, "n_layer": 2, "n_head": 2, **more}
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=V, bos_token_id=END, eos_token_id=END, pad_token_id=PAD, **options)
    )


def llama():
    config = LlamaConfig(
        vocab_size=V, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=40,
        bos_token_id=1, eos_token_id=END, pad_token_id=PAD,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def t5():
    config = T5Config(
        vocab_size=V, d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2, dropout_rate=0.0,
        eos_token_id=END, pad_token_id=PAD, decoder_start_token_id=PAD,
    )  # fmt: skip
    return T5ForConditionalGeneration(config)


def bart():
    config = BartConfig(
        vocab_size=V, d_model=16, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24, dropout=0.0,
        max_position_embeddings=40, bos_token_id=1, eos_token_id=END, pad_token_id=PAD,
        decoder_start_token_id=END, forced_eos_token_id=None,
    )  # fmt: skip
    return BartForConditionalGeneration(config)


def sharpen(policy):
    """Weights of an untrained model are so small that all its distributions are alike."""
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4.0)
    return policy.eval()


def policy_of(kind, seed=0):
    torch.manual_seed(seed)
    match kind:
        case "gpt2":
            return sharpen(CausalLMPolicy(gpt2(), V, **IDS))
        case "llama":
            return sharpen(CausalLMPolicy(llama(), V, **IDS))
        case "t5":
            return Seq2SeqLMPolicy(t5(), V, **IDS).eval()
        case "lstm":
            return sharpen(AttentionPolicy(V, 16, 2, **IDS))
    raise ValueError(kind)


KINDS = ("gpt2", "llama", "t5", "lstm")


def contexts(rows=4, columns=6, seed=0, shortest=2):
    """Contexts of several lengths, padded on the left."""
    generator = torch.Generator().manual_seed(seed)
    context = torch.randint(3, V, (rows, columns), generator=generator)
    attention_mask = torch.ones(rows, columns, dtype=torch.bool)
    for row in range(rows):
        gap = row % (columns - shortest + 1)
        context[row, :gap], attention_mask[row, :gap] = PAD, False
    return context, attention_mask


def replies(rows=4, length=7, seed=1):
    """Replies of several lengths, one of them without an end."""
    generator = torch.Generator().manual_seed(seed)
    reply = torch.randint(3, V, (rows, length), generator=generator)
    for row in range(rows - 1):
        reply[row, 2 + row % (length - 2)], reply[row, 3 + row % (length - 2) :] = END, PAD
    return reply
