"""A client of Batchwell's HTTP API: the standard library only, Python 3.9 or later.

    from batchwell import Client

    client = Client("http://127.0.0.1:8000")  # or BATCHWELL_URL and BATCHWELL_TOKEN
    scatter = client.submit_scatter(
        name="count",
        template={
            "inputs": [{"url": "s3://lab/{{sample}}.fq", "path": "/data/reads.fq"}],
            "outputs": [{"url": "s3://lab/{{sample}}.txt", "path": "/data/count.txt"}],
            "executors": [{"image": "alpine:3.20", "command": ["sh", "-c", "wc -l </data/reads.fq >/data/count.txt"]}],
        },
        rows=[{"sample": "a"}, {"sample": "b"}],
    )
    print(client.wait_scatter(scatter["id"])["places"])

A call that gets no answer, or 429, 502, 503 or 504, is tried again. Tasks and scatters are sent with an
Idempotency-Key, so a second try creates nothing twice. Give a key of your own where your process may end before it has
stored the id: for a week, the same request with the same key gets the same answer. A client can be shared by threads.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

__all__ = ["BatchwellError", "Client", "END_STATES"]

Json = Dict[str, Any]

END_STATES = frozenset({"COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED", "PREEMPTED"})

_TES = "/ga4gh/tes/v1"
_BUSY = (429, 502, 503, 504)
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
_LONGEST_TOLD = 300.0
_LOOK_SECONDS = 50
_LOST = (urllib.error.URLError, http.client.HTTPException, OSError)


class BatchwellError(Exception):
    """A call that failed. `status` is None where no answer came; `problems` names each invalid field of a 400."""

    def __init__(self, message: str, status: Optional[int] = None, problems: Sequence[Json] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.problems = list(problems)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token must not go to another server."""

    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        return None


