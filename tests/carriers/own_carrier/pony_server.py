"""Pony Parcels, as far as the tests need it: labels, books and faults, in a process of its own.

It outlives a killed client, and its books are on disk before it answers. What the API looks like is
invented; what it refuses, its carrier package has to live with.

    python pony_server.py BOOKS.sqlite     prints the URL, serves until it is terminated
"""

from __future__ import annotations

import base64
import json
import sqlite3
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

KEY = "pony-key-of-the-tests"
SERVICES = {"G": (900, 1), "T": (500, 4), "L": (120, 6)}
"""Code -> cents for the first pound, days."""


class Books:
    """Every label that was sold, in SQLite, and the faults that are switched on."""

    def __init__(self, path: str) -> None:
        self.guard = threading.Condition()
        self.db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute(
            "CREATE TABLE IF NOT EXISTS labels (id INTEGER PRIMARY KEY, reference TEXT, "
            "recipient TEXT, service TEXT, cents INTEGER, voided INTEGER DEFAULT 0)"
        )
        self.faults: list[str] = []
        self.stop_at: int | None = None
        """When so many labels are sold, further requests wait: a test kills their client."""
        self.selling = 0

    def sold(self) -> int:
        return self.db.execute("SELECT count(*) FROM labels").fetchone()[0]

    def label(self, where: str, value: object) -> list[dict]:
        rows = self.db.execute(
            "SELECT id, reference, recipient, service, cents, voided FROM labels "
            f"WHERE {where} = ? ORDER BY id",
            (value,),
        ).fetchall()
        return [
            {
                "id": f"L{number}",
                "tracking": f"PONY{number:08d}",
                "reference": reference,
                "recipient": recipient,
                "service": service,
                "cents": cents,
                "voided": bool(voided),
                "pdf": base64.b64encode(PDF).decode(),
            }
            for number, reference, recipient, service, cents, voided in rows
        ]


class Handler(BaseHTTPRequestHandler):
    """One request. Faults are used up in the order in which they were switched on."""

    protocol_version = "HTTP/1.1"
    books: Books

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        self._answer(
            json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or "{}")
        )

    def _answer(self, body: dict) -> None:
        url = urlsplit(self.path)
        if url.path.startswith("/_"):
            return self._send(200, self._for_tests(url.path, body))
        if self.headers.get("authorization") != f"Bearer {KEY}":
            return self._send(401, {"code": "key", "message": "the key is not known"})
        fault = self._fault() if self.command == "POST" and url.path == "/v1/labels" else ""
        if fault == "lost_before":
            return self._hang_up()
        if fault == "429":
            return self._send(429, {"code": "slow", "message": "slow down"}, {"Retry-After": "0"})
        status, answer = self._act(url.path, parse_qs(url.query), body)
        if fault == "lost_after":
            return self._hang_up()
        if fault == "503_after":
            return self._send(503, {"code": "busy", "message": "out of order"})
        if fault == "garbage_after":
            return self._send(200, {"hello": "world"})
        return self._send(status, answer)

    def _act(self, path: str, query: dict, body: dict) -> tuple[int, object]:
        parts = path.strip("/").split("/")
        if path == "/v1/rates":
            return self._rates(body)
        if path == "/v1/labels" and self.command == "POST":
            return self._sell(body)
        if path == "/v1/labels":
            with self.books.guard:
                return 200, {"labels": self.books.label("reference", query["reference"][0])}
        if parts[1] == "labels" and parts[-1] == "void":
            with self.books.guard:
                self.books.db.execute(
                    "UPDATE labels SET voided = 1 WHERE id = ?", (parts[2].removeprefix("L"),)
                )
            return 200, {}
        if parts[1] == "track":
            with self.books.guard:
                found = self.books.label("id", int(parts[2].removeprefix("PONY")))
            if found:
                return 200, {"status": "in_transit", "description": "on the pony"}
        return 404, {"code": "not_found", "message": f"there is no {path}"}

    def _rates(self, body: dict) -> tuple[int, object]:
        if body["to"]["state"] == "AK":
            return 422, {"code": "far", "message": "ponies do not go to Alaska"}
        wanted = [body["service"]] if body["service"] else SERVICES
        rates = [
            {
                "service": code,
                "cents": SERVICES[code][0] + 25 * int(body["weight_lb"]),
                "days": SERVICES[code][1],
            }
            for code in wanted
            if code != "L" or body["weight_lb"] <= 1
        ]
        return 200, {"rates": rates}

    def _sell(self, body: dict) -> tuple[int, object]:
        status, priced = self._rates(body)
        if status != 200:
            return status, priced
        [rate] = priced["rates"]
        if body["to"]["name"] == "Nobody":
            return 422, {"code": "name", "message": "Nobody lives there"}
        books = self.books
        with books.guard:
            books.selling += 1
            books.guard.notify_all()
            books.guard.wait_for(lambda: books.stop_at is None or books.sold() < books.stop_at)
            number = books.db.execute(
                "INSERT INTO labels (reference, recipient, service, cents) VALUES (?, ?, ?, ?)",
                (body["reference"], body["to"]["name"], rate["service"], rate["cents"]),
            ).lastrowid
            books.selling -= 1
            books.guard.notify_all()
            return 201, books.label("id", number)[0]

    def _for_tests(self, path: str, body: dict) -> object:
        books = self.books
        with books.guard:
            if path == "/_faults":
                books.faults = list(body["faults"])
            elif path == "/_stop":
                books.stop_at = body["at"]
            elif path == "/_stopped":  # requests wait: the client is in the middle of them
                books.guard.wait_for(lambda: books.sold() == books.stop_at and books.selling > 0)
            elif path == "/_go_on":  # what waited is sold now, whoever is still there to hear it
                books.stop_at = None
                books.guard.notify_all()
                books.guard.wait_for(lambda: books.selling == 0)
            return {
                "sold": books.sold(),
                "labels": books.label("1", 1) if path == "/_books" else [],
                "faults_left": books.faults,
            }

    def _fault(self) -> str:
        with self.books.guard:
            return self.books.faults.pop(0) if self.books.faults else ""

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(2)

    def _send(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def _pdf() -> bytes:
    """One empty page of 4 x 6 inches."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 288 432] >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return (
        out
        + b"xref\n0 4\n0000000000 65535 f \n%s" % table
        + b"trailer\n<< /Size 4 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(out)
    )


PDF = _pdf()


class Server(ThreadingHTTPServer):
    """A killed client breaks its connections off: that is no error here."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Keep quiet about connections, not about anything else."""
        if not isinstance(sys.exception(), ConnectionError):
            traceback.print_exc()


def main() -> None:
    """Serve until terminated."""
    Handler.books = Books(sys.argv[1])
    server = Server(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
