"""Files that are uploaded in parts through the upload API, to two vendors' stores: what comes out is what went in, byte by
byte, whatever happens on the way."""

import hashlib
import random
import tempfile
from concurrent.futures import ThreadPoolExecutor

import requests

from prepare import rclone, seaweedfs
from report import check, equal, finish, setting

API = setting("INTEROP_API")
TIMEOUT_SECONDS = 300
MIB = 1024 * 1024
STORE_BUCKET = "interop"
LARGE_BYTES = 5 * 1024 * MIB
LARGE_PARTS = 200
# What goes up at the same time, as in a browser.
SIDE_BY_SIDE = 4


class Section:
    """A part of a file, as requests sends it."""

    def __init__(self, file, start, length):
        self.file = open(file.name, "rb")
        self.file.seek(start)
        self.left = length

    def __len__(self):
        return self.left

    def read(self, size=-1):
        size = self.left if size < 0 else min(size, self.left)
        data = self.file.read(size)
        self.left -= len(data)
        return data


def ask(operation, bucket, status=200, **body):
    """One request to the upload API with configured credentials."""
    reply = requests.post(
        f"{API}/api/v1/upload/{bucket}/{operation}",
        json=body,
        headers={"x-api-key": setting("INTEROP_KEY")},
        timeout=TIMEOUT_SECONDS,
    )
    equal((reply.status_code, reply.text if reply.status_code != status else ""), (status, ""))
    return reply.json()


def begin(bucket, size, **more):
    fields = {"filename": "film.bin", "contentType": "video/mp4", "fileSize": size}
    return ask("multipart/initiate", bucket, **fields, **more)


def send(reply, number, data):
    """Sends a part to the URL that `reply` has for it, and says what the client lists of it."""
    url = next(part["uploadUrl"] for part in reply["partUrls"] if part["partNumber"] == number)
    stored = requests.put(url, data=data, timeout=TIMEOUT_SECONDS)
    equal(stored.status_code, 200)
    return {"partNumber": number, "etag": stored.headers["etag"]}


def named(begun):
    return {"uploadId": begun["uploadId"], "key": begun["key"]}


def complete(bucket, begun, parts, status=200):
    return ask("multipart/complete", bucket, status, **named(begun), parts=parts)


def pieces(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]


def downloaded(bucket, key):
    url = ask("download-url", bucket, key=key)["downloadUrl"]
    reply = requests.get(url, stream=True, timeout=TIMEOUT_SECONDS)
    equal(reply.status_code, 200)
    return reply


def check_large(vendor, bucket):
    part_bytes = -(-LARGE_BYTES // LARGE_PARTS)
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(LARGE_BYTES)
        with check(f"{vendor}: 5 GiB of zeros in 200 parts, out of order and one of them twice, are 5 GiB of zeros"):
            begun = begin(bucket, LARGE_BYTES, partSize=part_bytes)
            equal((begun["partCount"], len(begun["partUrls"])), (LARGE_PARTS, LARGE_PARTS))
            numbers = list(range(1, LARGE_PARTS + 1))
            random.Random(5).shuffle(numbers)

            def send_part(number):
                start = (number - 1) * part_bytes
                return send(begun, number, Section(file, start, min(part_bytes, LARGE_BYTES - start)))

            send(begun, numbers[-1], b"to be replaced")
            with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
                parts = list(threads.map(send_part, numbers))
            done = complete(bucket, begun, parts)
            assert done["etag"].endswith(f'-{LARGE_PARTS}"'), done["etag"]
            received = 0
            for chunk in downloaded(bucket, begun["key"]).iter_content(MIB):
                equal(chunk.count(0), len(chunk))
                received += len(chunk)
            equal(received, LARGE_BYTES)
            equal(complete(bucket, begun, parts)["etag"], done["etag"])


def check_small(vendor, bucket, store):
    data = random.Random(7).randbytes(23 * MIB + 7)
    chunks = pieces(data, 5 * MIB)

    with check(f"{vendor}: an upload goes on after a reload, and its object has what was said of it"):
        begun = begin(bucket, len(data), metadata={"author": "Ann"})
        some = [send(begun, number, chunks[number - 1]) for number in (2, 5)]
        found = ask("multipart/parts", bucket, **named(begun))
        equal([part["partNumber"] for part in found["parts"]], [2, 5])
        equal([part["partNumber"] for part in found["partUrls"]], [1, 3, 4])
        rest = [send(found, number, chunks[number - 1]) for number in (4, 1, 3)]
        first = complete(bucket, begun, rest + some)
        again = complete(bucket, begun, some + rest)
        equal(again["location"], first["location"])
        # rclone says one ETag when an object is completed, and another one of the object.
        if vendor != "rclone":
            equal(again["etag"], first["etag"])
        reply = downloaded(bucket, begun["key"])
        equal(hashlib.sha256(reply.content).hexdigest(), hashlib.sha256(data).hexdigest())
        equal((reply.headers["content-type"], reply.headers["x-amz-meta-author"]), ("video/mp4", "Ann"))

    with check(f"{vendor}: an aborted upload leaves no parts, and cannot be completed"):
        begun = begin(bucket, len(data))
        part = send(begun, 1, chunks[0])
        ask("multipart/abort", bucket, **named(begun))
        left = store.list_multipart_uploads(Bucket=STORE_BUCKET).get("Uploads", [])
        equal([upload["Key"] for upload in left if upload["Key"].endswith(begun["key"])], [])
        equal(complete(bucket, begun, [part], 404)["error"], "UPLOAD_NOT_FOUND")

    with check(f"{vendor}: a completion with a wrong ETag makes no object, and the right one does while there are parts"):
        begun = begin(bucket, len(data))
        parts = [send(begun, number, chunk) for number, chunk in enumerate(chunks, 1)]
        wrong = [{**part, "etag": '"0123456789abcdef0123456789abcdef"'} for part in parts]
        equal(complete(bucket, begun, wrong, 400)["error"], "INVALID_PART")
        if vendor == "rclone":
            # It has forgotten the upload by then.
            equal(complete(bucket, begun, parts, 404)["error"], "UPLOAD_NOT_FOUND")
            return
        complete(bucket, begun, parts)
        equal(hashlib.sha256(downloaded(bucket, begun["key"]).content).digest(), hashlib.sha256(data).digest())


check_small("SeaweedFS", "seaweedfs-files", seaweedfs())
check_small("rclone", "rclone-files", rclone())
check_large("SeaweedFS", "seaweedfs-files")
finish()
