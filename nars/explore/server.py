"""The page served: to this machine alone, at an address that has a secret in it.

    GET  /TOKEN/          the page
    POST /TOKEN/live      {since}             what a run has measured since, where it stands, what a job says
    POST /TOKEN/ask       {limits}            the best candidate within limits, by a search
    POST /TOKEN/files     {row}               architecture.yaml and recipe.yaml, or settings.yaml
    POST /TOKEN/train     {row, limits}       final training of one candidate
    POST /TOKEN/export    {row, limits}       the same, then ONNX and the other forms

No request names a file. A wrong token, or another host than this one in the header (a page elsewhere that has its name
resolved to 127.0.0.1), is answered 403 before anything else is looked at.
"""

from __future__ import annotations

import json
import secrets
import sys
import threading
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, final

import numpy as np

from nars.errors import ConfigError, UserError
from nars.explore.answers import Answers, answer_all
from nars.explore.contents import contents, progress, samples
from nars.explore.jobs import Jobs, kept_candidate
from nars.explore.page import render
from nars.explore.source import Source, card_of, limits_in, open_source, reduced
from nars.recipe import Recipe
from nars.space import Bounds, Population, dump_yaml
from nars.stages import ask

_LONGEST = 1 << 16
"""Bytes of a request."""
_MOST_KNOWN = 1_000_000
"""Scored candidates that are kept for the next question."""
_WRONG = {
    True: (403, "this page has a secret in its address; open the one that nars explore printed"),
    False: (404, "there is nothing here"),
}


@final
class Server:
    """The page of one run or predictor, on a port of this machine.

    Example:
        >>> with Server(open_source("runs/digits")) as server:
        ...     print(server.address)
        ...     server.serve_forever()
    """

    def __init__(self, source: Source, *, port: int = 0) -> None:
        """Compute the answers and take the port, any free one for 0.

        Raises:
            ConfigError: the port is taken.
        """
        self._source, self._lock, self.jobs = source, threading.Lock(), Jobs()
        self._answers = _answers(source)
        self.token = secrets.token_urlsafe(24)
        try:
            self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        except (OSError, OverflowError) as error:
            raise ConfigError(f"--port is a free port of this machine, got {port} ({error}); leave it out") from error
        self._http.daemon_threads = True

    @property
    def address(self) -> str:
        """Of the page."""
        return f"http://127.0.0.1:{self.port}/{self.token}/"

    @property
    def port(self) -> int:
        """That it listens on."""
        return int(self._http.server_address[1])

    def serve_forever(self) -> None:
        """Answer requests until `close`, or Ctrl-C."""
        self._http.serve_forever()

    def close(self) -> None:
        """End serving, and what a button has started."""
        self.jobs.stop()
        self._http.shutdown()
        self._http.server_close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self.jobs.stop()
        self._http.server_close()

    @property
    def _outdated(self) -> bool:
        """Whether the predictor that answers is no longer the one in the folder."""
        return self._answers is not None and card_of(self._source.name) != self._source.card

    # -- what is asked ------------------------------------------------------------------------------------------------

    def page(self) -> str:
        """As it is now."""
        with self._lock:
            if self._answers is None or self._outdated:  # the run may have got on
                self._source = open_source(self._source.name)
                self._answers = _answers(self._source)
            return render(contents(self._source, self._answers) | {"live": True})

    def live(self, since: str) -> dict[str, Any]:
        """What is new to a page whose latest sample was finished at this time (ISO 8601)."""
        first = self._answers is None and open_source(self._source.name).predictor is not None
        fresh = first or self._outdated
        new = samples(self._source, since=since)
        return {"samples": new, "progress": progress(self._source), "reload": fresh, "job": self.jobs.report}

    def ask(self, limits: Any) -> dict[str, Any]:
        """The best candidate within upper limits, by a search that goes on from all that was scored before."""
        bounds = Bounds({name: (0.0, limit) for name, limit in limits_in(limits, self._source.space).items()})
        with self._lock:
            if self._outdated:
                raise ConfigError("there is a new predictor; load this page again to see its answers")
            known = None if self._answers is None else self._answers.known
            if known is not None and len(known) > _MOST_KNOWN:
                known = None
            answer = ask(self._source.name, [bounds], latency=self._source.latency, known=known)
        best = answer.budgets[0]
        return {
            "row": best.ties.rows[0].tolist(),
            "value": reduced(float(best.ties.predicted[0])),
            "std": reduced(float(best.ties.predicted_std[0]), 3),
            "costs": {name: reduced(float(column[0])) for name, column in best.ties.costs.items()},
            "ties": len(best.ties.rows) - 1,
            "cut": best.cut,
            "seconds": reduced(answer.seconds, 2),
        }

    def files(self, row: Any) -> dict[str, str]:
        """A candidate spelled out, {name: YAML}."""
        space, rows = self._source.space, self._row(row)
        if space.family.builder is None:
            return {"settings.yaml": dump_yaml(space.to_records(rows)[0])}
        recipe = Recipe.from_dict(space.recipes(rows)[0]).to_dict()
        return {
            "architecture.yaml": dump_yaml(space.architectures(rows)[0].to_dict()),
            "recipe.yaml": dump_yaml(recipe),
        }

    def start(self, row: Any, limits: Any, *, export: bool) -> dict[str, Any]:
        """Train a candidate fully, and perhaps export it."""
        rows, limits = self._row(row), limits_in(limits, self._source.space)
        costs = {name: float(column[0]) for name, column in self._source.space.costs(rows).items()}
        high = {name: max(limit, costs[name]) for name, limit in limits.items()}
        folder = kept_candidate(self._source, rows, Bounds({name: (0.0, limit) for name, limit in high.items()}))
        commands = [["train", str(folder)], *([["export", str(folder)]] if export else [])]
        self.jobs.start(f"{'export' if export else 'train'} {folder}", commands)
        return self.jobs.report

    def _row(self, row: Any) -> Population:
        whole = isinstance(row, list) and all(isinstance(choice, int) and abs(choice) < 2**31 for choice in row)
        if not whole or len(row) != len(self._source.space.dimensions):
            raise ConfigError(f"a row is {len(self._source.space.dimensions)} choice indices, got {str(row)[:80]}")
        return self._source.space.canonical(self._source.space.check(np.array([row], dtype=np.int64)))


