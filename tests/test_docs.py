"""The pages that come from the parameter table say what the table says."""

from __future__ import annotations

from pathlib import Path

from llmfit import params

DOCS = Path(__file__).parents[1] / "docs"


def test_the_parameter_table_of_the_api_page_is_the_parameter_table() -> None:
    assert params.markdown() in (DOCS / "api.md").read_text(encoding="utf-8")


def test_every_page_that_the_readme_names_exists() -> None:
    import re

    root = DOCS.parent
    named = re.findall(r"\]\(([\w/.-]+)\)", (root / "README.md").read_text(encoding="utf-8"))
    assert named and not [page for page in named if not (root / page).exists()]
