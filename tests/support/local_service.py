"""Local JSON services that stand in for Google's.

python -m tests.support.local_service    serves the metadata server's credentials on port 8080 of all addresses
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[str, str, bytes], Any]  # (method, path, body) of a request to the JSON answer


@contextmanager
def service(answer: Answer, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Serve the answers as JSON. Yields the port. KeyError becomes status 404, PermissionError 403."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                code, content = 200, json.dumps(answer(self.command, self.path.partition("?")[0], body)).encode()
            except KeyError as error:
                code, content = 404, json.dumps(str(error)).encode()
            except PermissionError as error:
                code, content = 403, json.dumps({"error": {"message": str(error)}}).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Metadata-Flavor", "Google")  # Google's client refuses answers without this header
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 (names of the standard library)

        def log_message(self, format: str, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer((host, port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def metadata(_: str, path: str, __: bytes) -> Any:
    """Answer requests to the metadata server for credentials. Without an answer Beam retries for 22 s."""
    account = "/computeMetadata/v1/instance/service-accounts/default"
    return {
        "/": {},
        f"{account}/": {"email": "default", "scopes": ["https://www.googleapis.com/auth/cloud-platform"]},
        f"{account}/token": {"access_token": "secret", "expires_in": 3600, "token_type": "Bearer"},
    }[path]


if __name__ == "__main__":
    with service(metadata, host="0.0.0.0", port=8080):
        threading.Event().wait()
