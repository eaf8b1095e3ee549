"""A stand-in for Amazon's S3 on this machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import boto3
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "bucket"
CREDENTIALS: Mapping[str, str] = MappingProxyType(
    {
        "AWS_ACCESS_KEY_ID": "an-access-key-of-the-tests",
        "AWS_SECRET_ACCESS_KEY": "a-secret-that-nobody-may-print",
        "AWS_SESSION_TOKEN": "a-token-that-nobody-may-print",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
)


@contextmanager
def serving() -> Iterator[dict[str, str]]:
    """Serve an empty bucket inside the block; yield the environment that leads to it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            boto3.client("s3").create_bucket(Bucket=BUCKET)
            yield environment
    finally:
        server.stop()


def objects(prefix: str = "") -> dict[str, bytes]:
    """Return the bucket's objects by key, without the empty ones that stand for folders."""
    client = boto3.client("s3")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return {
        key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        for key in keys
        if not key.endswith("/")
    }


def keep_versions() -> None:
    """Make the bucket keep whatever is written over."""
    boto3.client("s3").put_bucket_versioning(
        Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"}
    )


def versions(prefix: str) -> dict[str, list[str]]:
    """Return what was ever written under each key, newest first, as versions with their hashes."""
    pages = boto3.client("s3").get_paginator("list_object_versions")
    found: dict[str, list[str]] = {}
    for page in pages.paginate(Bucket=BUCKET, Prefix=prefix):
        for item in page.get("Versions", []):
            found.setdefault(item["Key"], []).append(f"{item['VersionId']} {item['ETag']}")
    return found


def upload(folder: Path, prefix: str) -> str:
    """Put a folder's files into the bucket; return where they are."""
    client = boto3.client("s3")
    for path in folder.rglob("*"):
        if path.is_file():
            key = f"{prefix}/{path.relative_to(folder).as_posix()}"
            client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
    return f"s3://{BUCKET}/{prefix}"
