"""The front end's files: the bundle is what the sources give, and the page shows texts as Python does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from polos_nb.notebook import static_files
from polos_nb.safe_text import visible

WIDGETS = Path(__file__).parent.parent.parent / "widgets"
SOURCES = WIDGETS / "src"
CASES = WIDGETS / "test" / "visible_cases.json"
STALE = "polos_nb/notebook/static/widgets.js is not what widgets/src gives: run `npm run build` in widgets/."

# Texts whose showing must be the same in Python and in the page. Lone surrogates that would pair up are left out:
# JavaScript cannot tell them from the character.
TEXTS = [
    "",
    "plain",
    "two\nlines\tand a tab",
    "a\x00b\x07c\x1bd\x7fe\x80f\x9fg",
    "\x1b[31mred\x1b[0m \x1b[?25l\x1b[1;2;3 q\x1b[",
    "\x1b]0;title\x07 \x1bc \x1b[31",
    "a\r\nb\rc\n\rd\u2028e\u2029f\r",
    "\r\r\n\n",
    "\u202aa\u202bb\u202cc\u202dd\u202ee \u2066f\u2067g\u2068h\u2069i",
    "marks \u200e and \u200f stay, zero width \u200b\u200d\ufeff too",
    "\ud800 lone \udfff \ud83dx\ude00",
    "pair 😀 and 👩\u200d👩 and é and e\u0301",
    "\ud83d\x1b[0m",
    "next line \x85 and soft \xad hyphen",
    "<script>alert(1)</script> & \"quotes\" 'and' `ticks`",
    "العربية עברית 日本語",
    "\x0b\x0c\x1c\x1d\x1e\x1f",
    "a" * 300 + "\x1b[0m" + "\u202e" * 3,
    "\x1b\x1b[[0m \x1b[0;m\x1b[38;5;200mx",
    "ends with escape \x1b",
]


def _up_to_date(bundle: Path, sources: Path) -> bool:
    return static_files.built_from(bundle.read_text(encoding="utf-8")) == static_files.sources_hash(sources)


@pytest.mark.skipif(not SOURCES.is_dir(), reason="the sources of the front end are in the checkout only")
def test_the_bundle_is_built_from_the_sources() -> None:
    """People without node are told, too."""
    assert _up_to_date(static_files.BUNDLE, SOURCES), STALE


@pytest.mark.skipif(not SOURCES.is_dir(), reason="the sources of the front end are in the checkout only")
@pytest.mark.parametrize("change", ["content", "new file", "name", "line endings"])
def test_a_touched_source_is_noticed(tmp_path: Path, change: str) -> None:
    """Any change but that of line endings makes another hash."""
    copied = tmp_path / "src"
    shutil.copytree(SOURCES, copied)
    file = copied / "markdown" / "inline.js"
    if change == "content":
        file.write_bytes(file.read_bytes() + b" ")
    elif change == "new file":
        (copied / "new.js").write_text("")
    elif change == "name":
        file.rename(copied / "markdown" / "inlines.js")
    else:
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    same = static_files.sources_hash(copied) == static_files.sources_hash(SOURCES)
    assert same == (change == "line endings")


def test_a_bundle_without_its_first_line_was_built_from_nothing() -> None:
    """Somebody's edit of the first line is as bad as a stale bundle."""
    assert static_files.built_from("export default {};") == ""
    assert len(static_files.built_from(static_files.bundle_text())) == 16


def test_the_files_are_modules_without_foreign_code() -> None:
    """One default export each; nothing is fetched, nothing becomes markup, no text becomes code."""
    words = ["innerHTML =", "outerHTML =", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
    words += ['fetch("', "XMLHttpRequest", "WebSocket", "sendBeacon"]
    for text in (static_files.bundle_text(), static_files.loader_text()):
        assert [word for word in words if word in text] == []
        assert "node_modules" not in text
    assert "export default" in static_files.loader_text()
    assert "as default" in static_files.bundle_text()
    assert len(static_files.bundle_hash()) == 16


@pytest.mark.skipif(not CASES.is_file(), reason="the tests of the front end are in the checkout only")
def test_the_page_shows_texts_as_python_does() -> None:
    """The cases that the front end's tests read are what `visible` gives; this writes them anew when they are not."""
    cases = json.dumps([[text, visible(text)] for text in TEXTS], indent=1) + "\n"
    known = CASES.read_text(encoding="utf-8")
    if known != cases:
        CASES.write_text(cases, encoding="utf-8", newline="\n")
    assert known == cases, "widgets/test/visible_cases.json was written anew: run `npm test` in widgets/."
