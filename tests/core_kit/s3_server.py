"""An S3 server on loopback: moto, one write at a time, as slow as it is told to be.

    python tests/core_kit/s3_server.py --latency-ms 50

``GET /_requests`` says how many requests of each method there were.

Moto compares and writes in two steps: with eight writers at a time, one race of a hundred had two
winners. S3 has none, so writes take turns here. The first line of output is the URL.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import Any


class Server:
    """The server, in a thread of this process.

    Parameters
    ----------
    latency_s
        Added to every request, while others go on.
    """

    def __init__(self, *, latency_s: float = 0.0) -> None:
        from moto.moto_server.werkzeug_app import (
            DomainDispatcherApplication,
            create_backend_app,
        )
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.latency_s = latency_s
        self.requests: Counter[str] = Counter()
        self._app: Any = DomainDispatcherApplication(create_backend_app)
        self._turn, self._counting = threading.Lock(), threading.Lock()
        self._server = make_server("127.0.0.1", 0, self._serve, threaded=True)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _serve(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/_requests":
            start_response("200 OK", [("content-type", "application/json")])
            return [json.dumps(self.requests).encode()]
        with self._counting:
            self.requests[environ["REQUEST_METHOD"]] += 1
        if self.latency_s:
            time.sleep(self.latency_s * random.uniform(0.8, 1.2))
        with self._turn:
            return list(self._app(environ, start_response))

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def environment(url: str) -> dict[str, str]:
    """Return the variables with which a process uses the server at `url`."""
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
    }


def make_bucket(url: str, name: str) -> str:
    """Create a bucket and return its URL as a home's."""
    import urllib.request

    with urllib.request.urlopen(urllib.request.Request(f"{url}/{name}", method="PUT")):
        return f"s3://{name}"


@contextmanager
def serving(**options: Any) -> Any:
    """Serve for a block."""
    server = Server(**options)
    try:
        yield server
    finally:
        server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    server = Server(latency_s=parser.parse_args().latency_ms / 1000)
    print(server.url, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
