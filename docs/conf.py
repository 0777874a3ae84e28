"""How Sphinx builds these pages (`make docs`): strict, with no network, searchable."""

project = "Groundwork"
copyright = "2026, the authors of Groundwork"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "Groundwork"
html_static_path: list[str] = []
exclude_patterns = ["_build"]
myst_heading_anchors = 3
myst_enable_extensions = ["linkify"]
myst_linkify_fuzzy_links = False  # or names such as settings.py become links
nitpicky = True
suppress_warnings = ["misc.highlighting_failure"]
