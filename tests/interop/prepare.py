"""Makes the buckets that the suites use, and opens one to browsers."""

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from report import setting


def client(endpoint, access_key, secret_key):
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        # Without a version, forms would be signed with an older one.
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 5}),
    )


def seaweedfs():
    return client(setting("S3_ENDPOINT"), setting("AWS_ACCESS_KEY_ID"), setting("AWS_SECRET_ACCESS_KEY"))


def rclone():
    return client(setting("RCLONE_ENDPOINT"), setting("RCLONE_ACCESS_KEY_ID"), setting("RCLONE_SECRET_ACCESS_KEY"))


def ceph():
    return client(setting("CEPH_ENDPOINT"), setting("CEPH_ACCESS_KEY_ID"), setting("CEPH_SECRET_ACCESS_KEY"))


def make_bucket(store, name):
    try:
        store.create_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyExists", "BucketAlreadyOwnedByYou"):
            raise


def main():
    for store, buckets in ((seaweedfs(), ("interop", "sdk")), (rclone(), ("interop",))):
        for bucket in buckets:
            make_bucket(store, bucket)
    rule = {
        "AllowedOrigins": [setting("INTEROP_APP_ORIGIN")],
        "AllowedMethods": ["GET", "PUT", "POST", "DELETE"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag", "Location"],
    }
    seaweedfs().put_bucket_cors(Bucket="interop", CORSConfiguration={"CORSRules": [rule]})


if __name__ == "__main__":
    sys.exit(main())
