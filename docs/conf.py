"""The documentation site: pages in Markdown, and a reference drawn from the docstrings."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))

from docstrings import as_rst  # noqa: E402
from reference import write_reference  # noqa: E402
from systems import write_systems  # noqa: E402

project = "seqgan"
author = copyright = "the seqgan contributors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "seqgan"
html_static_path = ["static"]
html_css_files = ["site.css"]
myst_heading_anchors = 4
# A block without a language is a command or a formula, and no Python
highlight_language = "none"
napoleon_google_docstring = True
napoleon_custom_sections = ["Source"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
# A page of navigation for each of two thousand names would take most of the build
toc_object_entries = False
# Names such as Run and Options stand in several modules
# and pages may point to files of the repository that are no pages of the site
suppress_warnings = ["ref.python", "myst.xref_missing"]

write_reference(ROOT, Path(__file__).parent / "reference")
write_systems(ROOT, Path(__file__).parent / "systems")


def setup(app):
    """Read docstrings before napoleon does."""

    def read(app, what, name, obj, options, lines):
        if lines and lines[0].startswith("Alias for field number"):
            lines.clear()  # of a NamedTuple, whose fields stand among its arguments
        lines[:] = as_rst(lines)
        if what in ("attribute", "data", "property"):
            values[name] = list(lines)

    def keep(app, what, name, obj, options, lines):
        lines[:] = values.pop(name, lines)

    values = {}  # of which napoleon takes what stands before a colon for a type
    app.connect("autodoc-process-docstring", read, priority=400)
    app.connect("autodoc-process-docstring", keep, priority=600)
