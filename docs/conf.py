"""How Sphinx builds these pages (`make docs`): strict, with no network, searchable."""

project = "Groundwork"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "Groundwork"
html_static_path: list[str] = []
exclude_patterns = ["_build"]
myst_heading_anchors = 3
myst_enable_extensions = ["linkify"]
nitpicky = True
suppress_warnings = ["misc.highlighting_failure"]
