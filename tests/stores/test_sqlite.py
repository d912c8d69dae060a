"""What only the file can do: survive, be shared, be refused, and fail with a sentence."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from polos_nb.errors import ConfigurationError, StoreError
from polos_nb.stores.base import BLOB_BYTES, RunRecord, StepRecord
from polos_nb.stores.migrations import VERSION, _run_script, apply_migrations
from polos_nb.stores.sqlite import SqliteStore

ROOT = Path(__file__).resolve().parents[2]
WORKER = """
import sys
from polos_nb.stores.base import RunRecord, StepRecord
from polos_nb.stores.sqlite import SqliteStore
store = SqliteStore(sys.argv[1], durability="normal")
run = store.new_run(RunRecord(lineage=sys.argv[2], target_id="t"), expected=None)
for n in range(100):
    step = StepRecord(run_id=run.id, lineage=sys.argv[2], target_id="t", step_key=str(n), kind="tool", name="x",
                      fingerprint=str(n))
    assert store.find_step(sys.argv[2], str(n), 0) is None
    step = store.start_step(step, seq=n)
    store.finish_step(step.id, status="completed", output=str(n))
store.close()
"""


def add_step(store: SqliteStore, output: str = "1") -> int:
    newest = store.newest_run("l")
    run = store.new_run(RunRecord(lineage="l", target_id="t"), expected=newest.id if newest else None)
    assert run is not None
    step = StepRecord(run_id=run.id, lineage="l", target_id="t", step_key="1", kind="llm", name="llm", fingerprint="f")
    step_id = store.start_step(step, seq=0).id
    store.finish_step(step_id, status="completed", output=output)
    return step_id


def in_child(action: Callable[[], str]) -> str:
    """What `action` says in a forked process."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            said = action()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return said


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another user can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_what_was_written_is_there_after_opening_again(tmp_path: Path) -> None:
    """A large output, a small one and the ids survive; the file is in WAL mode and says whose it is."""
    path = tmp_path / "steps.db"
    store = SqliteStore(path)
    small, large = add_step(store), add_step(store, "x" * (BLOB_BYTES + 1))
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.last_step_id()
    again = SqliteStore(path)
    records = [again.get_step(small), again.get_step(large)]
    assert [record.output for record in records if record] == ["1", "x" * (BLOB_BYTES + 1)]
    again.close()
    with sqlite3.connect(path) as db:
        pragma = lambda name: db.execute(f"PRAGMA {name}").fetchone()[0]  # noqa: E731
        assert (pragma("journal_mode"), pragma("application_id"), pragma("user_version")) == (
            "wal",
            0x504F4C4F,
            VERSION,
        )
        assert db.execute("SELECT count(*), max(size) FROM blobs").fetchone() == (1, BLOB_BYTES + 1)
        assert db.execute("SELECT output FROM steps WHERE id = ?", (large,)).fetchone() == (None,)
    db.close()


