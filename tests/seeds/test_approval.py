"""The page's approval workflow in real kernels: approved and rejected from another process, and after a crash."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernels import Kernel
from tests.loopback.server import LoopbackProvider
from tests.seeds.approvals import AGENTS, DONE, PLAN, TASK, WORKFLOW, approve, script, until

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(180)]

RUN = f"%%polos_run approval_workflow --as done\ntask: {TASK}"
AWAIT = f"done = await approval_workflow.run(client, {{'task': '{TASK}'}})"


class Book:
    """A notebook of the approval workflow: its provider, its store, and the kernel that executes it now."""

    def __init__(self, folder: Path, provider: LoopbackProvider) -> None:
        self.folder = folder
        self.store = folder / "steps.db"
        self.provider = provider
        self.kernel = self._started()

    def _started(self) -> Kernel:
        kernel = Kernel(self.folder, {**self.provider.env(), "POLOS_NB_STORE": str(self.store)})
        for cell in ("%load_ext polos_nb", AGENTS, WORKFLOW):
            assert kernel.run(cell).status == "ok"
        return kernel

    def crash(self) -> None:
        """Kill the kernel, and execute the cells that define things in a new one."""
        self.kernel.kill()
        self.kernel = self._started()

    def value(self, code: str) -> str:
        """What an expression is in the notebook."""
        result = self.kernel.run(f"print(repr({code}))")
        return result.stdout.strip() or result.error

    @property
    def asked(self) -> list[str]:
        """What the provider was asked."""
        return [request.user for request in self.provider.requests]


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """A notebook whose workflow is defined and has not run."""
    with LoopbackProvider(script) as provider:
        opened = Book(tmp_path, provider)
        yield opened
        opened.kernel.close()


def test_the_run_goes_on_when_another_process_approves(book: Book) -> None:
    """The cell ends as waiting; the command approves; the run goes on, and the variable has the result."""
    assert book.kernel.run(RUN, 90).status == "ok"
    assert "waiting at suspend_step" in book.value("done")
    assert book.asked == [TASK]
    assert approve(book.store, "r1", "--yes").strip() == "r1 · suspend_step: approved"
    until(lambda: book.value("getattr(done, 'result', None)") == repr(DONE), 60, "the run did not go on")
    assert book.asked == [TASK, PLAN]
    assert book.kernel.run(RUN).status == "ok"
    assert book.value("done.result") == repr(DONE)
    assert book.asked == [TASK, PLAN]


def test_a_rejected_plan_is_not_executed(book: Book) -> None:
    """Rejected from outside, the workflow returns None, then and in the cell executed again."""
    book.kernel.run(RUN, 90)
    approve(book.store, "r1", "--no")
    until(lambda: book.value("done") == "None", 20, "the run did not go on")
    assert book.kernel.run(AWAIT).status == "ok"
    assert book.value("done") == "None"
    assert book.asked == [TASK]


def test_a_kernel_killed_while_it_waits_loses_nothing(book: Book) -> None:
    """A new kernel with the same cells waits at the same question; approved, it calls only what is left."""
    book.kernel.run(RUN, 90)
    book.crash()
    assert book.kernel.run(RUN, 90).status == "ok"
    assert "PendingRun('r1', waiting at suspend_step)" in book.value("done")
    assert book.asked == [TASK]
    approve(book.store, "r1", "--yes")
    until(lambda: book.value("getattr(done, 'result', None)") == repr(DONE), 60, "the run did not go on")
    assert book.asked == [TASK, PLAN]


def test_an_answer_that_came_while_no_kernel_lived_is_not_asked_for_again(book: Book) -> None:
    """Killed while waiting, approved while dead: the new kernel's cell runs through, in either form."""
    failed = book.kernel.run(AWAIT, 90)
    assert failed.status == "error"
    assert "Answer with %polos approve r1 --yes" in failed.error
    book.kernel.kill()
    approve(book.store, "r1", "suspend_step", "--yes")
    book.kernel = book._started()
    assert book.kernel.run(AWAIT, 90).status == "ok"
    assert book.value("done.result") == repr(DONE)
    assert book.asked == [TASK, PLAN]
    book.crash()
    assert book.kernel.run(RUN, 90).status == "ok"
    assert book.value("done.result") == repr(DONE)
    assert book.asked == [TASK, PLAN]
