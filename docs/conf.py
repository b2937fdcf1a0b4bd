"""How Sphinx builds these pages: Markdown in, furo out."""

from hygge import __version__

project = "hygge"
author = "the hygge maintainers"
release = __version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"hygge {release}"