def test_only_the_user_can_read_the_file(tmp_path: Path) -> None:
    """The file is 0600 with its log, `.polos` is 0700 and ignored by git."""
    path = tmp_path / "book" / ".polos" / "steps.db"
    store = SqliteStore(path)
    add_step(store)
    for name in ("steps.db", "steps.db-wal", "steps.db-shm"):
        assert stat.S_IMODE((path.parent / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert (path.parent / ".gitignore").read_text() == "*\n"
    store.close()


def test_durability_is_what_was_asked_for(tmp_path: Path) -> None:
    """Full waits for the disk, normal does not, and anything else is refused."""
    for name, level in (("full", 2), ("normal", 1)):
        store = SqliteStore(tmp_path / name, durability=name)  # type: ignore[arg-type]
        assert store._file.read("PRAGMA synchronous") == [(level,)]
        assert store._file.read("PRAGMA foreign_keys") == [(1,)]
        store.close()
    with pytest.raises(ConfigurationError, match="durability"):
        SqliteStore(tmp_path / "x", durability="none")  # type: ignore[arg-type]


def test_a_new_file_is_what_sqlite_utils_would_make(tmp_path: Path) -> None:
    """The direct way of making a file and `Migrations` agree, and applying them to a new file does nothing."""
    SqliteStore(tmp_path / "direct.db").close()
    schema = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
    with sqlite3.connect(tmp_path / "direct.db", isolation_level=None) as direct:
        before = direct.execute(schema).fetchall()
        apply_migrations(direct)
        assert direct.execute(schema).fetchall() == before
    with sqlite3.connect(":memory:", isolation_level=None) as migrated:
        migrated.execute("BEGIN IMMEDIATE")
        apply_migrations(migrated)
        migrated.execute("COMMIT")
        made = migrated.execute(schema).fetchall()
    assert [row[:2] for row in made] == [row[:2] for row in before]
    assert [row[2] for row in made if "sqlite_" not in row[1]] == [row[2] for row in before if "sqlite_" not in row[1]]
    direct.close()
    migrated.close()


def test_opening_does_not_import_sqlite_utils(tmp_path: Path) -> None:
    """Neither a new nor an existing file waits for that import."""
    code = (
        "import sys; from polos_nb.stores.sqlite import SqliteStore\n"
        "for _ in 'ab': SqliteStore(sys.argv[1]).close()\nprint('sqlite_utils' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "s.db")], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout == "False\n"


def test_four_processes_share_a_new_file(tmp_path: Path) -> None:
    """Nothing is lost and nobody is locked out, from the making of the file on."""
    path = str(tmp_path / "steps.db")
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, path, f"l{n}"], cwd=ROOT) for n in range(4)]
    assert [worker.wait(timeout=60) for worker in workers] == [0] * 4
    store = SqliteStore(path)
    assert store.stats().steps == 400
    assert store.last_step_id() == 400
    for run in store.list_runs():
        assert [step.output for _, step in store.trace(run.id)] == [str(n) for n in range(100)]
    assert store._file.read("PRAGMA integrity_check") == [("ok",)]
    store.close()


def test_another_connection_is_noticed(tmp_path: Path) -> None:
    """`version` changes when another process writes, and never goes back."""
    one, two = SqliteStore(tmp_path / "s.db"), SqliteStore(tmp_path / "s.db")
    before = one.version()
    add_step(two)
    after = one.version()
    assert after > before
    assert one.version() == after
    one.close()
    two.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_opens_the_file_itself(tmp_path: Path) -> None:
    """Parent and child write in turn, and neither loses what the other wrote when it ends."""
    store = SqliteStore(tmp_path / "s.db")
    add_step(store)
    before = store.version()

    def child() -> str:
        add_step(store)
        store.close()
        return "fine"

    assert in_child(child) == "fine"
    assert store.version() > before
    add_step(store)
    assert store.last_step_id() == store.stats().steps == 3
    assert store._file.read("PRAGMA integrity_check") == [("ok",)]
    store.close()


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """A transaction that fails in its middle is rolled back, and the store goes on."""
    store = SqliteStore(tmp_path / "s.db")

    def interrupted() -> None:
        with store._file.write() as db:
            db.execute("INSERT INTO blobs VALUES ('a', 'b', 1)")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert store.get_blob("a") is None
    add_step(store)
    store.close()


def test_a_newer_file_and_a_foreign_file_are_refused(tmp_path: Path) -> None:
    """The sentence says what to do, and the file is left as it was."""
    SqliteStore(tmp_path / "new.db").close()
    for name, sql in (("new.db", f"PRAGMA user_version = {VERSION + 1}"), ("foreign.db", "CREATE TABLE t (a)")):
        db = sqlite3.connect(tmp_path / name)
        db.execute(sql)
        db.close()
    content = (tmp_path / "foreign.db").read_bytes()
    with pytest.raises(StoreError, match=r"newer polos_nb.*upgrade"):
        SqliteStore(tmp_path / "new.db")
    with pytest.raises(StoreError, match=r"another program.*POLOS_NB_STORE"):
        SqliteStore(tmp_path / "foreign.db")
    assert (tmp_path / "foreign.db").read_bytes() == content


