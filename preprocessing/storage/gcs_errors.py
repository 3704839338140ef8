"""Errors of the Cloud Storage client as the errors of Bucket."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException

from preprocessing.errors import InputError
from preprocessing.storage.gcs_client import permission_error

LOGIN = "log in with `gcloud auth application-default login`, or give a valid GOOGLE_APPLICATION_CREDENTIALS"


class NoObjectError(Exception):
    """Cloud Storage answered that something does not exist: the object, the upload or the bucket."""


@contextmanager
def translate_errors(bucket: str, *, passing: type[Exception] | tuple[()] = ()) -> Iterator[None]:
    """Raise InputError or OSError in place of each error of the client, and NoObjectError for status 404 and 410.

    OSErrors, those of the connection too, pass, and so do exceptions of the type `passing`. `bucket` is the bucket's
    name.
    """
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError, TransportError
    from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
    from urllib3.exceptions import HTTPError

    try:
        yield
    except passing:
        raise
    except GoogleAPICallError as error:
        if error.code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            raise NoObjectError(error.message) from None
        if error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise permission_error(f"gs://{bucket}: no permission: {error.message}") from None
        # 5xx and 429; also 400 for a checksum that is wrong on arrival, 409 and 416. The request itself is right.
        raise OSError(f"gs://{bucket}: no answer after retries: {error}") from error
    except (RefreshError, DefaultCredentialsError) as error:
        message = f"gs://{bucket}: the credentials are refused: {error}"
        # The token server is down, or the metadata server, of which the client's exception does not say so.
        if error.retryable or any(isinstance(reason, TransportError) for reason in error.args):
            raise OSError(message) from error
        raise permission_error(f"{message}: {LOGIN}") from None
    except (RetryError, GoogleAuthError, HTTPError, HTTPException, DataCorruption, InvalidResponse) as error:
        raise OSError(f"gs://{bucket}: no answer after retries: {error}") from error


def no_bucket(bucket: str) -> InputError:
    """Return the exception for a bucket that does not exist."""
    return InputError(f"gs://{bucket}: no such bucket")
