"""Networks of image GANs: layers, norms, generators, discriminators. Images are in [-1, 1]."""

from image_core.nets.autoencoder import AutoEncoder as AutoEncoder
from image_core.nets.dcgan import dcgan as dcgan
from image_core.nets.discriminators import ImageDiscriminator as ImageDiscriminator
from image_core.nets.resnet import resnet19 as resnet19
from image_core.nets.resnet import resnet_cifar as resnet_cifar
from image_core.nets.sndcgan import sndcgan as sndcgan

__all__ = ["dcgan", "resnet19", "resnet_cifar", "sndcgan"]
