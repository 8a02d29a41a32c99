"""boto3 as a command: `s3_boto3.py object|transfer VERB BUCKET KEY …`. `object` sends an object as it is, in one request
or in parts of its own making; `transfer` leaves all that to boto3."""

import os
import sys

import boto3
from botocore.config import Config

PART_BYTES = 5 << 20

# Retries, checksums and addressing are boto3's own choice. Left to itself it presigns with version 2, which S3 itself
# takes in no region that is younger than 2014.
s3 = boto3.client("s3", endpoint_url=os.environ["INTEROP_ENDPOINT"], config=Config(signature_version="s3v4"))


def put_object(bucket, key, file):
    """An open file is what most programs give, and what boto3 sends with a checksum behind it."""
    if os.path.getsize(file) <= PART_BYTES:
        with open(file, "rb") as body:
            s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata={"origin": "boto3"})
        return
    where = {"Bucket": bucket, "Key": key}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    parts = []
    with open(file, "rb") as body:
        while piece := body.read(PART_BYTES):
            number = len(parts) + 1
            part = s3.upload_part(**where, PartNumber=number, Body=piece)
            parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part.get("ChecksumCRC32")})
    parts = [{name: value for name, value in part.items() if value} for part in parts]
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})


def get_object(bucket, key, file):
    with open(file, "wb") as target:
        for piece in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks():
            target.write(piece)


def list_objects(bucket, prefix):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": 2})
    for page in pages:
        for entry in page.get("Contents", []):
            print(entry["Key"])


def copy_object(bucket, key, target):
    s3.copy_object(Bucket=bucket, Key=target, CopySource={"Bucket": bucket, "Key": key})


def presign(method):
    return lambda bucket, key: print(s3.generate_presigned_url(method, Params={"Bucket": bucket, "Key": key}))


VERBS = {
    "list": list_objects,
    "presign": presign("get_object"),
    "presign-put": presign("put_object"),
    "delete": lambda bucket, key: s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]}),
}
FLAVOURS = {
    "object": {
        "put": put_object,
        "get": get_object,
        "copy": copy_object,
        "delete": lambda bucket, key: s3.delete_object(Bucket=bucket, Key=key),
    },
    "transfer": {
        "put": lambda bucket, key, file: s3.upload_file(file, bucket, key),
        "get": lambda bucket, key, file: s3.download_file(bucket, key, file),
        "copy": lambda bucket, key, target: s3.copy({"Bucket": bucket, "Key": key}, bucket, target),
    },
}

flavour, verb, *arguments = sys.argv[1:]
(VERBS | FLAVOURS[flavour])[verb](*arguments)
