"""The site: Sphinx with pages in Markdown (MyST) and the look of the PyData projects. Built by `make docs`."""

import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["COLUMNS"] = "96"  # of what the commands print
os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"  # a notebook need not have widgets

from nars import __version__  # noqa: E402  # which stands beside this folder

project = "nars"
author = "the nars developers"
version = release = __version__
copyright = "the nars developers; Apache-2.0"

extensions = [
    "made",  # pages from the code: keys, commands, API
    "myst_nb",  # Markdown, and the notebook with what it prints
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",  # Args:, Returns:, Raises:
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
suppress_warnings = ["ref.python"]  # short names in signatures that several classes have, such as X or loss

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True

default_role = "literal"  # `code` in docstrings
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
toc_object_entries_show_parents = "hide"

html_theme = "pydata_sphinx_theme"
html_title = "nars"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "navigation_with_keys": False,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars: dict[str, list[str]] = {page: [] for page in ("index", "tutorial", "method", "notebook")}
