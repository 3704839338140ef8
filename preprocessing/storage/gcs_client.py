"""The connection to Google Cloud Storage: credentials and retries.

The client retries for two minutes what a retry can help. With STORAGE_EMULATOR_HOST set, it talks to an emulator,
without credentials.
"""

import logging
import os
import time
from typing import Any

from preprocessing.errors import InputError

log = logging.getLogger(__name__)

LINE_SECONDS = 30.0  # between two log lines about a store that does not answer


def connect(bucket: str) -> tuple[Any, Any]:
    """Return the client's bucket and its retry policy. Raises InputError without credentials, OSError in a pod."""
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import DefaultCredentialsError

    # Else each client asks for the bucket's metadata in the background, which needs a permission of its own.
    os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    from google.api_core.retry import Retry
    from google.cloud import storage

    retry = Retry(predicate=storage.retry.DEFAULT_RETRY._predicate, on_error=_RetryLog(bucket))
    # No request here needs a project, and credentials of a person often name none.
    anonymous = {"credentials": AnonymousCredentials()} if "STORAGE_EMULATOR_HOST" in os.environ else {}
    try:
        return storage.Client(project="none", **anonymous).bucket(bucket), retry
    except DefaultCredentialsError as error:
        raise permission_error(f"gs://{bucket}: no Google Cloud credentials: {error}") from None


def permission_error(message: str) -> OSError | InputError:
    """Return the exception for missing credentials or permissions.

    In a pod a retry can help: in its first seconds there may be no metadata server, and a new permission takes
    minutes to work.
    """
    return PermissionError(message) if "KUBERNETES_SERVICE_HOST" in os.environ else InputError(message)


class _RetryLog:
    """Logs a failed request that is tried again, at most one line in LINE_SECONDS."""

    def __init__(self, bucket: str) -> None:
        self._bucket, self._logged_at = bucket, -LINE_SECONDS

    def __call__(self, error: Exception) -> None:
        if time.monotonic() - self._logged_at >= LINE_SECONDS:
            self._logged_at = time.monotonic()
            log.warning("gs://%s: a request failed and is tried again: %s", self._bucket, error)
