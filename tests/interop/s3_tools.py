"""The S3 clients that exist, each as the commands that its users type.

A command is a list of words in which `{file}`, `{key}` and the like are filled in. What a client cannot do, it has no
command for. All of them get the same environment: the endpoint, Wharf's keys, and no configuration of the user's.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from report import setting

HERE = Path(__file__).parent
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Tool:
    """A client: its commands by what they do, and what it needs in its environment."""

    name: str
    program: str
    commands: dict
    environment: dict = field(default_factory=dict)
    # How a folder is synchronised, verified and removed, for those that can.
    folder: dict = field(default_factory=dict)
    # A command that fails where the client cannot work.
    works: list = field(default_factory=lambda: ["true"])
    # Stores on which it fails without Wharf, too.
    fails_straight_to: tuple = ()

    def missing(self, store):
        """Why this client cannot be had on this machine, or nothing."""
        if store.name in self.fails_straight_to:
            return f"it does not work straight to {store.name} either"
        if not shutil.which(self.program) or subprocess.run(self.works, check=False).returncode != 0:
            return f"{self.program} is not installed, or may not do what it must"
        return None

    def run(self, command, **words):
        """Runs one command and returns what it prints; fails with what it says when it fails."""
        words |= {"program": self.program}
        line = [word.format(**words) for word in command]
        environment = {name: value.format(**words) for name, value in (ENVIRONMENT | self.environment).items()}
        run = subprocess.run(
            line,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"} | environment,
        )
        if run.returncode != 0:
            said = " ".join((run.stderr + run.stdout).split())
            raise AssertionError(f"`{' '.join(line[1:4])}` ended with {run.returncode}: {said[:200]} … {said[-200:]}")
        return run.stdout


# What every command finds: a home of its own, Wharf's keys, and the certificate to trust.
ENVIRONMENT = {
    "HOME": "{home}",
    "AWS_ACCESS_KEY_ID": setting("INTEROP_S3_KEY"),
    "AWS_SECRET_ACCESS_KEY": setting("INTEROP_S3_SECRET"),
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "{home}/config",
    "AWS_EC2_METADATA_DISABLED": "true",
    "NODE_EXTRA_CA_CERTS": setting("INTEROP_CA"),
    "SSL_CERT_FILE": setting("INTEROP_CA"),
    "INTEROP_ENDPOINT": "{endpoint}",
}
# The AWS SDKs' own way to say which certificates to trust. rclone 1.60 fails when it finds it.
TRUSTED = {"AWS_CA_BUNDLE": setting("INTEROP_CA")}


def aws_cli(name, program):
    aws = ["{program}", "--endpoint-url", "{endpoint}", "s3"]
    quiet = [*aws, "cp", "--no-progress"]
    # It presigns with version 2 of the signature unless told otherwise.
    configure = ["{program}", "configure", "set", "default.s3.signature_version", "s3v4"]
    return Tool(
        name,
        program,
        {
            "configure": configure,
            "put": [*quiet, "{file}", "s3://{bucket}/{key}"],
            "get": [*quiet, "s3://{bucket}/{key}", "{file}"],
            "list": [*aws, "ls", "--recursive", "s3://{bucket}/{prefix}"],
            "copy": [*quiet, "s3://{bucket}/{key}", "s3://{bucket}/{target}"],
            "presign": [*aws, "presign", "s3://{bucket}/{key}"],
            "delete": [*aws, "rm", "s3://{bucket}/{key}"],
        },
        TRUSTED,
        folder={
            "sync": [*aws, "sync", "{folder}", "s3://{bucket}/{prefix}"],
            "purge": [*aws, "rm", "--recursive", "s3://{bucket}/{prefix}"],
        },
    )


def rclone(name, program):
    base = ["{program}", "--retries", "1", "--ca-cert", setting("INTEROP_CA"), "--config", "{home}/rclone.conf"]
    base += ["--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M", "--s3-copy-cutoff", "6M"]
    return Tool(
        name,
        program,
        {
            "put": [*base, "copyto", "{file}", "wharf:{bucket}/{key}"],
            "get": [*base, "copyto", "wharf:{bucket}/{key}", "{file}"],
            "list": [*base, "lsf", "--recursive", "--files-only", "wharf:{bucket}/{prefix}"],
            "copy": [*base, "copyto", "wharf:{bucket}/{key}", "wharf:{bucket}/{target}"],
            "presign": [*base, "link", "--expire", "10m", "wharf:{bucket}/{key}"],
            "delete": [*base, "deletefile", "wharf:{bucket}/{key}"],
        },
        {
            "RCLONE_CONFIG_WHARF_TYPE": "s3",
            "RCLONE_CONFIG_WHARF_PROVIDER": "Other",
            "RCLONE_CONFIG_WHARF_ENV_AUTH": "true",
            "RCLONE_CONFIG_WHARF_ENDPOINT": "{endpoint}",
        },
        folder={
            "sync": [*base, "sync", "{folder}", "wharf:{bucket}/{prefix}"],
            "check": [*base, "check", "--download", "{folder}", "wharf:{bucket}/{prefix}"],
            "purge": [*base, "purge", "wharf:{bucket}/{prefix}"],
        },
    )


def s3cmd(name, program):
    base = ["{program}", "--config={home}/s3cfg", "--host={authority}", "--host-bucket={authority}", "--region=us-east-1"]
    base += ["--{tls}", f"--ca-certs={setting('INTEROP_CA')}", "--no-progress", "--multipart-chunk-size-mb=5"]
    return Tool(
        name,
        program,
        {
            "put": [*base, "put", "{file}", "s3://{bucket}/{key}"],
            "get": [*base, "get", "--force", "s3://{bucket}/{key}", "{file}"],
            "list": [*base, "ls", "--recursive", "s3://{bucket}/{prefix}"],
            "copy": [*base, "cp", "s3://{bucket}/{key}", "s3://{bucket}/{target}"],
            "delete": [*base, "del", "s3://{bucket}/{key}"],
        },
        folder={
            "sync": [*base, "sync", "{folder}/", "s3://{bucket}/{prefix}/"],
            "purge": [*base, "del", "--recursive", "--force", "s3://{bucket}/{prefix}"],
        },
    )


def s5cmd(name, program):
    base = ["{program}", "--endpoint-url", "{endpoint}"]
    parts = ["--part-size", "5"]
    return Tool(
        name,
        program,
        {
            "put": [*base, "cp", *parts, "{file}", "s3://{bucket}/{key}"],
            "get": [*base, "cp", *parts, "s3://{bucket}/{key}", "{file}"],
            "list": [*base, "ls", "s3://{bucket}/{prefix}/*"],
            "copy": [*base, "cp", "s3://{bucket}/{key}", "s3://{bucket}/{target}"],
            "presign": [*base, "presign", "--expire", "10m", "s3://{bucket}/{key}"],
            "delete": [*base, "rm", "s3://{bucket}/{key}"],
        },
        TRUSTED,
        folder={
            "sync": [*base, "sync", "{folder}/", "s3://{bucket}/{prefix}/"],
            "purge": [*base, "rm", "s3://{bucket}/{prefix}/*"],
        },
    )


def script(name, program, *arguments):
    """A library, behind a small program of ours that has one verb for each thing to do."""
    base = ["{program}", *map(str, arguments)]
    commands = {
        "put": [*base, "put", "{bucket}", "{key}", "{file}"],
        "get": [*base, "get", "{bucket}", "{key}", "{file}"],
        "list": [*base, "list", "{bucket}", "{prefix}"],
        "copy": [*base, "copy", "{bucket}", "{key}", "{target}"],
        "presign": [*base, "presign", "{bucket}", "{key}"],
        "presign-put": [*base, "presign-put", "{bucket}", "{key}"],
        "delete": [*base, "delete", "{bucket}", "{key}"],
    }
    return Tool(name, program, commands, TRUSTED)


def s3fs():
    """A bucket as a folder: the one client here that lists, describes and renames on its own account."""
    mount = script("s3fs 1.90", "bash", HERE / "s3_mount.sh")
    commands = {verb: mount.commands[verb] for verb in ("put", "get", "list", "copy", "delete")}
    works = ["bash", str(HERE / "s3_mount.sh"), "works"]
    trusted = {"CURL_CA_BUNDLE": setting("INTEROP_CA")}
    return replace(mount, commands=commands, environment=trusted, works=works, fails_straight_to=("rclone",))


# Who fails to copy straight to rclone, too: its answer is one that s3cmd cannot read, and it takes a copy of a part for an
# upload of nothing.
RCLONE_CANNOT_COPY = {False: ("s3cmd",), True: ("s3cmd", "aws cli", "rclone", "boto3's transfer manager")}


def why_no_copy(tool, store, is_large):
    """Why a client cannot copy an object, or nothing."""
    if store.name == "rclone" and tool.name.startswith(RCLONE_CANNOT_COPY[is_large]):
        return "it does not work straight to rclone either"
    if tool.name == "minio-js" and not is_large:
        return "it leaves the plus of a copy's source as it is, which S3 takes for a space"
    return None


def tools():
    python, javascript = HERE / "s3_boto3.py", HERE / "s3_javascript.mjs"
    return [
        aws_cli("aws cli 2.9", "/usr/bin/aws"),
        aws_cli("aws cli 1.46", setting("INTEROP_AWS")),
        rclone("rclone 1.60", "/usr/bin/rclone"),
        rclone("rclone 1.75", setting("INTEROP_RCLONE")),
        s3cmd("s3cmd 2.4", setting("INTEROP_S3CMD")),
        s5cmd("s5cmd 2.3", setting("INTEROP_S5CMD")),
        script("boto3", sys.executable, python, "object"),
        script("boto3's transfer manager", sys.executable, python, "transfer"),
        script("aws-sdk-js with buffers", "node", javascript, "buffer"),
        script("aws-sdk-js with streams", "node", javascript, "stream"),
        script("aws-sdk-js lib-storage", "node", javascript, "storage"),
        # It begins no upload of parts at rclone, whose answer has another root than S3's.
        replace(script("minio-js", "node", javascript, "minio"), fails_straight_to=("rclone",)),
        s3fs(),
    ]
