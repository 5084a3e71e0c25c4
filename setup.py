"""The compiled parts; everything else stands in pyproject.toml."""

from setuptools import Extension, setup

# Optional: where there is no C compiler the package installs without, and is slower.
setup(
    ext_modules=[
        Extension(
            "seqgan.text._conv_bank",
            ["seqgan/text/_conv_bank.c"],
            extra_compile_args=["-O3"],
            optional=True,
        ),
        Extension("rl._dense", ["rl/_dense.c"], extra_compile_args=["-O3"], optional=True),
    ]
)
