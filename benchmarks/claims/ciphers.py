"""CipherGAN reads ciphers of 26 letters that it was shown no pair of.

Data: the topics of Python's manual, 26 letters without spaces, windows of 32; half of the windows
is enciphered, another half is plain, a tenth each is held out. Each seed has a cipher of its own.
Steps and weights were set on the seeds 0 to 3, the rate of the generators on one more cipher (seed
5) that a run with another optimizer had not read. Rivals: EM on pairs of letters with the length of
the key told, which needs no network; controls: the order of frequencies, and the cipher text as it
is.
"""

from benchmarks.claims.harness.claim import Check, Claim

READS = "CipherGAN"
ORDER, EM, UNREAD = "order of frequencies", "EM on pairs of letters", "cipher text as it is"
COMMAND = (
    "seqgan train decipher --seed {seed} --split_seed {seed} --threads 1 --device cpu "
    "--out {out}/run"
)
CIPHERS = {
    "substitution": "--cipher_seed {seed}",
    "vigenere": "--cipher vigenere --key key",
}
LEAST = {"substitution": 0.95, "vigenere": 0.9}
"""Share of letters; that of the substitution was asked for, that of the key of three is ours."""

CLAIM = Claim(
    says="CipherGAN reads 95 % of the letters of a substitution, and 90 % of those of a Vigenere "
    "cipher, without a pair.",
    runs={name: f"{COMMAND} {options}" for name, options in CIPHERS.items()},
    checks=[
        check
        for name in CIPHERS
        for check in (
            Check(
                says=f"{name}: share of letters that are read",
                figure=(name, READS, "accuracy"),
                by=LEAST[name],
            ),
            Check(
                says=f"control: {name}: more than by the order of frequencies",
                figure=(name, READS, "accuracy"),
                against=(name, ORDER, "accuracy"),
            ),
        )
    ],
    rows=[(name, row) for name in CIPHERS for row in (READS, EM, ORDER, UNREAD)],
    columns=["accuracy"],
    cpu_seconds=300,
    seeds=(11, 12, 13),
    tiny={"seqgan": "--preset tiny"},
)
