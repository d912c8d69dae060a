"""The one connection of a process to a step store's file: opening, transactions, forks, and failures."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from polos_nb.errors import ConfigurationError, StoreError
from polos_nb.stores.migrations import VERSION, file_version, migrate

Durability = Literal["full", "normal"]
Parameters = Sequence[Any] | Mapping[str, Any]
_BUSY_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_FAILURES = (sqlite3.Error, sqlite3.Warning, OSError, OverflowError)
_MOVE = "or set POLOS_NB_STORE to another file"


class SqliteFile:
    """An SQLite file behind a lock, usable from any thread and after a fork.

    `timeout` is how long to wait for another process, in seconds. Raises StoreError with a sentence for a
    person.
    """

    def __init__(self, path: str | os.PathLike[str], *, durability: Durability = "full", timeout: float = 30.0) -> None:
        if durability not in ("full", "normal"):
            raise ConfigurationError(f'durability is "full" or "normal", not {durability!r}')
        self.path = os.path.abspath(os.path.expanduser(os.fspath(path)))
        self._full = durability == "full"
        self._level = ""  # of synchronous, as the connection has it now
        self._timeout = timeout
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self._inode: tuple[int, int] | None = None
        self._changes = 0
        self._seen = 0
        with self._lock, self._explained():
            self.connection()
        _files.add(self)

    def connection(self) -> sqlite3.Connection:
        """The open connection; call it with the lock held. Opens the file again after a fork."""
        if self._connection is None:
            if self._closed:
                raise StoreError(f"the step store {self.path} was closed: open a new one")
            self._level = "FULL" if self._full else "NORMAL"
            self._connection = _open(self.path, self._level, self._timeout)
            self._inode = _inode(self.path)
        return self._connection

    def look(self) -> None:
        """Notice that the file was deleted or replaced while it was open: the next use opens what is there now.

        Otherwise everything would go on in a file that nobody can find, and be lost with the process.
        """
        with self._lock:
            if self._connection is not None and self._inode != _inode(self.path):
                self._drop()

    @contextmanager
    def write(self, *, wait: bool = True) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the write lock from its start: committed at the end of the block, or rolled back.

        With `durability="full"` the commit waits until the disk has it and all before it, so that not even a power
        failure takes it back. With `wait=False` it does not: what was written survives the end of the process,
        however that comes, but a failure of the machine may take back the youngest such commits, the last one first.
        """
        level = "FULL" if wait and self._full else "NORMAL"
        with self._lock:
            try:
                connection = self._connection or self.connection()
                try:
                    if level != self._level:  # 1.4 µs; a commit that waits for the disk takes a hundred times as long
                        self._patiently(connection, f"PRAGMA synchronous = {level}", ())
                        self._level = level
                    self._patiently(connection, "BEGIN IMMEDIATE", ())
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        with suppress(sqlite3.Error):
                            connection.execute("ROLLBACK")
                    raise
                self._changes += 1
            except _FAILURES as error:
                raise explain(error, self.path, self._timeout) from error

    def read(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """All rows of one SELECT."""
        with self._lock:
            try:
                rows = self._patiently(self._connection or self.connection(), sql, parameters)
            except _FAILURES as error:
                raise explain(error, self.path, self._timeout) from error
        return [as_given(row) for row in rows]

    def version(self) -> int:
        """A number that grows with every commit, of this process or of another."""
        with self._lock, self._explained():
            row = self.connection().execute("PRAGMA data_version").fetchone()
            self._seen = int(row[0])
            return self._seen + self._changes

    def size(self) -> int:
        """Bytes on disk, with the write-ahead log."""
        total = 0
        for name in (self.path, self.path + "-wal"):
            with suppress(OSError):  # stat, never open: closing a plain descriptor would drop SQLite's locks
                total += os.stat(name).st_size
        return total

    def shrink(self) -> None:
        """Give free pages back to the file system and empty the write-ahead log, unless somebody else is at work."""
        with self._lock, self._explained():
            connection = self.connection()
            connection.execute("PRAGMA busy_timeout = 500")  # a reader elsewhere is no reason to wait for long
            try:
                connection.executescript("PRAGMA incremental_vacuum")  # `execute` would stop after one page
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except sqlite3.OperationalError as error:
                if not _is_busy(error):  # the next time will do
                    raise
            finally:
                connection.execute(f"PRAGMA busy_timeout = {int(self._timeout * 1000)}")

    def close(self) -> None:
        """Release the file; twice is fine."""
        with self._lock:
            self._closed = True
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._changes += self._seen + 1  # a new connection counts from 1 again; version() never goes back
            connection.close()

    def _patiently(self, connection: sqlite3.Connection, sql: str, parameters: Parameters) -> list[Any]:
        # SQLite's own waiting leaves out a few short moments (recovery, the last process closing the log).
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                return execute(connection, sql, parameters).fetchall()
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() >= deadline:
                    raise
            time.sleep(0.005)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            raise explain(error, self.path, self._timeout) from error

    # -- forks: an SQLite connection must not be carried into a child, whose copy of its locks would be a
    # fiction
    def before_fork(self) -> None:
        """Wait for what is going on and let go of the file; both processes open it again when they need
        it."""
        self._lock.acquire()
        with suppress(sqlite3.Error):
            self._drop()

    def after_fork(self, *, child: bool) -> None:
        """Let the process go on."""
        if child:
            self._lock = threading.RLock()
        else:
            self._lock.release()


def _inode(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def execute(connection: sqlite3.Connection, sql: str, parameters: Parameters = ()) -> sqlite3.Cursor:
    """Run one statement; texts that are not valid Unicode (lone surrogates) are kept as bytes."""
    try:
        return connection.execute(sql, parameters)
    except UnicodeEncodeError:
        if isinstance(parameters, Mapping):
            return connection.execute(sql, {name: _storable(value) for name, value in parameters.items()})
        return connection.execute(sql, [_storable(value) for value in parameters])


def as_given(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row whose texts are as they were given to `execute`."""
    if bytes not in map(type, row):
        return row
    return tuple(value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value for value in row)


def _storable(value: Any) -> Any:
    if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
        return value.encode("utf-8", "surrogatepass")
    return value


def _is_busy(error: sqlite3.Error) -> bool:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in _BUSY_CODES


def _open(path: str, synchronous: str, timeout: float) -> sqlite3.Connection:
    _make_file(Path(path))
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        deadline = time.monotonic() + timeout
        while True:
            try:
                _set_up(connection, path, synchronous)
                return connection
            except sqlite3.OperationalError as error:  # two processes switch a new file to WAL at once
                if not _is_busy(error) or time.monotonic() >= deadline:
                    raise
            time.sleep(0.01)
    except BaseException:
        connection.close()
        raise


def _set_up(connection: sqlite3.Connection, path: str, synchronous: str) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA trusted_schema = OFF")
    version = file_version(connection, path)
    if version == 0:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first table, or never
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if version < VERSION:
        migrate(connection, path)


def _make_file(path: Path) -> None:
    if path.is_dir():
        raise StoreError(
            f"the step store {path} is a directory: set POLOS_NB_STORE to a file, such as {path / 'steps.db'}"
        )
    parent = path.parent
    try:
        if not parent.exists():
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = parent / ".gitignore"
        if parent.name == ".polos" and not ignore.exists():
            with suppress(OSError):  # a convenience; whether the store itself can be written is checked below
                ignore.write_text("*\n", encoding="utf-8")
        # With O_EXCL only a new file is opened here: closing a descriptor of one in use would drop
        # SQLite's locks.
        os.close(os.open(os.path.realpath(path), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if not parent.is_dir():
            raise NotADirectoryError(str(parent)) from None
    if not os.access(path, os.R_OK | os.W_OK):
        raise StoreError(f"the step store {path} is read-only: make the file writable (chmod u+rw), {_MOVE}")
    if not os.access(parent, os.W_OK):
        raise StoreError(
            f"the directory {parent} of the step store is read-only, and SQLite keeps its log there: make "
            f"it writable, {_MOVE}"
        )


def explain(error: BaseException, path: str, timeout: float = 30.0) -> StoreError:
    """One sentence for a failure of SQLite or of the file system: what, where, what to do."""
    if isinstance(error, OSError):
        return StoreError(_file_sentence(error, path))
    if isinstance(error, OverflowError):
        return StoreError(f"the step store {path} cannot keep a number beyond 64 bits ({error})")
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    sentence = _SENTENCES.get(
        code, "the step store {path} failed: {error}; check the file with `sqlite-utils tables`, " + _MOVE
    )
    return StoreError(sentence.format(path=path, error=error, seconds=f"{timeout:g}", folder=os.path.dirname(path)))


def _file_sentence(error: OSError, path: str) -> str:
    folder = os.path.dirname(path)
    if isinstance(error, NotADirectoryError | FileExistsError):
        return f"the step store {path} cannot be made because a part of {folder} is a file: move that "
        f"file away, {_MOVE}"
    if isinstance(error, PermissionError):
        return f"the step store {path} cannot be made because {folder} is not writable: make it writable, "
        f"{_MOVE}"
    return f"the step store {path} cannot be made ({error.strerror or error}): correct the path, {_MOVE}"


_DAMAGED = (
    "the step store {path} is damaged ({error}): move the file away and run again to start a new one, or "
    "save what is left "
    "with `sqlite3 {path} .recover`"
)
_READ_ONLY = "the step store {path} is read-only ({error}): make the file and its directory writable, " + _MOVE
_SENTENCES = {
    sqlite3.SQLITE_BUSY: "the step store {path} was locked by another program for more than {seconds} s: "
    "close the program that holds it and run again; nothing was lost",
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_IOERR: "the disk failed while the step store {path} was used ({error}): "
    "check the disk and its free space, then run again; what was kept before is safe",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_FULL: "the disk is full, so the step store {path} could not keep this step: "
    "free some space and run again; what was kept before is safe",
    sqlite3.SQLITE_CANTOPEN: "the step store {path} cannot be opened ({error}): check that {folder} is a "
    "writable directory, " + _MOVE,
    sqlite3.SQLITE_TOOBIG: "a value is too large for the step store {path} (SQLite's limit is 1 GB): "
    "return a smaller one",
    sqlite3.SQLITE_CONSTRAINT: "the run or step that this belongs to is no longer in the step store "
    "{path} ({error}), "
    "probably because it was cleared: run the cell again",
}
_SENTENCES[sqlite3.SQLITE_LOCKED] = _SENTENCES[sqlite3.SQLITE_PROTOCOL] = _SENTENCES[sqlite3.SQLITE_BUSY]

_files: weakref.WeakSet[SqliteFile] = weakref.WeakSet()
_forking: list[SqliteFile] = []


def _before_fork() -> None:
    for file in sorted(_files, key=id):  # one order for all threads, so that two forks cannot block each other
        file.before_fork()
        _forking.append(file)


def _after_fork(child: bool) -> None:
    while _forking:
        _forking.pop().after_fork(child=child)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=lambda: _after_fork(False),
        after_in_child=lambda: _after_fork(True),
    )
