"""Options of `seqgan attack`."""

from dataclasses import dataclass

from image_core.adversarial.attacks.victim import check_budget
from image_core.adversarial.errors import UserError
from image_core.data.pictures import FITS
from image_core.runs import options

WITHIN = ("fgsm", "pgd", "universal", "advgan")
"""Attacks within a ball, one row a radius."""
NEAREST = ("deepfool", "carlini_wagner", "one_pixel")
"""Attacks that look for the nearest image, or for few pixels, whatever the radius."""
NORMS = ("linf", "l2", "l1")


@dataclass(frozen=True, kw_only=True)
class AttackOptions:
    """Attacks on an image classifier.

    Args:
        out: Folder of the results, a new one.
        data: Images, see `seqgan train image`; they need labels.
        labels: File of labels of --data, see `seqgan train image`.
        valid: Images that nothing reads, named like --data; drawn from --data when left out.
        test: Images that are attacked, named like --data; a tenth of every class, drawn by the
            split seed, when left out.
        split_seed: Seed of the draw of the images to attack.
        size: Side of the images; 0 = that of the data, rounded up.
        fit: What is done to images that are no squares: crop, pad or stretch.
        model: The classifier, module:name, a torch module or a function without arguments that
            returns one, from images to logits; a small one learned on --data when left out.
        low: Least value of the classifier's input.
        high: Greatest value of the classifier's input.
        attacks: Attacks, with commas: fgsm, pgd, universal, advgan, deepfool, carlini_wagner,
            one_pixel.
        norm: Norm of the balls of pgd and universal: linf, l2 or l1.
        radius: Radii, with commas, in units of the classifier's input.
        steps: Steps of pgd.
        restarts: Random starts of pgd.
        count: Most images to attack, of those that the classifier gets right.
        defend: Radius of the adversarial training of a second classifier, which is attacked as
            well; 0 trains none.
        train_steps: Steps of the classifiers' training, and of advgan's.
        batch: Images of a step of an attack.
        seed: Seed of everything.
        device: Where it runs: auto, cpu or cuda.
        threads: Threads of torch on the CPU; 0 leaves torch's own number.

    Raises:
        UserError: A value is out of range, or options contradict one another.
    """

    out: str
    data: str = "digits"
    labels: str | None = None
    valid: str | None = None
    test: str | None = None
    split_seed: int = 0
    size: int = 0
    fit: str = "crop"
    model: str | None = None
    low: float = 0.0
    high: float = 1.0
    attacks: str = "fgsm,pgd,deepfool,carlini_wagner"
    norm: str = "linf"
    radius: str = "0.1,0.2,0.3"
    steps: int = 40
    restarts: int = 1
    count: int = 500
    defend: float = 0.0
    train_steps: int = 900
    batch: int = 100
    seed: int = 0
    device: str = "auto"
    threads: int = 0

    def __post_init__(self) -> None:
        options.check_choice("norm", self.norm, NORMS)
        options.check_choice("fit", self.fit, tuple(FITS))
        options.check_least(self, 0, "split_seed", "size", "defend", "threads")
        options.check_least(self, 1, "steps", "restarts", "count", "train_steps", "batch")
        options.check_seed(self.seed)
        if not self.names():
            raise UserError("--attacks names nothing; write for example fgsm,pgd")
        for name in self.names():
            options.check_choice("attacks", name, (*WITHIN, *NEAREST))
        for radius in self.radii():
            check_budget(radius, "--radius")
        if not self.low < self.high:
            raise UserError(f"--low {self.low} and --high {self.high}: low must be below high")
        if self.model is None and (self.low, self.high) != (0.0, 1.0):
            raise UserError("--low and --high are for a --model of your own; ours reads 0 to 1")
        if self.model is not None and self.defend:
            raise UserError(
                "--defend trains our own classifier; for yours use AdversarialTraining of "
                "image_core.games.perturbation from Python, or leave out --model"
            )
        if self.norm != "linf" and {"fgsm", "advgan"} & set(self.names()):
            raise UserError(f"--norm {self.norm}: fgsm and advgan are bounded in linf; leave them")

    def names(self) -> list[str]:
        """The attacks, in order."""
        return [name.strip() for name in self.attacks.split(",") if name.strip()]

    def radii(self) -> list[float]:
        """The radii, in order.

        Raises:
            UserError: One is no number.
        """
        try:
            return [float(part) for part in self.radius.split(",")]
        except ValueError as error:
            raise UserError(
                f"--radius {self.radius}: write numbers with commas, for example 0.1,0.2"
            ) from error
