"""gcp-storage-emulator in memory, with three additions.

    python -m tests.support.gcs_emulator --port 9023 --bucket reviews

The package ignores `if_generation_match`, on which compare-and-swap relies, and sends no generation with a download.
It does not know content encodings: Cloud Storage decompresses an object of the encoding gzip for a client that does not
accept gzip, and then ignores a range.
Class variables of the handler inject faults: latency, status 503, closed connections and lost answers. A Fault fails
single operations.
"""

import argparse
import gzip
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from io import BytesIO
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlparse

from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import buckets
from gcp_storage_emulator.server import Request, RequestHandler
from gcp_storage_emulator.storage import Storage

from preprocessing.storage.gcs_client import connect


@dataclass
class Fault:
    """A fault of the next `count` requests whose `METHOD PATH?QUERY` contains the pattern, after the first `skip`.

    effect: an HTTP status instead of an answer; `cut`: half of the answer's body, then a closed connection; `flip`: a
    changed bit in the middle of the body; `stall`: half of the body, and then nothing; `black hole`: no answer. The
    last two keep the connection open until the emulator stops.
    """

    pattern: str
    effect: int | str
    count: int = 1
    skip: int = 0

    def matches(self, request: str) -> bool:
        """Count a request down if the fault is for it."""
        if self.count <= 0 or not re.search(self.pattern, request):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.count -= 1
        return True


