"""Real S3 clients through Wharf, in front of three vendors' stores: what they put arrives byte for byte, without a trace of
how it travelled, and what they get, list, copy, presign and delete is what the store has.

The stores are asked by a client that has never met Wharf. One is reached over TLS and through a bucket that is a part of
the store's, the others over plain HTTP and through a bucket as it is: some clients' defaults depend on TLS."""

import hashlib
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from botocore.exceptions import ClientError

from report import check, equal, finish, setting, skip
from s3_stores import client_stores, noise
from s3_tools import tools, why_no_copy

AT_ONCE = 3
TIMEOUT_SECONDS = 30
WRITTEN = 1_600_000_000

# Characters that clients and gateways have encoded once too often, or once too little.
SMALL, BIG, EMPTY = "a b/ü+%41 (1)&=~.bin", "big.bin", "empty"
CONTENTS = {SMALL: noise(70_000, 1), BIG: noise(12 << 20, 2), EMPTY: b""}
FOLDER = {"one.txt": noise(10, 3), "sub folder/two+three.bin": noise(90_000, 4), "sub folder/ünï.bin": noise(6 << 20, 5)}


def digest(content):
    return len(content), hashlib.sha256(content).hexdigest()


def equal_bytes(actual, expected):
    equal(digest(actual), digest(expected))


class Journey:
    """One client, in front of one store, through one of Wharf's doors."""

    def __init__(self, tool, store, endpoint, home):
        self.tool, self.store, self.home = tool, store, Path(home)
        scheme, authority = endpoint.split("://")
        self.name = f"{tool.name}, {store.name} over {scheme}"
        self.below = f"{tool.name.replace(' ', '-')}-{scheme}"
        self.words = {
            "bucket": store.bucket,
            "endpoint": endpoint,
            "authority": authority,
            "tls": "ssl" if scheme == "https" else "no-ssl",
            "home": home,
        }
        (self.home / "rclone.conf").touch()
        (self.home / "s3cfg").write_text(
            f"access_key = {setting('INTEROP_S3_KEY')}\nsecret_key = {setting('INTEROP_S3_SECRET')}\n"
        )

    def run(self, verb, **words):
        commands = self.tool.commands | self.tool.folder
        return self.tool.run(commands[verb], **self.words, **words)

    def can(self, verb):
        return verb in self.tool.commands or verb in self.tool.folder

    def check(self, what):
        return check(f"{self.name}: {what}")

    def key(self, name):
        return f"{self.below}/{name}"

    def is_stored(self, name, content):
        """The store has these bytes, and does not take them for anything but what they are."""
        kept = self.store.stored(self.key(name))
        equal_bytes(kept["Body"].read(), content)
        equal(kept.get("ContentEncoding", ""), "")

    def objects(self):
        """Every verb, on objects that are small, large and empty."""
        if self.can("configure"):
            self.run("configure")
        for name, content in CONTENTS.items():
            file = self.home / "sent"
            file.write_bytes(content)
            with self.check(f"put {name}, {len(content)} bytes"):
                self.run("put", file=file, key=self.key(name))
                self.is_stored(name, content)
            with self.check(f"get {name}"):
                received = self.home / "received"
                self.run("get", file=received, key=self.key(name))
                equal_bytes(received.read_bytes(), content)
        with self.check("list"):
            listed = self.run("list", prefix=self.below)
            equal([name for name in CONTENTS if Path(name).name not in listed], [])
            equal(len(listed.splitlines()), len(CONTENTS))
        for name in (SMALL, BIG):
            if reason := why_no_copy(self.tool, self.store, name == BIG):
                skip(f"{self.name}: copy {name}", reason)
                continue
            with self.check(f"copy {name}"):
                self.run("copy", key=self.key(name), target=self.key(f"copy of/{name}"))
                self.is_stored(f"copy of/{name}", CONTENTS[name])
        self.presign()
        with self.check("delete"):
            for name in CONTENTS:
                self.run("delete", key=self.key(name))
            equal(self.store.keys(f"{self.below}/") & {self.key(name) for name in CONTENTS}, set())

    def presign(self):
        verify = setting("INTEROP_CA")
        if self.can("presign"):
            with self.check("presigned GET"):
                url = self.run("presign", key=self.key(SMALL)).strip()
                answer = requests.get(url, timeout=TIMEOUT_SECONDS, verify=verify)
                equal(answer.status_code, 200)
                equal_bytes(answer.content, CONTENTS[SMALL])
        if self.can("presign-put"):
            with self.check("presigned PUT"):
                url = self.run("presign-put", key=self.key("presigned +.bin")).strip()
                answer = requests.put(url, data=CONTENTS[SMALL], timeout=TIMEOUT_SECONDS, verify=verify)
                equal(answer.status_code, 200)
                self.is_stored("presigned +.bin", CONTENTS[SMALL])

    def folder(self):
        """What synchronising clients do with a folder: send it, see that it is there, and remove it."""
        folder = self.home / "folder"
        for name, content in FOLDER.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
            # Some clients send again what is not older than the object, to the second.
            os.utime(folder / name, (WRITTEN, WRITTEN))
        where = {"folder": folder, "prefix": self.key("folder")}
        with self.check("sync a folder"):
            self.run("sync", **where)
            for name, content in FOLDER.items():
                self.is_stored(f"folder/{name}", content)
        with self.check("sync it again: nothing is sent"):
            sent = self.stamps()
            self.run("sync", **where)
            equal(self.stamps(), sent)
        if self.can("check"):
            with self.check("check the folder against the bucket"):
                self.run("check", **where)
        with self.check("purge the folder"):
            self.run("purge", **where)
            equal(self.store.keys(f"{self.key('folder')}/"), set())

    def stamps(self):
        """When each object of the folder was written."""
        return {name: self.store.stored(self.key(f"folder/{name}"))["LastModified"] for name in FOLDER}

    def go(self):
        self.objects()
        if self.tool.folder:
            self.folder()


def journey(tool, store, endpoint):
    reason = tool.missing(store)
    if reason:
        skip(f"{tool.name}, {store.name}", reason)
        return
    with tempfile.TemporaryDirectory() as home:
        Journey(tool, store, endpoint, home).go()


def journeys(wanted):
    """A client over TLS to one store, and over plain HTTP to the others."""
    plain, tls = setting("INTEROP_S3"), setting("INTEROP_S3_TLS")
    part, *wholes = client_stores()
    for store in (part, *wholes):
        store.empty()
    for tool in tools():
        if wanted in tool.name:
            yield tool, part, tls
            for whole in wholes:
                yield tool, whole, plain


with ThreadPoolExecutor(AT_ONCE) as pool:
    for done in [pool.submit(journey, *each) for each in journeys(sys.argv[1] if len(sys.argv) > 1 else "")]:
        done.result()
finish()