class Client:
    """
    url: of the API (default: BATCHWELL_URL, else http://127.0.0.1:8000).
    token: bearer token (default: BATCHWELL_TOKEN).
    tries: of each call, with the first. timeout: seconds until a try without an answer is given up.
    """

    def __init__(
        self,
        url: Optional[str] = None,
        token: Optional[str] = None,
        *,
        tries: int = 8,
        timeout: float = 60.0,
    ) -> None:
        self.url = (url or os.environ.get("BATCHWELL_URL") or "http://127.0.0.1:8000").rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url {self.url!r}: expected a URL that begins with http:// or https://")
        if tries < 1:
            raise ValueError(f"tries {tries}: expected 1 or more")
        self._token = token or os.environ.get("BATCHWELL_TOKEN") or None
        self._tries = tries
        self._timeout = timeout
        self._opener = urllib.request.build_opener(_NoRedirect)

    # Submit

    def submit(self, task: Mapping[str, Any], *, idempotency_key: Optional[str] = None) -> str:
        """Submits a TES 1.1 task and returns its id once it is committed."""
        return self._call("POST", f"{_TES}/tasks", body=task, key=idempotency_key or _new_key())["id"]

    def submit_scatter(
        self,
        template: Mapping[str, Any],
        rows: Sequence[Mapping[str, Any]],
        *,
        name: Optional[str] = None,
        tags: Optional[Mapping[str, str]] = None,
        cache: Optional[str] = None,
        merge: Optional[str] = None,
        ids: bool = False,
        idempotency_key: Optional[str] = None,
    ) -> Json:
        """Submits up to 10,000 tasks, all or none. `{{column}}` in the template stands for the row's value.

        Returns `id`, `tasks` and `equal_rows`, and with `ids` also `task_ids` in the order of the rows.
        """
        given = {"name": name, "tags": tags, "cache": cache, "merge": merge}
        body = {key: value for key, value in given.items() if value is not None}
        body.update(template=template, rows=list(rows))
        query = {"ids": "true"} if ids else {}
        return self._call("POST", "/v1/scatters", query, body=body, key=idempotency_key or _new_key())

    def retry(self, id: str, *, groups: Optional[Sequence[str]] = None, idempotency_key: Optional[str] = None) -> str:
        """Retries the failed tasks of a scatter as a new scatter, or one task as a new task; returns the new id.

        groups: keys of the groups in `failures(scatter)`, for some failures only.
        """
        body = {} if groups is None else {"groups": list(groups)}
        path = f"{self._own_path(id)}:retry"
        return self._call("POST", path, body=body, key=idempotency_key or _new_key())["id"]

    def cancel(self, id: str) -> None:
        """Cancels a task, or all tasks of a scatter that have not ended."""
        self._call("POST", f"{self._own_path(id)}:cancel", body={})

    # Read

    def get(self, id: str, view: str = "FULL") -> Json:
        """Reads a task. view: MINIMAL, BASIC or FULL."""
        return self._call("GET", f"{_TES}/tasks/{_quote(id)}", {"view": view})

    def list(self, view: str = "MINIMAL", **filters: Any) -> Iterator[Json]:
        """Yields tasks, newest first. filters: state, name_prefix, tags (a dict), page_size."""
        return self._tasks(f"{_TES}/tasks", view, filters)

    def scatter(self, id: str) -> Json:
        """Reads a scatter with its counts."""
        return self._call("GET", f"/v1/scatters/{_quote(id)}")

    def scatter_tasks(self, id: str, view: str = "MINIMAL", **filters: Any) -> Iterator[Json]:
        """Yields the tasks of a scatter."""
        return self._tasks(f"/v1/scatters/{_quote(id)}/tasks", view, filters)

    def failures(self, scatter: Optional[str] = None, hours: int = 24) -> Json:
        """Groups failed tasks by reason: those of a scatter, or of the last hours."""
        return self._call("GET", "/v1/failures", {"scatter": scatter} if scatter else {"hours": hours})

    def logs(self, id: str, stream: str = "stdout", executor: Optional[int] = None) -> str:
        """Reads the end of what an executor printed. Status 404 until there is output."""
        query = {"stream": stream, "executor": executor}
        return self._text("GET", f"/v1/tasks/{_quote(id)}/logs", query)

    def service_info(self) -> Json:
        return self._call("GET", f"{_TES}/service-info")

    # Wait

    def wait(self, id: str, timeout: Optional[float] = None) -> Json:
        """Returns the task, in the view FULL, once it has ended. Raises TimeoutError after `timeout` seconds."""
        end = _deadline(timeout)
        while True:
            left = _left(end, f"{id} has not ended within {timeout} s")
            seconds = max(1, min(_LOOK_SECONDS, int(left)))
            query = {"wait": f"{seconds}s"}
            path = f"{_TES}/tasks/{_quote(id)}"
            if self._call("GET", path, query, timeout=seconds + self._timeout)["state"] in END_STATES:
                return self.get(id)

    def wait_scatter(self, id: str, timeout: Optional[float] = None) -> Json:
        """Returns the scatter once all of its tasks have ended. Raises TimeoutError after `timeout` seconds."""
        end = _deadline(timeout)
        pause = 0.2
        while True:
            scatter = self.scatter(id)
            if scatter["ended"]:
                return scatter
            time.sleep(min(pause, _left(end, f"{id} has not ended within {timeout} s")))
            pause = min(pause * 1.5, 5.0)

    def events(
        self,
        *,
        task: Optional[str] = None,
        scatter: Optional[str] = None,
        tags: Optional[Mapping[str, str]] = None,
        last_event_id: Optional[str] = None,
    ) -> Iterator[Json]:
        """Yields `{"event", "data", "id"}`: changes of a task, of a scatter, of tasks with tags, or of all tasks.

        Ends with the task or the scatter. Continues after a broken connection, without a gap: the same state may
        come twice. Give an `id` as `last_event_id` to continue from there.
        """
        query: List[Tuple[str, str]] = [(name, value) for name, value in (("task", task), ("scatter", scatter)) if value]
        for key, value in (tags or {}).items():
            query += [("tag_key", key), ("tag_value", value)]
        last = last_event_id
        failed = 0
        while True:
            headers = {"accept": "text/event-stream"}
            if last is not None:
                headers["last-event-id"] = last
            try:
                with self._open("GET", "/v1/events", query, headers=headers) as answer:
                    if answer.status == 204:
                        return
                    for event in _events_in(answer):
                        failed = 0
                        last = event["id"] or last
                        if event["data"] is not None:
                            yield {**event, "id": last}
            except _LOST as error:
                failed += 1
                if failed >= self._tries:
                    raise self._unreachable(error, failed) from error
            time.sleep(_pause(failed + 1))

    # Inside

    def _own_path(self, id: str) -> str:
        return f"/v1/{'scatters' if id.startswith('scatter-') else 'tasks'}/{_quote(id)}"

    def _tasks(self, path: str, view: str, filters: Mapping[str, Any]) -> Iterator[Json]:
        query: List[Tuple[str, Any]] = [("view", view)]
        for name, value in filters.items():
            if name == "tags":
                for key, tag in value.items():
                    query += [("tag_key", key), ("tag_value", tag)]
            else:
                query.append((name, value))
        token: Optional[str] = None
        while True:
            page = self._call("GET", path, query + ([("page_token", token)] if token else []))
            yield from page["tasks"]
            token = page.get("next_page_token")
            if not token:
                return

    def _call(self, method: str, path: str, query: Any = (), **named: Any) -> Any:
        text = self._text(method, path, query, **named)
        try:
            return json.loads(text)
        except ValueError:
            message = f"The server at {self.url} is not Batchwell: its reply is not valid JSON ({text[:60]!r})."
            raise BatchwellError(message) from None

    def _text(self, method: str, path: str, query: Any = (), **named: Any) -> str:
        for tried in range(1, self._tries + 1):
            try:
                with self._open(method, path, query, **named) as answer:
                    return answer.read().decode("utf-8", "replace")
            except _LOST as error:
                if tried == self._tries:
                    raise self._unreachable(error, tried) from error
                time.sleep(_pause(tried))
        raise AssertionError("unreachable")

    def _open(
        self,
        method: str,
        path: str,
        query: Any = (),
        *,
        body: Any = None,
        key: Optional[str] = None,
        headers: Optional[Mapping[str, str]] = None,
        timeout: Optional[float] = None,
    ) -> Any:
        """One answer of 2xx; tries again while the service is busy. Raises one of `_LOST` where no answer came."""
        request = urllib.request.Request(self.url + path + _query(query), method=method, headers=dict(headers or {}))
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        if key is not None:
            request.add_header("idempotency-key", key)
        if self._token:
            request.add_unredirected_header("authorization", f"Bearer {self._token}")
        for tried in range(1, self._tries + 1):
            try:
                return self._opener.open(request, timeout=timeout or self._timeout)
            except urllib.error.HTTPError as answer:
                with answer:
                    told = _seconds_told(answer.headers.get("retry-after"))
                    if answer.code not in _BUSY or tried == self._tries or told > _LONGEST_TOLD:
                        raise self._refusal(answer, tried) from None
                time.sleep(told + _pause(tried))
        raise AssertionError("unreachable")

    def _refusal(self, answer: urllib.error.HTTPError, tried: int) -> BatchwellError:
        if answer.code < 400:
            return BatchwellError(f"The server at {self.url} redirects requests. Use the URL of Batchwell itself.", answer.code)
        try:
            said = json.loads(answer.read())
            words, problems = str(said["message"]), said.get("problems", [])
        except (ValueError, KeyError, TypeError, *_LOST):
            words, problems = f"HTTP status {answer.code}", []
        if answer.code >= 500:
            words = f"Batchwell at {self.url} answered {answer.code}{_after(tried)}: {words}"
        return BatchwellError(self._without_token(words), answer.code, problems)

    def _unreachable(self, error: BaseException, tried: int) -> BatchwellError:
        reason = getattr(error, "reason", error)
        return BatchwellError(self._without_token(f"Batchwell cannot be reached at {self.url}{_after(tried)}: {reason}."))

    def _without_token(self, text: str) -> str:
        return text.replace(self._token, "…") if self._token else text


