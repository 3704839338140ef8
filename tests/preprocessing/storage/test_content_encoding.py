import pytest

from preprocessing.errors import InputError
from preprocessing.storage.content_encoding import decode_content
from tests.support.inputs import gzipped

STORED = gzipped(b"steps: 3\n")


@pytest.mark.parametrize(
    ("stored", "encoding", "content"),
    [
        (STORED, "gzip", b"steps: 3\n"),
        (STORED, None, STORED),
        (b"steps: 3\n", "gzip", b"steps: 3\n"),  # the uploader set the label alone
        (b"", "gzip", b""),
    ],
)
def test_content_is_decompressed_if_label_and_bytes_say_gzip(
    stored: bytes, encoding: str | None, content: bytes
) -> None:
    assert decode_content(stored, encoding, url="gs://reviews/config.yaml") == content


@pytest.mark.parametrize(
    "damaged", [STORED[:-9], STORED[:5], STORED[:12] + b"\xff" + STORED[13:], STORED[:-8] + bytes(8), STORED + b"rest"]
)
def test_damaged_gzip_is_refused_with_the_url(damaged: bytes) -> None:
    with pytest.raises(InputError, match="gs://reviews/config.yaml: damaged or truncated, expected the content enc"):
        decode_content(damaged, "gzip", url="gs://reviews/config.yaml")
