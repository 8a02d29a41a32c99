"""One way to a bucket, and what its replies say, written down in words that are the same on every way: ids are numbered in
their order, dates are dates, and what is each machine's own is left out."""

import hashlib
import http.client
import re
import socket
import threading
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

TIMEOUT_SECONDS = 60

# Headers that are each machine's own, and say nothing about the object or the operation.
OWN_HEADERS = re.compile(
    # Its clock, its name, its connection, its ids, and what it lets a browser see.
    "date|server|connection|keep-alive|transfer-encoding|vary|x-amz-request-id|x-amz-id-2|access-control-.*"
    # Where it is: Wharf says its own region.
    "|x-amz-bucket-region"
    # What Wharf says of its limits, and what it does not pass on because it is not S3's.
    "|ratelimit.*|retry-after|x-request-id|x-content-type-options|seaweed-x-amz-.*|x-amz-tagging-[a-z].*|x-rgw-.*"
    # What rclone repeats of the request that wrote the object.
    "|x-amz-content-sha256|x-amz-date|x-amz-sdk-checksum-algorithm|content-md5|x-amz-tagging|x-amz-acl"
    "|x-amz-server-side-encryption-customer-key|x-amz-decoded-content-length|x-amz-trailer|mtime"
    "|x-amz-copy-source|x-amz-copy-source-if-.*|x-amz-metadata-directive|x-amz-tagging-directive"
    # Names the store's bucket and key.
    "|x-amz-server-side-encryption-context"
)

# Elements that are each machine's own.
OWN_ELEMENTS = {
    "RequestId": "each machine counts for itself",
    "HostId": "each machine counts for itself",
    "Location": "the object's URL is another one on every way",
    "Message": "prose, in which stores name themselves; programs read the code",
}
# The same as their absence.
SAY_NOTHING = [[name, ""] for name in ("StartAfter", "Marker", "KeyMarker")]
IDS = {"UploadId", "VersionId", "NextVersionIdMarker", "VersionIdMarker", "NextUploadIdMarker", "UploadIdMarker"}
IDS |= {"DeleteMarkerVersionId", "CopySourceVersionId"}
TOKENS = {"ContinuationToken", "NextContinuationToken"}
DATES = {"LastModified", "Initiated", "CreationDate"}
ID_HEADERS = {"x-amz-version-id", "x-amz-copy-source-version-id"}
DATE_HEADERS = {"last-modified", "x-amz-abort-date", "x-amz-meta-mtime"}


@dataclass(frozen=True)
class Way:
    """Where requests are sent, with whose keys, and what the bucket is called there."""

    name: str
    endpoint: str
    access_key: str
    secret_key: str
    bucket: str
    style: str = "path"

    def connect(self):
        """A client that keeps each reply's document beside what botocore makes of it, which forgives much."""
        config = Config(
            signature_version="s3v4",
            retries={"total_max_attempts": 1},
            s3={"addressing_style": self.style},
            read_timeout=TIMEOUT_SECONDS,
            parameter_validation=False,
        )
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=config,
        )

        def remember(http_response, model, **_):
            client.last.document = None if model.has_streaming_output else http_response.content

        # Of each thread that shares the client.
        client.last = threading.local()
        client.meta.events.register("after-call.s3.*", remember)
        return client


