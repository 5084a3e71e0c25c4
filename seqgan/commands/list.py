"""`seqgan list KIND`."""

from collections.abc import Sequence

from seqgan.commands.parsing import Parser, prepare

KINDS = ("losses", "penalties", "estimators", "games", "recipes", "metrics", "papers")


def run(words: Sequence[str]) -> None:
    """Print the names of a kind."""
    parser = Parser("seqgan list", "What there is, with one line each.")
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    kind = parser.parse_args(words).kind
    prepare()
    from seqgan.recipes.listing import lines

    print("\n".join(lines(kind)))
