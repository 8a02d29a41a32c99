"""Reads go on when the primary's process is killed: 10,000 GETs of mirrored objects, byte for byte.

A server of one vendor is the primary, one of another its mirror. Objects are written through Wharf, mirrored, and read by
many clients at once; in the middle the primary gets SIGKILL. Whoever was reading from it then may see a cut connection, and
nobody else may see anything.
"""

import hashlib
import http.client
import random
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config

from prepare import make_bucket, seaweedfs
from report import check, finish, setting

GETS = 10_000
CLIENTS = 16
OBJECTS = 200
BYTES_MAX = 400_000
MIRRORED_WITHIN_SECONDS = 120
UP_WITHIN_SECONDS = 20
KEY, SECRET = "FAILOVERKEY000000001", "failoverSecret00000000000000000000000001"

CONFIG = """
[server]
api_listen = "127.0.0.1:{api}"
admin_listen = "127.0.0.1:{admin}"
s3_listen = "127.0.0.1:{s3}"
data_directory = "{data}"

[providers.primary]
plugin = "minio"
endpoint = "http://127.0.0.1:{primary}"
access_key_id = "{key}"
secret_access_key = "{secret}"

[providers.spare]
plugin = "minio"
endpoint = "{spare}"
access_key_id = "{spare_key}"
secret_access_key = "{spare_secret}"

[buckets.photos]
provider = "primary"
bucket = "photos"
[[buckets.photos.mirrors]]
provider = "spare"
bucket = "failover"

[[keys]]
id = "{key}"
secret = "{secret}"
allow = [{{ bucket = "*", actions = ["read", "write", "delete", "list", "configure"] }}]
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_until(what, is_so, seconds):
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            raise AssertionError(f"{what}: not within {seconds} seconds")
        time.sleep(0.05)


def listens(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


class World:
    """The primary, Wharf before it, and the objects that clients have written."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.ports = {name: free_port() for name in ("api", "admin", "s3", "primary")}
        self.primary = self.start_primary()
        make_bucket(seaweedfs(), "failover")
        self.wharf = self.start_wharf()
        self.s3 = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.ports['s3']}",
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
        )

    def start_primary(self):
        buckets = self.folder / "buckets"
        (buckets / "photos").mkdir(parents=True, exist_ok=True)
        address = f"127.0.0.1:{self.ports['primary']}"
        command = [setting("INTEROP_RCLONE"), "--config", "/dev/null", "--cache-dir", str(self.folder / "cache")]
        command += ["serve", "s3", str(buckets), "--addr", address, "--auth-key", f"{KEY},{SECRET}"]
        process = subprocess.Popen([*command, "--etag-hash", "MD5"], stderr=subprocess.DEVNULL)
        wait_until("the primary answers", lambda: listens(self.ports["primary"]), UP_WITHIN_SECONDS)
        return process

    def start_wharf(self):
        config = self.folder / "wharf.toml"
        spare = {"spare": setting("S3_ENDPOINT"), "spare_key": setting("AWS_ACCESS_KEY_ID")}
        spare["spare_secret"] = setting("AWS_SECRET_ACCESS_KEY")
        config.write_text(CONFIG.format(**self.ports, **spare, key=KEY, secret=SECRET, data=self.folder / "data"))
        config.chmod(0o600)
        with open(self.folder / "wharf.log", "wb") as log:
            process = subprocess.Popen([setting("WHARF"), "--config", str(config), "serve"], stderr=log)
        wait_until("Wharf answers", lambda: listens(self.ports["s3"]), UP_WITHIN_SECONDS)
        return process

    def metric(self, name):
        """The sum of a metric's values."""
        url = f"http://127.0.0.1:{self.ports['admin']}/metrics"
        with urllib.request.urlopen(url, timeout=10) as reply:
            lines = reply.read().decode().splitlines()
        values = [line.rsplit(" ", 1)[1] for line in lines if line.split("{")[0].split(" ")[0] == name]
        return sum(float(value) for value in values)

    def write(self):
        """Writes the objects; returns their digests by key."""
        seeded, digests = random.Random(1), {}
        for number in range(OBJECTS):
            key, body = f"object {number}", seeded.randbytes(seeded.randrange(BYTES_MAX))
            self.s3.put_object(Bucket="photos", Key=key, Body=body)
            digests[key] = hashlib.sha256(body).digest()
        return digests

    def wait_until_mirrored(self):
        def is_mirrored():
            copied = self.metric("wharf_mirror_copied_objects_total")
            return copied >= OBJECTS and self.metric("wharf_mirror_dirty_keys") == 0

        wait_until("every object is mirrored", is_mirrored, MIRRORED_WITHIN_SECONDS)

    def sign(self, key):
        return self.s3.generate_presigned_url("get_object", {"Bucket": "photos", "Key": key}, 3600)

    def kill_primary(self):
        self.primary.send_signal(signal.SIGKILL)
        self.primary.wait()

    def stop(self):
        for process in (self.wharf, self.primary):
            if process.poll() is None:
                process.terminate()
                process.wait()


