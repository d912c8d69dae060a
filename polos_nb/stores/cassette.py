"""Recordings of runs as JSON lines beside a notebook, so that its test needs neither a model nor a key."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from polos_nb.errors import ConfigurationError
from polos_nb.redaction import redactor
from polos_nb.stores.base import RunRecord, StepRecord, Store, TraceRow

_Line = dict[str, Any]
_FORMAT = 1
_AGAIN = "restore the file from version control, or record it again with `%polos cassette record`"

# What a line keeps. Nothing here differs between two recordings of the same run: no ids, times, owners or costs.
_RUN_KEYS = (
    *("lineage", "target_id", "kind", "input", "status", "occurrence", "conversation_id", "turn"),
    *("options", "result", "error", "state"),
)
_STEP_KEYS = (
    *("lineage", "target_id", "step_key", "kind", "name", "fingerprint", "occurrence", "status", "effect"),
    *("parts", "request", "output", "error", "parent", "state"),
)
_JSON_TEXTS = {"input", "options", "result", "parts", "request", "output", "usage", "message", "state"}
_RAW = "$text"  # around a text that would not come back exactly from its JSON
_NUMBERS = {"occurrence", "turn", "seq"}
_OPTIONAL = {
    *("conversation_id", "turn", "result", "error", "output", "usage", "previous", "parent", "forked_from", "state"),
}
_LINKS = ("previous", "parent", "forked_from")


@dataclass
class _Recording:
    """One lineage: the line of its run, those of its steps in order, and the texts that they speak of by name."""

    run: _Line
    steps: list[_Line] = field(default_factory=list)
    blobs: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)  # run ids, until `save` knows their lineages


class Cassette:
    """The recorded runs of a notebook.

    >>> cassette = Cassette.load(Path("notebooks/cassettes/forecast.jsonl"))    # doctest: +SKIP
    >>> cassette.fill(store)                                                    # doctest: +SKIP
    """

    def __init__(self) -> None:
        self._recordings: dict[str, _Recording] = {}
        self._lineage_of: dict[str, str] = {}  # by run id, of what was merged

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Cassette:
        """Read a file. Raises ConfigurationError with path and line number when it cannot be understood."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"the cassette {path} is not UTF-8 text ({error.reason}): {_AGAIN}") from error
        except OSError as error:
            raise ConfigurationError(f"the cassette {path} cannot be read ({error.strerror}): {_AGAIN}") from error
        cassette = cls()
        blobs: dict[str, str] = {}
        for number, raw in enumerate(text.split("\n"), 1):  # not splitlines: texts may hold U+2028
            if raw.strip():
                where = f"line {number} of the cassette {path}"
                cassette._take(_parse(raw, where), blobs, where)
        for recording in cassette._recordings.values():
            names = recording.run["blobs"]
            missing = [name for name in names if name not in blobs]
            if missing:
                raise ConfigurationError(f"the cassette {path} lacks the blob {missing[0]}: {_AGAIN}")
            recording.blobs = {name: blobs[name] for name in names}
        return cassette

    def _take(self, line: _Line, blobs: dict[str, str], where: str) -> None:
        if line["type"] == "blob":
            blobs[line["name"]] = line["text"]
        elif line["type"] == "run":
            if line["lineage"] in self._recordings:
                raise ConfigurationError(f"{where} records the lineage {line['lineage']} a second time: {_AGAIN}")
            self._recordings[line["lineage"]] = _Recording(line)
        elif line["run"] in self._recordings:
            self._recordings[line["run"]].steps.append(line)
        else:
            raise ConfigurationError(f"{where} belongs to a run that has no line before it: {_AGAIN}")

    def merge(
        self,
        run: RunRecord,
        rows: Sequence[tuple[TraceRow, StepRecord]],
        messages: Sequence[str],
        blobs: Mapping[str, str],
    ) -> None:
        """Record a run with its trace, what it added to its conversation, and the blobs that its texts name.

        It replaces what was recorded of its lineage. Steps that never ended are left out, and of several records of
        one step the youngest is kept. Large outputs need not be in `blobs`.
        """
        line: _Line = {"v": _FORMAT, "type": "run", **{key: getattr(run, key) for key in _RUN_KEYS}}
        line |= {"usage": _tokens(run.usage), "messages": list(messages), **dict.fromkeys(_LINKS)}
        kept = {name: text for name, text in blobs.items() if not name.startswith("out:")}
        line["blobs"] = sorted(kept)
        youngest: dict[tuple[str, str, int], StepRecord] = {}
        for _, step in sorted(rows, key=lambda pair: pair[0].seq):
            identity = (step.lineage, step.fingerprint, step.occurrence)
            if step.status != "started" and (identity not in youngest or step.id > youngest[identity].id):
                youngest[identity] = step  # stays at the place where the step was first seen
        steps = [_step_line(run.lineage, seq, step) for seq, step in enumerate(youngest.values())]
        links = {key: value for key in _LINKS if (value := getattr(run, key)) is not None}
        if run.id:
            self._lineage_of[run.id] = run.lineage
        self._recordings[run.lineage] = _Recording(line, steps, kept, links)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file whole or not at all; its directory is made.

        Raises ConfigurationError, and writes nothing, when a text holds a secret or the file cannot be written.
        """
        target = Path(os.path.realpath(path))
        lines = list(self._lines())
        for line in lines:
            _refuse_secrets(line, path)
        content = "".join(_dump(line) + "\n" for line in lines).encode("utf-8")
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with open(temporary, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, target)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise ConfigurationError(
                f"the cassette {path} cannot be written ({reason}): make its directory writable and record again"
            ) from error

    def fill(self, store: Store) -> None:
        """Put all recorded runs, steps, traces, messages and blobs into a store: replay is "the store answers"."""
        ids: dict[str, str] = {}
        recordings = sorted(self._sorted(), key=lambda recording: recording.run["turn"] or 0)
        for recording in recordings:
            line = recording.run
            usage = {"usage": line["usage"]}
            newest = store.newest_run(line["lineage"])
            record = RunRecord(**{key: line[key] for key in _RUN_KEYS}, **usage)
            added = store.new_run(record, expected=newest.id if newest else None)
            if added is None:
                raise ConfigurationError("a cassette can only be put into a store that nobody else is writing to")
            ids[line["lineage"]] = added.id
        records: dict[tuple[str, str, int], int] = {}
        for recording in recordings:
            run_id = ids[recording.run["lineage"]]
            self._resolve(recording)
            links = {key: ids[recording.run[key]] for key in _LINKS if recording.run[key] in ids}
            if links:
                store.update_run(run_id, **links)
            store.put_blobs(recording.blobs)
            _fill_steps(store, run_id, recording.steps, records)
            if recording.run["messages"]:
                conversation, turn = recording.run["conversation_id"] or "", recording.run["turn"] or 0
                store.put_messages(conversation, run_id, turn, recording.run["messages"])

    def lineages(self) -> list[str]:
        """The lineages that are recorded, sorted."""
        return sorted(self._recordings)

    def unused(self, used_lineages: Iterable[str]) -> list[str]:
        """The recorded lineages that are not among `used_lineages`, sorted: what a strict test complains about."""
        return sorted(set(self._recordings).difference(used_lineages))

    def _sorted(self) -> list[_Recording]:
        return sorted(self._recordings.values(), key=lambda one: (one.run["target_id"], one.run["lineage"]))

    def _lines(self) -> Iterable[_Line]:
        blobs: dict[str, str] = {}
        for recording in self._sorted():
            self._resolve(recording)
            blobs |= recording.blobs
            yield recording.run
            yield from recording.steps
        for name in sorted(blobs):
            yield {"v": _FORMAT, "type": "blob", "name": name, "text": blobs[name]}

    def _resolve(self, recording: _Recording) -> None:
        """Turn the run ids that a run refers to into lineages; those of runs that are not recorded are dropped."""
        for key, run_id in recording.links.items():
            recording.run[key] = self._lineage_of.get(run_id)
        turn, conversation = recording.run["turn"], recording.run["conversation_id"]
        if recording.links.get("previous") and recording.run["previous"] is None and turn is not None:
            before = [
                other.run["lineage"]
                for other in self._recordings.values()
                if other.run["conversation_id"] == conversation and other.run["turn"] == turn - 1
            ]
            recording.run["previous"] = before[0] if len(before) == 1 else None


def find_cassettes(directory: str | os.PathLike[str]) -> list[Path]:
    """The cassettes beside the notebooks of a directory: its `cassettes/*.jsonl`, sorted."""
    return sorted(path for path in Path(directory, "cassettes").glob("*.jsonl") if path.is_file())


def _step_line(run: str, seq: int, step: StepRecord) -> _Line:
    kept = {key: getattr(step, key) for key in _STEP_KEYS}
    kept["request"] = _without_run(step.request)
    return {"v": _FORMAT, "type": "step", "run": run, "seq": seq, **kept, "usage": _tokens(step.usage)}


def _without_run(request: str) -> str:
    """A request without the id of the nested run, which is another one in each store; its lineage stays."""
    tree = orjson.loads(request)
    if not isinstance(tree, dict) or "run" not in tree or "lineage" not in tree:
        return request
    return orjson.dumps({key: value for key, value in tree.items() if key != "run"}).decode()


def _fill_steps(store: Store, run_id: str, lines: Iterable[_Line], records: dict[tuple[str, str, int], int]) -> None:
    """Add step records and the trace of one run; a record that another run has added is only referred to."""
    trace = []
    for line in sorted(lines, key=lambda line: int(line["seq"])):
        identity = (line["lineage"], line["fingerprint"], line["occurrence"])
        if identity not in records:
            ended = {"status": line["status"], "output": line["output"], "error": line["error"]}
            begun = {key: line[key] for key in _STEP_KEYS if key not in ended}
            step = store.start_step(StepRecord(run_id=run_id, **begun), seq=line["seq"])
            store.finish_step(step.id, **ended, usage=line["usage"])
            records[identity] = step.id
        trace.append(TraceRow(line["seq"], records[identity]))
    store.set_trace(run_id, trace)


def _tokens(usage: str | None) -> str | None:
    """The token counts of a usage; money and times differ between recordings."""
    if usage is None:
        return None
    counts = json.loads(usage)
    if not isinstance(counts, dict):
        return None
    return orjson.dumps({key: counts[key] for key in sorted(counts) if key.endswith("tokens")}).decode()


def _dump(line: _Line) -> str:
    """A line as text. What is JSON inside it is written as JSON, so that a difference can be read."""
    shown = {key: _opened(key, line[key]) for key in sorted(line)}  # only here: objects inside keep their order
    text = json.dumps(shown, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair
        return json.dumps(shown)
    return text


def _opened(key: str, value: Any) -> Any:
    if key == "messages":
        return [_opened("message", text) for text in value]
    if key not in _JSON_TEXTS or value is None:
        return value
    try:
        inner = orjson.loads(value)
    except ValueError:
        return {_RAW: value}
    exact = inner is not None and _RAW not in (inner if isinstance(inner, dict) else ())
    return inner if exact and orjson.dumps(inner).decode() == value else {_RAW: value}


def _closed(key: str, value: Any) -> Any:
    if key == "messages" and isinstance(value, list):
        return [_closed("message", inner) for inner in value]
    if key not in _JSON_TEXTS or value is None:
        return value
    if isinstance(value, dict) and value.keys() == {_RAW}:
        return value[_RAW]
    return orjson.dumps(value).decode()


def _refuse_secrets(line: _Line, path: str | os.PathLike[str]) -> None:
    for key, value in line.items():
        for text in value if isinstance(value, list) else [value]:
            kinds = redactor().find(text) if isinstance(text, str) else []
            if kinds:
                what = " ".join(str(line[name]) for name in ("target_id", "step_key", "name") if name in line)
                raise ConfigurationError(
                    f"the cassette {path} was not written, because the {key} of {line['type']} {what} holds a secret "
                    f"({', '.join(kinds)}): keep it out of prompts, arguments and results, then record again"
                )


def _parse(raw: str, where: str) -> _Line:
    """One line as a dictionary that has all its keys. Raises ConfigurationError when it is not like that."""
    try:
        line = json.loads(raw)
    except ValueError as error:
        raise ConfigurationError(f"{where} is not JSON ({error}): {_AGAIN}") from error
    if not isinstance(line, dict) or not isinstance(line.get("v"), int):
        raise ConfigurationError(f'{where} is not a recorded line (an object with a version "v"): {_AGAIN}')
    if line["v"] > _FORMAT:
        raise ConfigurationError(f"{where} was written by a newer polos_nb: upgrade polos_nb, or record it again")
    kinds: dict[Any, tuple[str, ...]] = {
        "run": (*_RUN_KEYS, *_LINKS, "usage", "messages", "blobs"),
        "step": (*_STEP_KEYS, "run", "seq", "usage"),
        "blob": ("name", "text"),
    }
    keys = kinds.get(line.get("type")) if isinstance(line.get("type"), str) else None
    if keys is None:
        raise ConfigurationError(f"{where} is of the unknown type {line.get('type')!r}: {_AGAIN}")
    line = {key: _closed(key, value) for key, value in line.items()}
    if line["type"] == "run":
        line.setdefault("state", None)
    if line["type"] == "step" and isinstance(line.get("step_key"), str):  # what older recordings do not say
        line.setdefault("parent", line["step_key"].rpartition("/")[0])
        line.setdefault("state", None)
    for key in keys:
        if key not in line or not _fits(key, line[key]):
            raise ConfigurationError(f'{where} has no usable "{key}": {_AGAIN}')
    return line


def _fits(key: str, value: Any) -> bool:
    if value is None:
        return key in _OPTIONAL
    if key in ("messages", "blobs"):
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if key in _NUMBERS:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str)
