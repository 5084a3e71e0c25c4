"""Models whose parameters the processes share out among themselves (FSDP2), block by block."""

import torch
from torch import nn

from image_core.adversarial import parallel
from image_core.adversarial.errors import UserError
from seqgan.dialogue.discriminators import (
    DialogueDiscriminator,
    HierarchicalDiscriminator,
    LanguageModelDiscriminator,
    LogRatioDiscriminator,
)
from seqgan.dialogue.language_models import CausalLMPolicy
from seqgan.dialogue.policies import DialoguePolicy


def shard_policy(policy: DialoguePolicy, device: torch.device) -> None:
    """Leave this process its part of a causal model; each block is put together as it is used.

    Args:
        policy: Policy that is a model of transformers.
        device: Device of this process.

    Raises:
        UserError: The model is no causal one.
    """
    if not isinstance(policy, CausalLMPolicy):
        raise UserError("--shard true is for causal models of transformers; leave it out")
    _shard(policy.model, policy.model, device)


def shard_discriminator(discriminator: DialogueDiscriminator, device: torch.device) -> None:
    """The same of a discriminator with a transformer; a hierarchical one is small and whole.

    A discriminator's own forward is the root, for it embeds replies outside of its transformer.

    Args:
        discriminator: Discriminator to share out.
        device: Device of this process.
    """
    from torch.distributed.fsdp import register_fsdp_forward_method

    if isinstance(discriminator, HierarchicalDiscriminator):
        return
    if isinstance(discriminator, LanguageModelDiscriminator | LogRatioDiscriminator):
        shard_policy(discriminator.model, device)
        if isinstance(discriminator, LogRatioDiscriminator):
            shard_policy(discriminator.frozen, device)
        return
    _shard(discriminator, discriminator.get_submodule("backbone"), device)
    for name in ("values", "nll"):
        if name in dir(type(discriminator)):
            register_fsdp_forward_method(discriminator, name)


def _shard(root: nn.Module, model: nn.Module, device: torch.device) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (parallel.world()[1],))
    blocks = set(getattr(model, "_no_split_modules", None) or ())
    for module in model.modules():
        if type(module).__name__ in blocks:
            fully_shard(module, mesh=mesh)
    fully_shard(root, mesh=mesh, reshard_after_forward=True)
