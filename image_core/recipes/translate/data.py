"""The domains of a run: those to learn from, those of the log, and those of the report."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import torch

from image_core.adversarial.errors import UserError
from image_core.data.domains import Domains, make_domains, read_pairs, read_two
from image_core.data.images import ImageSet, Reading, read_splits
from image_core.data.overlap import PictureSet, split_facts, tell_facts

FEWEST = 10
"""Pictures that a set to measure with holds at least."""


class DomainSource(NamedTuple):
    """Where two domains come from.

    Args:
        data: Place of the pictures that domains are made of.
        domains: Domains that are made of them, see `KINDS`.
        a: Place of the pictures of A, in place of made domains; None for those.
        b: Place of the pictures of B, likewise.
        pairs: Place of pairs, likewise.
        swap: Whether A and B are exchanged.
        split_seed: Seed of the draws.
        how: Form of the pictures; its option is not used.
        paired: Whether pairs are learned from as pairs.
        masks: Whether B is masks, which may well be alike.
        held: Places of the pictures of the log ("valid") and of the report ("test"), of which those
            of one that is not there are drawn.
    """

    data: str
    domains: str
    a: str | None
    b: str | None
    pairs: str | None
    swap: bool
    split_seed: int
    how: Reading
    paired: bool
    masks: bool = False
    held: Mapping[str, str] = MappingProxyType({})

    def told(self) -> str:
        """The options that name the domains, and their values."""
        if self.pairs is not None:
            return f"--pairs {self.pairs}"
        if self.a is not None:
            return f"--a {self.a} --b {self.b}"
        return f"--data {self.data} --domains {self.domains}"


class DomainSets(NamedTuple):
    """Domains by what they are for.

    Args:
        train: Pictures to learn from.
        valid: Pictures of the log, which the report puts in the generator's place.
        test: Pictures that the report measures with.
        facts: Sizes, classes and overlaps, for the result.
    """

    train: Domains
    valid: Domains
    test: Domains
    facts: dict[str, object]


class DomainForm(NamedTuple):
    """What a game must know of the domains to be built without them.

    Args:
        rows: Number of pictures of A and of B to learn from.
        channels: Colours of A and of B.
        size: Sides of the pictures of A and of B in pixels.
        names: Names of the classes of A and of B; empty where they are not known.
    """

    rows: tuple[int, int]
    channels: tuple[int, int]
    size: tuple[int, int]
    names: tuple[list[str], list[str]]

    def stand_in(self) -> Domains:
        """Grey pictures of this form, which take no memory."""
        sides = []
        for rows, channels, size, names in zip(*self):
            images = torch.full((1, channels, size, size), 128, dtype=torch.uint8)
            labels = torch.zeros(1, dtype=torch.long).expand(rows) if names else None
            sides.append(ImageSet(images.expand(rows, -1, -1, -1), labels, names, "none"))
        return Domains(sides[0], sides[1], paired=False)


def form_of(domains: Domains) -> DomainForm:
    """The form of domains to learn from."""
    shapes = [tuple(int(n) for n in s.images.shape) for s in domains[:2]]
    rows, channels, size, _ = zip(*shapes)
    names = [list(s.names) if s.labels is not None else [] for s in domains[:2]]
    return DomainForm(rows, channels, size, (names[0], names[1]))


def read_sets(o: DomainSource) -> DomainSets:
    """Read the domains of a run, draw the sets to measure with, and say what was read.

    A paper that learns from no pairs sees one half of the pairs in A and the other half in B.

    Args:
        o: Where the pictures are, and their form.

    Raises:
        UserError: They cannot be read, are too few, or are no pairs where a paper needs them.
    """
    found = _read(o)
    found |= {role: _held(o, role, place, found["train"]) for role, place in o.held.items()}
    print(f"data: {o.told()}: {_told(found)}", file=sys.stderr)
    if o.swap:
        found = {split: domains.swapped() for split, domains in found.items()}
    wanted = [role for role in ("test", "valid") if role not in found]
    if wanted:
        found |= _drawn(found["train"], wanted, o.split_seed)
    _check_counts(o.told(), found)
    if found["train"].paired and not o.paired:
        found["train"] = _halved(found["train"], o.split_seed)
    facts: dict[str, object] = {}
    for name in "a" if o.masks else "ab":
        sides = {role: found[role].of(name) for role in ("train", "valid", "test")}
        own = split_facts({r: PictureSet(s.images, s.labels, s.names) for r, s in sides.items()})
        tell_facts(own)
        facts |= {f"{name}_{key}": value for key, value in own.items()}
    return DomainSets(found["train"], found["valid"], found["test"], facts)


def _read(o: DomainSource) -> dict[str, Domains]:
    if o.pairs is not None:
        return read_pairs(o.pairs, replace(o.how, option="--pairs"))
    if o.a is not None and o.b is not None:
        return read_two(o.a, o.b, o.how, paired=o.paired)
    splits = read_splits(o.data, replace(o.how, option="--data"))
    return {s: make_domains(images, o.domains, o.split_seed) for s, images in splits.items()}


def _held(o: DomainSource, role: str, place: str, train: Domains) -> Domains:
    """Pictures to measure with from a place of their own, of the form of those to learn from."""
    option, side = f"--{role}", int(train.a.images.shape[2])
    how = replace(o.how, option=option, size=o.how.size or side)
    if o.pairs is not None:
        sets = read_pairs(place, how)
    elif o.a is not None:
        first, comma, second = place.partition(",")
        if not comma:
            raise UserError(
                f"{option} {place}: beside --a and --b it names two places with a comma between, "
                "the pictures of A and of B"
            )
        sets = read_two(first, second, how, paired=o.paired)
    else:
        splits = read_splits(place, how)
        sets = {s: make_domains(images, o.domains, o.split_seed) for s, images in splits.items()}
    found = sets.get(role, sets["train"])
    for name in ("a", "b"):
        one, known = (tuple(d.of(name).images.shape[1:]) for d in (found, train))
        if one != known:
            raise UserError(
                f"{option} {place}: its pictures of domain {name.upper()} have {one[0]} colours "
                f"and {one[1]} pixels a side, those to learn from {known[0]} and {known[1]}; give "
                "pictures of one form, or --size and --channels"
            )
    a, b = (found.of(name).by_classes(f"{option} {place}", train.of(name)) for name in ("a", "b"))
    return Domains(a, b, found.paired)


def _drawn(every: Domains, wanted: list[str], seed: int) -> dict[str, Domains]:
    """Sets drawn from the pictures to learn from: pairs together, other pictures by domain."""
    if every.paired:
        rows = every.a.parted(wanted, seed, every.b.images)
        return {role: every.pick(own, own) for role, own in rows.items()}
    a, b = every.a.parted(wanted, seed), every.b.parted(wanted, seed)
    return {role: every.pick(a[role], b[role]) for role in a}


def _halved(pairs: Domains, seed: int) -> Domains:
    """One half of the pairs in A, the other half in B."""
    draw = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(pairs.a.images), generator=draw)
    half = len(order) // 2
    return pairs.pick(order[:half], order[half:])


def _check_counts(source: str, found: Mapping[str, Domains]) -> None:
    for role in ("valid", "test"):
        for name, images in (("A", found[role].a), ("B", found[role].b)):
            if len(images.images) < FEWEST:
                raise UserError(
                    f"{source} leaves {len(images.images)} pictures of domain {name} for the "
                    f"{role} set, and a measurement needs {FEWEST}; give at least 100 of each"
                )


def _told(found: Mapping[str, Domains]) -> str:
    """What was read, in one line."""
    parts = []
    for name in ("a", "b"):
        sides = {role: domains.of(name) for role, domains in found.items()}
        _, channels, side, _ = sides["train"].images.shape
        count = ", ".join(f"{len(images.images):,} {role}" for role, images in sides.items())
        told = "".join(f"; {images.told}" for images in sides.values() if images.told)
        parts.append(
            f"{name.upper()}: {count} pictures of {side}x{side} pixels, {channels} colours{told}"
        )
    return "; ".join(parts)