@dataclass
class Side:
    """One run of one case."""

    way: Way
    client: object
    # What stands before all keys of the case.
    folder: str
    records: list = field(default_factory=list)
    numbers: dict = field(default_factory=dict)

    def key(self, name=""):
        """A key that no other case has."""
        return f"{self.folder}/{name}"

    def ask(self, operation, **parameters):
        """One call of the case's bucket, written down. Gives what botocore made of the reply: nothing, after an error."""
        return self.account(operation, **{"Bucket": self.way.bucket} | parameters)

    def account(self, operation, **parameters):
        """The same for a call that is about no bucket."""
        record = {"asked": operation}
        self.records.append(record)
        try:
            reply = getattr(self.client, operation)(**parameters)
            body = reply["Body"].read() if hasattr(reply.get("Body"), "read") else None
        except ClientError as error:
            meta = error.response["ResponseMetadata"]
            record |= {"status": meta["HTTPStatusCode"], "code": error.response["Error"]["Code"]}
            record |= self.headers(meta["HTTPHeaders"], is_object=False)
            return {}
        except BotoCoreError as error:
            record["unreadable"] = type(error).__name__
            return {}
        meta = reply["ResponseMetadata"]
        record["status"] = meta["HTTPStatusCode"]
        record |= self.headers(meta["HTTPHeaders"], operation in ("get_object", "head_object"))
        record |= {"bytes": digest(body)} if body is not None else self.document(self.client.last.document)
        return reply | {"Body": body}

    def raw(self, method, key="", query="", headers=None, body=b""):
        """One request as it is written here, for what no SDK would send. Gives status and body."""
        path = f"/{self.way.bucket}/{quote(key, safe='/-_.~')}" if key else f"/{self.way.bucket}"
        url = self.way.endpoint + path + (f"?{query}" if query else "")
        request = AWSRequest(method, url, data=body, headers=headers or {})
        S3SigV4Auth(Credentials(self.way.access_key, self.way.secret_key), "s3", "us-east-1").add_auth(request)
        return self.send(method, url, dict(request.prepare().headers), body)

    def presigned(self, verb, operation, body=None, headers=None, **parameters):
        """One request with a URL that botocore signs, by a client that knows no S3."""
        parameters = {"Bucket": self.way.bucket} | parameters
        url = self.client.generate_presigned_url(operation, Params=parameters, ExpiresIn=300)
        return self.send(verb, url, headers or {}, body)

    def send(self, method, url, headers, body):
        """Sends bytes as they are: libraries above this one tidy paths up."""
        where = urlsplit(url)
        connection = http.client.HTTPConnection(where.netloc, timeout=TIMEOUT_SECONDS)
        connection.request(method, url.removeprefix(f"http://{where.netloc}"), body, headers)
        reply = connection.getresponse()
        received = reply.read()
        connection.close()
        record = {"asked": method, "status": reply.status}
        is_object = reply.status < 300 and b"<?xml" not in received[:5]
        record |= self.headers({name.lower(): value for name, value in reply.getheaders()}, is_object)
        record |= {"bytes": digest(received)} if is_object else self.document(received)
        self.records.append(record)
        return reply.status, received

    def headers(self, headers, is_object):
        """What a client can rely on. The length and type of a document follow from the document."""
        dropped = () if is_object else ("content-length", "content-type", "accept-ranges")
        return {
            name: self.header(name, value)
            for name, value in headers.items()
            if name not in dropped and not OWN_HEADERS.fullmatch(name)
        }

    def header(self, name, value):
        if name in ID_HEADERS:
            return self.number(value)
        if name in DATE_HEADERS:
            return "a date"
        return self.text(value)

    def number(self, value):
        """An id, by the order in which this run met it."""
        if value in ("", "null"):
            return value
        return f"#{self.numbers.setdefault(value, len(self.numbers) + 1)}"

    def text(self, value):
        return value.replace(self.way.bucket, "BUCKET")

    def document(self, received):
        if not received:
            return {}
        try:
            root = ElementTree.fromstring(received)
        except ElementTree.ParseError:
            # A key with a control character cannot stand in XML, and stands there without encoding-type all the same.
            return {"document": "no XML"}
        if root.tag == "Error":
            return {"code": root.findtext("Code")}
        return {"document": self.element(root)}

    def element(self, element):
        """An element as a list: its name, and its text or its children."""
        name = element.tag.split("}")[-1]
        if len(element):
            children = [self.element(child) for child in element]
            if name == "DeleteResult":
                # Ceph deletes some at a time, and tells of them as they are done.
                children.sort(key=str)
            if name == "ListMultipartUploadsResult":
                # SeaweedFS lists them in the order of its own hashes of whole keys.
                children.sort(key=str)
            if name == "ListAllMyBucketsResult":
                # Whose they are: the account of each machine.
                children = [child for child in children if child[0] != "Owner"]
            if name == "Buckets":
                children = [child for child in children if ["Name", "BUCKET"] in child]
            return [name, *[child for child in children if child[0] not in OWN_ELEMENTS and child not in SAY_NOTHING]]
        text = element.text or ""
        if name in IDS:
            return [name, self.number(text)]
        if name in TOKENS:
            return [name, "a token" if text else ""]
        return [name, "a date" if name in DATES else self.text(text)]


def digest(body):
    return f"{len(body)} bytes, {hashlib.sha256(body).hexdigest()[:16]}"


def resolve_localhost():
    """Names below `localhost` are this machine; not every resolver knows."""
    system = socket.getaddrinfo

    def resolve(host, *arguments, **more):
        is_local = isinstance(host, str) and host.endswith(".localhost")
        return system("127.0.0.1" if is_local else host, *arguments, **more)

    socket.getaddrinfo = resolve