def _answers(source: Source) -> Answers | None:
    return None if source.predictor is None else answer_all(source)


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    asked: dict[str, Callable[[dict[str, Any]], object]] = {
        "live": lambda said: server.live(str(said.get("since", ""))),
        "ask": lambda said: server.ask(said.get("limits")),
        "files": lambda said: server.files(said.get("row")),
        "train": lambda said: server.start(said.get("row"), said.get("limits", {}), export=False),
        "export": lambda said: server.start(said.get("row"), said.get("limits", {}), export=True),
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version, server_version, sys_version = "HTTP/1.1", "nars", ""
        timeout = 60

        def do_GET(self) -> None:
            place = self._place()
            if place == "":
                self._reply(server.page, "text/html; charset=utf-8")
            else:
                self._refuse(*_WRONG[place is None])

        def do_POST(self) -> None:
            place = self._place()
            if place not in asked:
                self._refuse(*_WRONG[place is None])
                return
            length = self.headers.get("Content-Length", "")
            if not (length.isascii() and length.isdigit()) or int(length) > _LONGEST:
                self._refuse(413, "the question is too long")
                return
            try:
                said = json.loads(self.rfile.read(int(length)))
            except (ValueError, RecursionError):
                said = None
            if not isinstance(said, dict):
                self._refuse(400, "a question is a JSON object")
                return
            self._reply(lambda: json.dumps(asked[place](said), allow_nan=False), "application/json")

        def _place(self) -> str | None:
            """What is asked for below the token; None where the token or the host is wrong."""
            token, _, place = self.path.partition("?")[0].removeprefix("/").partition("/")
            here = self.headers.get("Host") in {f"{name}:{server.port}" for name in ("127.0.0.1", "localhost")}
            return place if secrets.compare_digest(token.encode(), server.token.encode()) and here else None

        def _reply(self, made: Callable[[], str], kind: str) -> None:
            try:
                body = made()
            except UserError as error:
                self._refuse(400, str(error))
                return
            except Exception:  # a bug: its traceback is for the terminal, not for the page
                traceback.print_exc(file=sys.stderr)
                self._refuse(500, "an error of nars itself; the terminal says more")
                return
            self._write(200, body, kind)

        def _refuse(self, status: int, why: str) -> None:
            self.close_connection = True
            self._write(status, json.dumps({"error": why}), "application/json")

        def _write(self, status: int, text: str, kind: str) -> None:
            body = text.encode()
            self.send_response(status)
            for name, value in (
                ("Content-Type", kind),
                ("Content-Length", str(len(body))),
                ("Cache-Control", "no-store"),
                ("Referrer-Policy", "no-referrer"),
                ("X-Content-Type-Options", "nosniff"),
                ("X-Frame-Options", "DENY"),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing: the terminal is for what goes wrong."""

    return Handler
