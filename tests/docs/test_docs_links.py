"""Links between pages lead somewhere, and the docs name nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs.generate import PAGES

from puna.providers.table import PROVIDERS

ROOT = Path(__file__).parents[2]
PAGES_OF_HAND = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("changelog.d/*.md"))
    if path.parent.name != "reference"
)
GENERATED = {f"docs/reference/{name}" for name in PAGES}

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
SOURCE = re.compile(r"`(?:src/puna/)?((?:[a-z_]+/)+[a-z_]+\.py)`")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors_of(page: Path) -> set[str]:
    """GitHub's anchors of a page's headings."""
    texts = (heading.lower() for heading in HEADING.findall(page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-") for text in texts}


@pytest.mark.parametrize("page", PAGES_OF_HAND, ids=named)
def test_every_link_leads_to_a_file(page: Path) -> None:
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    broken: list[str] = []
    for link in LINK.findall(prose):
        place, _, anchor = link.partition("#")
        if place.startswith(("http://", "https://", "mailto:")):
            continue
        target = (page.parent / place).resolve() if place else page
        is_made = target.is_relative_to(ROOT) and named(target) in GENERATED
        if not (target.exists() or is_made) or (anchor and anchor not in anchors_of(target)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("page", PAGES_OF_HAND, ids=named)
def test_every_source_file_that_a_page_names_is_there(page: Path) -> None:
    named_files = SOURCE.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    places = (ROOT / "src" / "puna", ROOT)

    missing = [
        name
        for name in named_files
        if not any((place / name).exists() for place in places) and "example" not in name
    ]

    assert missing == []


def test_every_page_is_reached_from_another() -> None:
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES_OF_HAND}
    reached = {
        (page.parent / link.partition("#")[0]).resolve()
        for page, text in texts.items()
        for link in LINK.findall(text)
        if "://" not in link
    }
    folders = {path for path in reached if path.is_dir()}
    docs = [page for page in PAGES_OF_HAND if page.is_relative_to(ROOT / "docs")]

    lonely = [named(page) for page in docs if page not in reached and page.parent not in folders]

    assert [name for name in lonely if name != "docs/getting-started.md"] == []


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_the_guide_of_hosts_names_every_row(name: str) -> None:
    guide = (ROOT / "docs" / "guides" / "any-host-of-llama.md").read_text(encoding="utf-8")
    assert f"`{name}/" in guide


def test_getting_started_leads_to_every_guide() -> None:
    page = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    linked = {link.rpartition("/")[2] for link in LINK.findall(page) if link.startswith("guides/")}
    assert linked == {path.name for path in (ROOT / "docs" / "guides").glob("*.md")}
