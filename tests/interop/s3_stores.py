"""The two ways to an object in the S3 suites: through Wharf, as a client is told to go, and straight to the store, with a
client that has never met Wharf."""

import random
from dataclasses import dataclass

import boto3
from botocore.exceptions import ClientError

from prepare import ceph, make_bucket, rclone, seaweedfs
from report import setting

# The bucket in Wharf's configuration keeps its objects below this, in the store's own bucket.
SHARED_PREFIX = "tenants/a b+c/"


@dataclass(frozen=True)
class Store:
    """A bucket of Wharf's, and where its objects really are."""

    name: str
    bucket: str
    client: object
    store_bucket: str
    prefix: str = ""

    def stored(self, key):
        """The object as the store has it."""
        return self.client.get_object(Bucket=self.store_bucket, Key=self.prefix + key)

    def keys(self, prefix=""):
        """The keys below `prefix`, in Wharf's words."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.store_bucket, Prefix=self.prefix + prefix
        )
        return {
            entry["Key"].removeprefix(self.prefix) for page in pages for entry in page.get("Contents", [])
        }

    def empty(self):
        """An empty bucket, whatever a run before this one left in it."""
        make_bucket(self.client, self.store_bucket)
        empty(self.client, self.store_bucket)


def empty(client, bucket):
    """Deletes all objects of a bucket, and what was begun in it."""
    for entry in _pages(client, "list_multipart_uploads", bucket, "Uploads"):
        client.abort_multipart_upload(Bucket=bucket, Key=entry["Key"], UploadId=entry["UploadId"])
    for kind in ("Versions", "DeleteMarkers"):
        for entry in _pages(client, "list_object_versions", bucket, kind):
            client.delete_object(Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"])
    for entry in _pages(client, "list_objects_v2", bucket, "Contents"):
        client.delete_object(Bucket=bucket, Key=entry["Key"])


def _pages(client, operation, bucket, kind):
    """All entries of a listing; none, where a store has no such listing."""
    try:
        pages = client.get_paginator(operation).paginate(Bucket=bucket)
        return [entry for page in pages for entry in page.get(kind, [])]
    except ClientError:
        return []


def client_stores():
    """What the clients are let loose on: a part of a bucket in one store, and the whole of one in each other."""
    return [
        Store("SeaweedFS", "clients-seaweedfs", seaweedfs(), "clients", SHARED_PREFIX),
        Store("rclone", "clients-rclone", rclone(), "clients"),
        Store("Ceph", "clients-ceph", ceph(), "clients"),
    ]


def through_wharf(endpoint, **more):
    """boto3 as its users have it: retries, addressing and checksums are its defaults."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=setting("INTEROP_S3_KEY"),
        aws_secret_access_key=setting("INTEROP_S3_SECRET"),
        **more,
    )


def noise(size, seed):
    """Bytes in which no two places look alike, the same in every run."""
    return random.Random(seed).randbytes(size)
