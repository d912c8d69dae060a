"""Handles of runs that were only started, and runs as the plain data that Polos' clients get."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from polos_nb.codec_untag import untag
from polos_nb.stores.base import RunRecord, Store

_STATUS = {"suspended": "waiting"}  # where Polos has another word


@dataclass(frozen=True, kw_only=True)
class ExecutionHandle:
    """A run that was started. `id` is the run's id, to give to `client.get_execution` or `%polos show`."""

    id: str
    workflow_id: str
    created_at: str = ""
    parent_execution_id: str | None = None
    root_workflow_id: str = ""
    root_execution_id: str = ""
    session_id: str | None = None
    user_id: str | None = None
    step_key: str | None = None

    async def get(self, client: Any) -> dict[str, Any]:
        """The run as it is now: `status`, `result`, `error` and more; see `client.get_execution`.

        `result` is the very value while the process that drove the run lives, plain data afterwards.
        """
        found: dict[str, Any] = await client.get_execution(self.id)
        live = client.runtime.live(self.id)
        if live is not None and live.done() and found["status"] == "completed":
            found["result"] = await live.result()
        return found

    async def result(self, client: Any) -> Any:
        """Wait for the end, and return the result. Raises what the run raised."""
        return await client.result_of(self.id)

    async def cancel(self, client: Any) -> bool:
        """Stop the run. What it finished is kept. False when it is over already."""
        return bool(await client.cancel_execution(self.id))

    def to_dict(self) -> dict[str, Any]:
        """The fields as a dict."""
        return asdict(self)


def handle_of_run(run: RunRecord, store: Store, *, user_id: str | None = None) -> ExecutionHandle:
    """The handle of a run of the store."""
    root = store.get_run(run.root) if run.root else None
    return ExecutionHandle(
        id=run.id,
        workflow_id=run.target_id,
        created_at=_iso(run.created_at) or "",
        parent_execution_id=run.parent,
        root_workflow_id=root.target_id if root else run.target_id,
        root_execution_id=run.root or run.id,
        session_id=run.conversation_id,
        user_id=user_id,
        step_key=run.parent_step,
    )


def execution_data(run: RunRecord, store: Store) -> dict[str, Any]:
    """A run as the plain data of Polos' `get_execution`: times in ISO 8601, `status` in Polos' words."""
    root = run.root or run.id
    status = _STATUS.get(run.status, run.status)
    asked = [d for d in store.decisions(run_id=root, status="waiting") if not run.root or _inside(d.step_key, run)]
    if run.status == "running" and asked:
        status = "waiting"
    return {
        "id": run.id,
        "workflow_id": run.target_id,
        "workflow_type": run.kind,
        "status": status,
        "payload": untag(orjson.loads(run.input)),
        "result": untag(orjson.loads(run.result)) if run.result else None,
        "error": run.error,
        "state": untag(orjson.loads(run.state)) if run.state else None,
        "waiting": [d.step_key for d in asked],
        "created_at": _iso(run.created_at),
        "completed_at": _iso(run.finished_at),
        "parent_execution_id": run.parent,
        "root_execution_id": root,
        "step_key": run.parent_step,
        "session_id": run.conversation_id,
    }


def _inside(path: str, run: RunRecord) -> bool:
    return run.parent_step is not None and f"{run.parent_step}/" in f"{path}/"


def _iso(at: float | None) -> str | None:
    return datetime.fromtimestamp(at, UTC).isoformat() if at else None
