"""The documentation site: pages in Markdown, and a reference drawn from the docstrings."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))

from reference import write_reference  # noqa: E402

project = "seqgan"
author = "the seqgan contributors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
html_theme = "furo"
html_title = "seqgan"
exclude_patterns = ["reference.py", "conf.py"]
myst_heading_anchors = 4
napoleon_google_docstring = True
napoleon_custom_sections = ["Source"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
# A title is one level below that of its page, however the Markdown of the repository begins
suppress_warnings = ["myst.header"]

write_reference(ROOT, Path(__file__).parent / "reference")
