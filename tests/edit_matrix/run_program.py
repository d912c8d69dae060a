"""Runs one program of the edit matrix: as a plain script, or cell by cell in an IPython shell with the extension."""

import asyncio
import sys
from pathlib import Path


def as_script(text: str, path: Path) -> None:
    """The program in one file, as `python main.py` would run it."""
    path.write_text(text)
    code = compile(text, str(path), "exec")
    sys.modules["__main__"].__dict__.update(__file__=str(path))
    exec(code, sys.modules["__main__"].__dict__)


def as_cells(text: str) -> None:
    """The program's cells, one after the other, in one shell."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    shell.run_line_magic("load_ext", "polos_nb")
    for cell in text.split("# %%\n"):
        result = shell.run_cell(cell, store_history=False)
        result.raise_error()


if __name__ == "__main__":
    form, source = sys.argv[1], Path(sys.argv[2])
    if form == "script":
        as_script(source.read_text(), source.with_suffix(".main.py"))
    else:
        as_cells(source.read_text())