def test_paths_that_cannot_be(tmp_path: Path) -> None:
    """A directory, a file as parent and garbage are each one sentence."""
    with pytest.raises(StoreError, match="is a directory"):
        SqliteStore(tmp_path)
    (tmp_path / "file").write_bytes(b"not a database " * 1000)
    for path in (tmp_path / "file" / "steps.db", tmp_path / "file" / "more" / "steps.db"):
        with pytest.raises(StoreError, match="is a file"):
            SqliteStore(path)
    with pytest.raises(StoreError, match=r"damaged.*move the file away"):
        SqliteStore(tmp_path / "file")


def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    """A file whose pages were overwritten opens or not, but is never read as if it were whole."""
    store = SqliteStore(tmp_path / "s.db")
    add_step(store)
    store.close()
    size = (tmp_path / "s.db").stat().st_size
    with open(tmp_path / "s.db", "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(StoreError, match="damaged"):
        SqliteStore(tmp_path / "s.db").stats()


def test_a_lock_that_stays_is_said(tmp_path: Path) -> None:
    """After the time-out the sentence says what to do, and the next try works."""
    store = SqliteStore(tmp_path / "s.db", timeout=0.1)
    holder = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"locked by another program for more than 0\.1 s"):
        add_step(store)
    holder.execute("ROLLBACK")
    holder.close()
    assert add_step(store) == 1
    store.close()


def test_a_full_disk_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    """The write fails with a sentence, what was committed stays, and small writes go on when there is room."""
    store = SqliteStore(tmp_path / "s.db")
    add_step(store)
    pages = store._file.read("PRAGMA page_count")[0][0]
    store._file.read(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreError, match=r"disk is full.*free some space"):
        store.put_blobs({"big": "x" * 100_000})
    assert store.get_blob("big") is None
    store._file.read("PRAGMA max_page_count = 100000")
    add_step(store)
    assert store.stats().steps == 2
    store.close()


def test_a_file_that_turns_read_only_is_said(tmp_path: Path) -> None:
    """SQLite's own refusal to write is translated."""
    store = SqliteStore(tmp_path / "s.db")
    store._file.read("PRAGMA query_only = ON")
    with pytest.raises(StoreError, match="read-only"):
        add_step(store)
    store.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_files_and_folders_without_permission(open_folder: Path) -> None:
    """A read-only file, a read-only folder and a folder in which nothing can be made: each says what to change."""
    SqliteStore(open_folder / "s.db").close()
    (open_folder / "s.db").chmod(0o444)
    (open_folder / "t.db").touch()
    (open_folder / "t.db").chmod(0o666)
    open_folder.chmod(0o555)

    def attempt(name: str) -> str:
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        SqliteStore(open_folder / name).close()
        return "opened"

    for name, part in (
        ("s.db", "read-only"),
        ("t.db", "directory"),
        ("u.db", "not writable"),
        ("a/b.db", "not writable"),
    ):
        said = in_child(lambda name=name: attempt(name))
        assert said.startswith("StoreError: the ")
        assert part in said
    open_folder.chmod(0o755)


def test_scripts_run_inside_a_transaction() -> None:
    """A migration's statements do not commit what is around them."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("BEGIN")
    _run_script(db, "CREATE TABLE a (b);\nCREATE TABLE c (d);\n")
    assert db.in_transaction
    db.close()


def test_a_deleted_file_is_made_anew(tmp_path: Path) -> None:
    """What is run next is kept in a file that is there, not in one that nobody can find."""
    path = tmp_path / "store" / "steps.db"
    store = SqliteStore(path)
    assert store.new_run(RunRecord(lineage="l", target_id="t"), expected=None) is not None
    shutil.rmtree(path.parent)
    assert store.newest_run("l") is None
    made = store.new_run(RunRecord(lineage="l", target_id="t"), expected=None)
    assert made is not None
    store.close()
    assert SqliteStore(path).newest_run("l") == made