class FaultyStore(RequestHandler):
    """The request handler: checks preconditions, one write at a time, and injects faults."""

    known_as = ""  # HOST:PORT in the emulator's links, instead of the host of the request that wrote the object
    latency_seconds = 0.0  # waits before each answer
    outage = 0  # number of next requests that get status 503
    flaky = 0  # one request in this many fails, alternately with status 503 and with a closed connection
    count = 0  # requests so far
    lost = 0  # number of next uploads that are written, but get status 503
    own_metadata: ClassVar[dict[str, str]] = {}  # that the store adds to the metadata of each object
    faults: ClassVar[list[Fault]] = []
    requests: ClassVar[list[str]] = []  # METHOD PATH?QUERY of each request so far
    alone = threading.Lock()
    stopped = threading.Event()  # ends what stalls
    rfile: Any
    wfile: Any

    def do_POST(self) -> None:  # noqa: N802 (name of the standard library)
        self._upload(super().do_POST)

    def do_PUT(self) -> None:  # noqa: N802 (the last request of an upload above 8 MiB)
        self._upload(super().do_PUT)

    def _upload(self, write: Callable[[], None]) -> None:
        body: bytes = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.rfile = BytesIO(body)
        if self._fail():
            return
        if FaultyStore.known_as:
            self.headers.replace_header("Host", FaultyStore.known_as)
        url = urlparse(self.path)
        expected = parse_qs(url.query).get("ifGenerationMatch")
        with FaultyStore.alone:
            if expected and self._generation(unquote(url.path.split("/b/")[1].split("/")[0])) != expected[0]:
                self._answer(HTTPStatus.PRECONDITION_FAILED)
                return
            self.rfile = BytesIO(body)
            write()
            for objects in self.storage.objects.values() if FaultyStore.own_metadata else ():
                for resource in objects.values():
                    resource["metadata"] = (resource.get("metadata") or {}) | FaultyStore.own_metadata

    def do_GET(self) -> None:  # noqa: N802
        if not self._fail():
            self._damage(partial(self._transcode, super().do_GET))

    def do_DELETE(self) -> None:  # noqa: N802
        if not self._fail():
            with FaultyStore.alone:  # the package writes all objects' names after a deletion, and a write changes them
                super().do_DELETE()

    def _transcode(self, answer: Callable[[], None]) -> None:
        """Answer, with an object of the encoding gzip decompressed for a client that does not accept it."""
        if self._encoding() != "gzip" or "gzip" in self.headers.get("Accept-Encoding", ""):
            answer()
            return
        del self.headers["Range"]
        connection, self.wfile = self.wfile, BytesIO()
        answer()
        head, _, body = self.wfile.getvalue().partition(b"\r\n\r\n")
        self.wfile, body = connection, gzip.decompress(body)
        head = re.sub(rb"(?i)content-length: \d+", b"Content-Length: %d" % len(body), head)
        self.wfile.write(head + b"\r\n\r\n" + body)

    def _encoding(self) -> str:
        """Return the content encoding of the object that a request downloads, empty for another request."""
        found = self._downloaded()
        if found is None:
            return ""
        with suppress(NotFound):
            return str(self.storage.get_file_obj(*found).get("contentEncoding", ""))
        return ""

    def _downloaded(self) -> tuple[str, str] | None:
        """Return the bucket and the object that a request downloads, or None for another request."""
        download = re.fullmatch(r"/download/storage/v1/b/([^/]+)/o/([^?]+)\?.*", self.path)
        if not download or self.command != "GET":
            return None
        return unquote(download[1]), unquote(download[2])

    def _damage(self, answer: Callable[[], None]) -> None:
        """Answer, with the damage to the body that a fault asks for."""
        effects: list[int | str] = [
            fault.effect
            for fault in FaultyStore.faults
            if fault.effect in ("cut", "flip", "stall") and fault.matches(f"{self.command} {self.path}")
        ]
        if not effects:
            answer()
            return
        connection, self.wfile = self.wfile, BytesIO()
        answer()
        head, _, body = self.wfile.getvalue().partition(b"\r\n\r\n")
        self.wfile, middle = connection, len(body) // 2
        if "flip" in effects and body:
            body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
        if "cut" in effects or "stall" in effects:
            body, self.close_connection = body[:middle], True
        self.wfile.write(head + b"\r\n\r\n" + body)
        if "stall" in effects:
            self._wait()

    def _wait(self) -> None:
        """Keep the connection open, without another byte, until the emulator stops."""
        self.wfile.flush()
        FaultyStore.stopped.wait()
        self.close_connection = True

    def send_response(self, code: int, message: str | None = None) -> None:
        if FaultyStore.lost > 0 and self.command in ("POST", "PUT"):
            FaultyStore.lost -= 1
            code, message = HTTPStatus.SERVICE_UNAVAILABLE, None
        super().send_response(code, message)

    def end_headers(self) -> None:
        """Add the header with a download's generation, as Cloud Storage does."""
        if found := self._downloaded():
            self.send_header("X-Goog-Generation", self._current(*found))
            if self._encoding() and "gzip" in self.headers.get("Accept-Encoding", ""):
                self.send_header("Content-Encoding", self._encoding())
        super().end_headers()

    def _generation(self, bucket: str) -> str:
        """Return the current generation of the object that a request will write, 0 if the object does not exist."""
        request = Request(self, self.command)
        if "upload_id" in request.query:
            name = self.storage.get_resumable_file_obj(request.query["upload_id"][0])["name"]
        elif "name" in request.query:
            name = request.query["name"][0]
        else:  # the first request of a resumable upload holds metadata only
            name = request.data.get("meta", request.data)["name"]
        return self._current(bucket, name)

    def _current(self, bucket: str, name: str) -> str:
        try:
            return str(self.storage.get_file_obj(bucket, name)["generation"])
        except NotFound:
            return "0"

    def _fail(self) -> bool:
        """Apply the configured faults to a request. Returns True if the request failed."""
        FaultyStore.count += 1
        request = f"{self.command} {self.path}"
        FaultyStore.requests.append(request)
        for fault in FaultyStore.faults:
            if isinstance(fault.effect, int) and fault.matches(request):
                self._answer(HTTPStatus(fault.effect))
                return True
            if fault.effect == "black hole" and fault.matches(request):
                self._wait()
                return True
        time.sleep(FaultyStore.latency_seconds)
        if FaultyStore.flaky and FaultyStore.count % (2 * FaultyStore.flaky) == 0:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return True
        if FaultyStore.outage <= 0 and not (FaultyStore.flaky and FaultyStore.count % FaultyStore.flaky == 0):
            return False
        FaultyStore.outage -= FaultyStore.outage > 0
        self._answer(HTTPStatus.SERVICE_UNAVAILABLE)
        return True

    def _answer(self, status: HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def write_encoded(url: str, data: bytes) -> bytes:
    """Write an object of the content encoding gzip, as `gcloud storage cp -Z` does. Returns the stored bytes."""
    bucket, _, name = url.removeprefix("gs://").partition("/")
    blob = connect(bucket)[0].blob(name)
    blob.content_encoding = "gzip"
    stored = gzip.compress(data)
    blob.upload_from_string(stored)
    return stored


@contextmanager
def emulator(*, host: str = "127.0.0.1", port: int = 0, bucket: str) -> Iterator[str]:
    """Serve one empty bucket. Yields the URL for STORAGE_EMULATOR_HOST."""
    storage: Any = Storage(use_memory_fs=True)
    buckets.create_bucket(bucket, storage)
    server = ThreadingHTTPServer((host, port), partial(FaultyStore, storage))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    FaultyStore.stopped.clear()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        FaultyStore.stopped.set()
        FaultyStore.outage = FaultyStore.flaky = FaultyStore.lost = 0
        FaultyStore.faults.clear()
        FaultyStore.requests.clear()
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=9023)
    parser.add_argument("--bucket", default="reviews")
    parser.add_argument("--known-as", default="", metavar="HOST:PORT", help="host in the links that clients follow")
    parser.add_argument("--latency-seconds", type=float, default=0.0)
    args = parser.parse_args()
    FaultyStore.latency_seconds, FaultyStore.known_as = args.latency_seconds, args.known_as
    with emulator(host=args.host, port=args.port, bucket=args.bucket) as url:
        print(f"STORAGE_EMULATOR_HOST={url} gs://{args.bucket}", flush=True)
        threading.Event().wait()
