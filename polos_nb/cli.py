"""The `polos-nb` command: a demo that needs nothing, a doctor that says what is there, and the commands for runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from polos_nb import __version__
from polos_nb.cli_runs import COMMANDS
from polos_nb.doctor import examine
from polos_nb.settings import Settings

QUICK_START = "quick_start.ipynb"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="polos-nb")
def main() -> None:
    """Durable LLM agents in Jupyter notebooks."""


@main.command()
@click.option("--execute", "headless", is_flag=True, help="Run it here, twice, and print what happens.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to put the copy. Default: ./polos-nb-demo, or a temporary folder with --execute.",
)
@click.option("--no-browser", is_flag=True, help="Start JupyterLab without opening a browser.")
@click.option("--port", type=int, help="The port of JupyterLab.")
def demo(headless: bool, folder: Path | None, no_browser: bool, port: int | None) -> None:
    """Open JupyterLab on a copy of the quick start. No key and no network is needed.

    Example: polos-nb demo --execute
    """
    if headless:
        _demo_headless(folder)
        return
    notebook = _copy(folder or Path("polos-nb-demo"))
    command = [sys.executable, "-m", "jupyterlab", str(notebook)]
    command += ["--no-browser"] if no_browser else []
    command += ["--port", str(port)] if port else []
    command += ["--allow-root"] if getattr(os, "geteuid", lambda: 1)() == 0 else []  # as in a container
    click.echo(f"The quick start is {notebook}; JupyterLab is starting. Stop it with Ctrl-C.")
    sys.exit(subprocess.call(command))


def _demo_headless(folder: Path | None) -> None:
    if folder is not None:
        _run_demo(_copy(folder))
        return
    with tempfile.TemporaryDirectory(prefix="polos-nb-") as scratch:
        _run_demo(_copy(Path(scratch)))


def _run_demo(notebook: Path) -> None:
    from polos_nb.headless import execute  # noqa: PLC0415 - nbclient takes a second, which no other command needs

    # A person asked for this, at a terminal, so steps may execute although no front end is attached.
    env = {"POLOS_NB_MODE": "live", "POLOS_NB_STORE": str(notebook.parent / ".polos" / "steps.db")}
    for title in ("First execution", "Second execution, in a new kernel"):
        click.secho(f"── {title} ", bold=True)
        done = execute(notebook, env=env, echo=lambda text: click.echo(text, nl=False))
        _report(done)
        if done.error:
            raise click.ClickException(done.error)


def _report(done: Any) -> None:
    for run in done.runs:
        executed, kept = run.get("live", 0), run.get("cached", 0)
        name = run.get("target") or "run"
        if executed:
            click.echo(f"   {name}: {executed} steps executed, {kept} answered from the store")
        else:
            click.secho(f"   {name}: resumed from the store: {kept} of {kept} steps, no calls", fg="green")
    click.echo(f"   {done.seconds:.1f} s with the start of the kernel\n")


def _copy(folder: Path) -> Path:
    """A copy of the quick start in `folder`; one that is there already is somebody's work, and stays."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / QUICK_START
    if not target.exists():
        shutil.copy(examples_folder() / QUICK_START, target)
    return target.absolute()


def examples_folder() -> Path:
    """Where the example notebooks are: in the installed package, or beside it in a checkout."""
    installed = Path(__file__).parent / "examples"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "notebooks"


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Say what is here: providers with keys, Docker, kernel and front-end features, the store.

    Ends with status 1 when something that is needed does not work. No character of a key is printed.
    """
    findings = examine(Settings.from_environment(), os.environ)
    if as_json:
        click.echo(json.dumps([finding.__dict__ for finding in findings], indent=2))
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            mark = {"ok": click.style("ok  ", fg="green"), "info": "--  ", "bad": click.style("BAD ", fg="red")}
            click.echo(f"{mark[finding.state]}{finding.name.ljust(width)}  {finding.text}")
    sys.exit(1 if any(finding.state == "bad" for finding in findings) else 0)


for command in COMMANDS:
    main.add_command(command)


if __name__ == "__main__":
    main()
