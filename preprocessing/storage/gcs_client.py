"""The connection to Google Cloud Storage: credentials and retries.

The client retries for two minutes what a retry can help. With STORAGE_EMULATOR_HOST set, it talks to an emulator,
without credentials.
"""

import logging
import os
import time
from functools import cache
from typing import Any

from preprocessing.errors import InputError

log = logging.getLogger(__name__)

CONNECTIONS = 64  # kept open; the client keeps 10 by default, and logs a warning for each thread above
LINE_SECONDS = 30.0  # between two log lines about a store that does not answer


def connect(bucket: str) -> tuple[Any, Any]:
    """Return the client's bucket and its retry policy. Raises InputError without credentials, OSError in a pod."""
    from google.api_core.retry import Retry
    from google.auth.exceptions import DefaultCredentialsError
    from google.cloud.storage.retry import DEFAULT_RETRY

    retry = Retry(predicate=DEFAULT_RETRY._predicate, on_error=_RetryLog(bucket))
    try:
        return connect_client(os.environ.get("STORAGE_EMULATOR_HOST")).bucket(bucket), retry
    except DefaultCredentialsError as error:
        message = f"gs://{bucket}: no Google Cloud credentials: {error}"
        # In a pod's first seconds there may be no metadata server.
        raise (OSError(message) if in_pod() else InputError(message)) from None


@cache
def connect_client(emulator: str | None) -> Any:
    """Return this process's client. All buckets share its connections and its access token.

    emulator: the URL in STORAGE_EMULATOR_HOST, which the client reads for itself.
    """
    # Else each client asks for the bucket's metadata in the background, which needs a permission of its own.
    os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage
    from requests.adapters import HTTPAdapter

    # No request here needs a project, and credentials of a person often name none.
    client = storage.Client(project="none", **({"credentials": AnonymousCredentials()} if emulator else {}))
    for scheme in ("http://", "https://"):
        client._http.mount(scheme, HTTPAdapter(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS))
    return client


def permission_error(message: str) -> OSError | InputError:
    """Return the exception for refused credentials or missing permissions.

    In a pod a new start can help: a new permission takes minutes to work.
    """
    return PermissionError(message) if in_pod() else InputError(message)


def in_pod() -> bool:
    """Return whether this process runs in a pod of Kubernetes."""
    return "KUBERNETES_SERVICE_HOST" in os.environ


class _RetryLog:
    """Logs a failed request that is tried again, at most one line in LINE_SECONDS."""

    def __init__(self, bucket: str) -> None:
        self._bucket, self._logged_at = bucket, -LINE_SECONDS

    def __call__(self, error: Exception) -> None:
        if time.monotonic() - self._logged_at >= LINE_SECONDS:
            self._logged_at = time.monotonic()
            log.warning("gs://%s: a request failed and is tried again: %s", self._bucket, error)
