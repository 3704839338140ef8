"""gcp-storage-emulator in memory, with two of its gaps mended.

    python -m tests.support.gcs_emulator --port 9023 --bucket reviews

It ignores `if_generation_match`, on which a run's pointer relies, and does not say which generation it sends.
`Mended.latency_seconds` makes it answer late, `Mended.outage` with 503 to the next requests, `Mended.flaky` to
one in so many.
"""

import argparse
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import buckets
from gcp_storage_emulator.server import Request, RequestHandler
from gcp_storage_emulator.storage import Storage


class Mended(RequestHandler):
    """The emulator's requests, each alone, with preconditions checked first."""

    known_as = ""  # HOST:PORT in the links that it gives, if not that of the request that wrote the object
    latency_seconds = 0.0  # before each answer
    outage = 0  # requests still to be answered with 503
    flaky = 0  # of so many requests one fails, by turns with 503 and with no answer at all
    count = 0
    lost = 0  # uploads still to be carried out and yet answered with 503
    alone = threading.Lock()
    rfile: Any

    def do_POST(self) -> None:  # noqa: N802 (the standard library's name)
        self._upload(super().do_POST)

    def do_PUT(self) -> None:  # noqa: N802 (the last request of an upload above 8 MiB)
        self._upload(super().do_PUT)

    def _upload(self, go_on: Callable[[], None]) -> None:
        body: bytes = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.rfile = BytesIO(body)
        if self._out():
            return
        if Mended.known_as:
            self.headers.replace_header("Host", Mended.known_as)
        url = urlparse(self.path)
        expected = parse_qs(url.query).get("ifGenerationMatch")
        with Mended.alone:
            if expected and self._generation(unquote(url.path.split("/b/")[1].split("/")[0])) != expected[0]:
                self._answer(HTTPStatus.PRECONDITION_FAILED)
                return
            self.rfile = BytesIO(body)
            go_on()

    def do_GET(self) -> None:  # noqa: N802
        if not self._out():
            super().do_GET()

    def send_response(self, code: int, message: str | None = None) -> None:
        if Mended.lost > 0 and self.command in ("POST", "PUT"):
            Mended.lost -= 1
            code, message = HTTPStatus.SERVICE_UNAVAILABLE, None
        super().send_response(code, message)

    def end_headers(self) -> None:
        """Adds the header that tells a download's generation, which Cloud Storage sends."""
        found = re.fullmatch(r"/download/storage/v1/b/([^/]+)/o/([^?]+)\?.*", self.path)
        if found and self.command == "GET":
            bucket, name = (unquote(part) for part in found.groups())
            self.send_header("X-Goog-Generation", self._current(bucket, name))
        super().end_headers()

    def _generation(self, bucket: str) -> str:
        """Of the object that a POST is about to write; 0 if there is none."""
        request = Request(self, self.command)
        if "upload_id" in request.query:
            name = self.storage.get_resumable_file_obj(request.query["upload_id"][0])["name"]
        elif "name" in request.query:
            name = request.query["name"][0]
        else:  # a resumable upload's first request is the metadata alone
            name = request.data.get("meta", request.data)["name"]
        return self._current(bucket, name)

    def _current(self, bucket: str, name: str) -> str:
        try:
            return str(self.storage.get_file_obj(bucket, name)["generation"])
        except NotFound:
            return "0"

    def _out(self) -> bool:
        Mended.count += 1
        time.sleep(Mended.latency_seconds)
        if Mended.flaky and Mended.count % (2 * Mended.flaky) == 0:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return True
        if Mended.outage <= 0 and not (Mended.flaky and Mended.count % Mended.flaky == 0):
            return False
        Mended.outage -= Mended.outage > 0
        self._answer(HTTPStatus.SERVICE_UNAVAILABLE)
        return True

    def _answer(self, status: HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def emulator(*, host: str = "127.0.0.1", port: int = 0, bucket: str) -> Iterator[str]:
    """Serves one empty bucket; the URL for STORAGE_EMULATOR_HOST."""
    storage: Any = Storage(use_memory_fs=True)
    buckets.create_bucket(bucket, storage)
    server = ThreadingHTTPServer((host, port), partial(Mended, storage))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        Mended.outage = Mended.flaky = Mended.lost = 0
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=9023)
    parser.add_argument("--bucket", default="reviews")
    parser.add_argument("--known-as", default="", metavar="HOST:PORT", help="in links, for those who read")
    parser.add_argument("--latency-seconds", type=float, default=0.0)
    arguments = parser.parse_args()
    Mended.latency_seconds, Mended.known_as = arguments.latency_seconds, arguments.known_as
    with emulator(host=arguments.host, port=arguments.port, bucket=arguments.bucket) as url:
        print(f"STORAGE_EMULATOR_HOST={url} gs://{arguments.bucket}", flush=True)
        threading.Event().wait()