class Reads:
    """Many clients that read at once, each with a connection of its own."""

    def __init__(self, world, digests):
        self.digests = digests
        self.targets = {key: urllib.parse.urlsplit(world.sign(key)) for key in digests}
        self.lock = threading.Lock()
        self.left = GETS
        self.served = {}
        self.failures = []
        self.killed_at = None

    def run(self, kill):
        threads = [threading.Thread(target=self.client, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        while self.left > GETS // 2:
            time.sleep(0.001)
        self.killed_at = time.monotonic()
        kill()
        for thread in threads:
            thread.join()

    def client(self, number):
        keys = random.Random(number)
        names, connection = sorted(self.digests), None
        while self.take():
            key, began = keys.choice(names), time.monotonic()
            connection = connection or http.client.HTTPConnection(self.targets[key].netloc, timeout=60)
            try:
                problem = self.get(connection, key)
            except (OSError, http.client.HTTPException) as error:
                problem = repr(error)
            if problem:
                connection.close()
                connection = None
                with self.lock:
                    self.failures.append((began, key, problem))

    def take(self):
        with self.lock:
            self.left -= 1
            return self.left >= 0

    def get(self, connection, key):
        target = self.targets[key]
        connection.request("GET", f"{target.path}?{target.query}")
        reply = connection.getresponse()
        body = reply.read()
        if reply.status != 200:
            return f"{reply.status} {body[:300]!r}"
        if hashlib.sha256(body).digest() != self.digests[key]:
            return "other bytes"
        by = reply.headers.get("x-wharf-served-from", "the primary")
        with self.lock:
            self.served[by] = self.served.get(by, 0) + 1
        return None


def main():
    with tempfile.TemporaryDirectory() as folder:
        world = World(folder)
        try:
            digests = world.write()
            world.wait_until_mirrored()
            reads = Reads(world, digests)
            reads.run(world.kill_primary)
            report(reads)
            world.primary = world.start_primary()
            with check("failover: the primary serves again when it is back"):
                wait_until("the primary serves", lambda: is_back(world), UP_WITHIN_SECONDS * 3)
        finally:
            world.stop()
    finish()


def report(reads):
    served = ", ".join(f"{count} by {who}" for who, count in sorted(reads.served.items()))
    print(f"{GETS} GETs by {CLIENTS} clients: {served}, {len(reads.failures)} failed")
    with check(f"failover: no GET of {GETS} failed beyond those in flight"):
        in_flight = [failure for failure in reads.failures if failure[0] <= reads.killed_at]
        others = [failure for failure in reads.failures if failure[0] > reads.killed_at]
        assert not others, f"{len(others)} failed that began after the primary was killed: {others[:3]}"
        assert len(in_flight) <= CLIENTS, in_flight[:3]
        assert not any(problem == "other bytes" for _, _, problem in reads.failures), reads.failures
    with check("failover: the primary served before, and the mirror afterwards"):
        assert reads.served.get("the primary", 0) >= GETS // 3, reads.served
        assert reads.served.get("spare", 0) >= GETS // 3, reads.served


def is_back(world):
    reply = world.s3.get_object(Bucket="photos", Key="object 0")
    return "x-wharf-served-from" not in reply["ResponseMetadata"]["HTTPHeaders"]


if __name__ == "__main__":
    main()