def _after(tried: int) -> str:
    return f" ({tried} attempts)" if tried > 1 else ""


def _new_key() -> str:
    return uuid.uuid4().hex


def _quote(id: str) -> str:
    return urllib.parse.quote(id, safe="")


def _query(given: Union[Mapping[str, Any], Sequence[Tuple[str, Any]]]) -> str:
    pairs = given.items() if isinstance(given, Mapping) else given
    text = urllib.parse.urlencode([(name, value) for name, value in pairs if value is not None])
    return f"?{text}" if text else ""


def _pause(tried: int) -> float:
    """Full jitter: clients that failed together try again at different times."""
    return random.random() * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (tried - 1))


def _seconds_told(header: Optional[str]) -> float:
    return float(header) if header is not None and header.strip().isdigit() else 0.0


def _deadline(timeout: Optional[float]) -> Optional[float]:
    return None if timeout is None else time.monotonic() + timeout


def _left(end: Optional[float], message: str) -> float:
    left = float(_LOOK_SECONDS) if end is None else end - time.monotonic()
    if left <= 0:
        raise TimeoutError(message)
    return left


def _events_in(lines: Any) -> Iterator[Json]:
    """The blocks of a stream of server-sent events; the last one may be cut, and is then left out."""
    fields: Dict[str, str] = {}
    for raw in lines:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if line:
            name, _, value = line.partition(":")
            fields[name] = value[1:] if value.startswith(" ") else value
            continue
        data = fields.get("data")
        yield {
            "event": fields.get("event", "message"),
            "data": json.loads(data) if data else None,
            "id": fields.get("id"),
        }
        fields = {}
