"""`python -m seqgan`, the command line."""

import sys

from seqgan.cli import main

sys.exit(main())
