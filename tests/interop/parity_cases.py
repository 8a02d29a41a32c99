"""The table of parity.py: what is asked of both sides. A case asks under keys of its own, so cases can run at once; those
that change a bucket itself say that they must be alone."""

import base64
import gzip
import hashlib
import zlib
from dataclasses import dataclass
from typing import Callable
from unicodedata import normalize
from urllib.parse import quote

WHOLE, PART, NAMED = "a bucket", "part of a bucket", "virtual host"
BOTH = (WHOLE, PART)
EVERY = (WHOLE, PART, NAMED)
CASES = []

TEXT = b"The quick brown fox jumps over the lazy dog. " * 40
PART_BYTES = 5 << 20
BIG = bytes(range(256)) * (PART_BYTES // 256)
KEY_BYTES_MAX = 1024
MISSING = "never written"

# What differs on purpose: way, what, the store's, Wharf's, and the reason. `None` is any.
MEANT = [
    (None, "code", "BadDigest", "InvalidDigest", "S3's own code for a Content-MD5 that is none, which Wharf sees first"),
    (
        None,
        "document",
        ["CreateBucketConfiguration", ["LocationConstraint", ""]],
        ["LocationConstraint", ""],
        "S3's answer to GetBucketLocation has the location as its root",
    ),
    (
        None,
        "document",
        ["LocationConstraint", "default"],
        ["LocationConstraint", ""],
        "Ceph says its own zone group, and Wharf its own region, for which clients sign",
    ),
]


@dataclass(frozen=True)
class Case:
    name: str
    run: Callable
    ways: tuple
    alone: bool
    # Stores that take the requests for others, and do something else.
    mistaken: tuple

    @property
    def folder(self):
        return self.name.replace(" ", "-")


def case(name, ways=BOTH, alone=False, mistaken=()):
    """Enters a function into the table."""

    def enter(run):
        CASES.append(Case(name, run, ways, alone, mistaken))
        return run

    return enter


def is_meant(way, what, its, mine):
    return any(
        (on in (None, way)) and rule_what == what and theirs in (None, its) and ours in (None, mine)
        for on, rule_what, theirs, ours, _reason in MEANT
    )


def put(side, name, body=TEXT, **more):
    side.ask("put_object", Key=side.key(name), Body=body, **more)
    return side.key(name)


# --- Objects ------------------------------------------------------------------------------------------------------------


@case("put, get, head, delete", EVERY)
def whole(side):
    for name, body in (("text", TEXT), ("empty", b""), ("one byte", b"x")):
        key = put(side, name, body)
        for verb in ("get_object", "head_object", "delete_object", "get_object", "head_object", "delete_object"):
            side.ask(verb, Key=key)


@case("describing headers", EVERY)
def describing(side):
    described = {
        "CacheControl": "max-age=60, public",
        "ContentDisposition": "attachment; filename=\"a b.txt\"; filename*=UTF-8''%C3%BC.txt",
        "ContentEncoding": "gzip",
        "ContentLanguage": "de, en",
        "ContentType": "text/plain; charset=utf-8",
        "Expires": "Wed, 21 Oct 2037 07:28:00 GMT",
        "Metadata": {"one": "1", "two-words": "a  b", "tilde": "~!@#$%^&*()", "Case": "Kept?"},
        "WebsiteRedirectLocation": "/elsewhere",
    }
    for name, value in described.items():
        key = put(side, name, **{name: value})
        side.ask("head_object", Key=key)
    key = put(side, "all", gzip.compress(TEXT, mtime=0), **described)
    side.ask("get_object", Key=key)


@case("content encodings beside aws-chunked")
def encodings(side):
    for number, encoding in enumerate(("gzip", "gzip, br", "identity", "zstd,gzip")):
        side.ask("head_object", Key=put(side, str(number), ContentEncoding=encoding))


@case("storage classes and encryption")
def classes(side):
    for number, more in enumerate(
        (
            {"StorageClass": "STANDARD"},
            {"StorageClass": "STANDARD_IA"},
            {"StorageClass": "NO_SUCH_CLASS"},
            {"ServerSideEncryption": "AES256"},
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "parity-key"},
            {"ServerSideEncryption": "nonsense"},
        )
    ):
        key = put(side, str(number), **more)
        side.ask("head_object", Key=key)
        side.ask("get_object", Key=key)


@case("encryption with a customer's key")
def customer_key(side):
    secret = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32}
    key = put(side, "sealed", **secret)
    side.ask("get_object", Key=key, **secret)
    side.ask("head_object", Key=key, **secret)
    side.ask("get_object", Key=key, Range="bytes=3-9", **secret)
    side.ask("get_object", Key=key)
    side.ask("get_object", Key=key, SSECustomerAlgorithm="AES256", SSECustomerKey=b"w" * 32)


@case("ranges")
def ranges(side):
    key, size = put(side, "text"), len(TEXT)
    asked = ("0-0", "0-9", "5-", "-5", f"{size - 1}-", f"{size - 1}-{size + 9}", f"-{size + 9}", f"{size}-", "9-5", "-0")
    for asked_range in [f"bytes={value}" for value in asked] + ["bytes=0-1,4-5", "lines=1-2", "bytes=x"]:
        side.ask("get_object", Key=key, Range=asked_range)
        side.ask("head_object", Key=key, Range=asked_range)
    side.ask("get_object", Key=put(side, "empty", b""), Range="bytes=0-")


@case("conditional reads")
def conditional_reads(side):
    key = put(side, "text")
    tag, other = f'"{hashlib.md5(TEXT).hexdigest()}"', '"0123456789abcdef0123456789abcdef"'
    past, future = "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2037 07:28:00 GMT"
    conditions = [
        {"IfMatch": tag},
        {"IfMatch": tag.strip('"')},
        {"IfMatch": other},
        {"IfMatch": "*"},
        {"IfNoneMatch": tag},
        {"IfNoneMatch": other},
        {"IfNoneMatch": f"{other}, {tag}"},
        {"IfNoneMatch": "*"},
        {"IfModifiedSince": past},
        {"IfModifiedSince": future},
        {"IfUnmodifiedSince": past},
        {"IfUnmodifiedSince": future},
        {"IfMatch": tag, "IfUnmodifiedSince": past},
        {"IfNoneMatch": other, "IfModifiedSince": future},
    ]
    for condition in conditions:
        side.ask("get_object", Key=key, **condition)
        side.ask("head_object", Key=key, **condition)


@case("conditional writes")
def conditional_writes(side):
    for number, condition in enumerate(({"IfNoneMatch": "*"}, {"IfMatch": '"0123456789abcdef0123456789abcdef"'})):
        for _ in range(2):
            side.ask("get_object", Key=put(side, str(number), **condition))
    key = put(side, "there")
    side.ask("put_object", Key=key, Body=b"new", IfMatch=f'"{hashlib.md5(TEXT).hexdigest()}"')
    side.ask("put_object", Key=key, Body=b"old", IfMatch=f'"{hashlib.md5(TEXT).hexdigest()}"')
    side.ask("get_object", Key=key)
    side.ask("delete_object", Key=key, IfMatch='"0123456789abcdef0123456789abcdef"')


@case("overrides of the reply")
def overrides(side):
    key = put(side, "text", ContentType="text/plain")
    chosen = {
        "ResponseCacheControl": "no-store",
        "ResponseContentDisposition": 'attachment; filename="ü +&.txt"',
        "ResponseContentEncoding": "identity",
        "ResponseContentLanguage": "fr",
        "ResponseContentType": "text/x-parity; a=b",
        "ResponseExpires": "Wed, 21 Oct 2037 07:28:00 GMT",
    }
    for name, value in chosen.items():
        value = value.encode("ascii", "ignore").decode()
        side.ask("get_object", Key=key, **{name: value})
        side.ask("head_object", Key=key, **{name: value})
    side.presigned("GET", "get_object", Key=key, ResponseContentType="a/b", ResponseContentDisposition="inline; filename=x")


@case("Content-MD5")
def content_md5(side):
    for number, body in enumerate((TEXT, b"other")):
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        side.raw("PUT", side.key(str(number)), headers={"Content-MD5": md5}, body=TEXT)
        side.ask("get_object", Key=side.key(str(number)))
    side.raw("PUT", side.key("broken"), headers={"Content-MD5": "bm8="}, body=TEXT)


@case("checksums")
def checksums(side):
    for algorithm in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
        if algorithm in ("CRC32", "SHA1", "SHA256"):
            key = put(side, algorithm, ChecksumAlgorithm=algorithm)
        else:
            value = {"CRC32C": "4waSgw==", "CRC64NVME": "rosUhgp5mIg="}[algorithm]
            key = put(side, algorithm, b"123456789", **{f"Checksum{algorithm}": value})
        side.ask("get_object", Key=key, ChecksumMode="ENABLED")
        side.ask("head_object", Key=key, ChecksumMode="ENABLED")
        side.ask("head_object", Key=key)


# Neither looks whether it got what was sent.
@case("wrong checksums", mistaken=("rclone", "Ceph"))
def wrong_checksums(side):
    wrong = base64.b64encode(zlib.crc32(b"other").to_bytes(4)).decode()
    side.ask("get_object", Key=put(side, "wrong", ChecksumCRC32=wrong))


@case("attributes")
def attributes(side):
    key = put(side, "text", ChecksumAlgorithm="SHA256")
    every = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    side.ask("get_object_attributes", Key=key, ObjectAttributes=every)
    side.ask("get_object_attributes", Key=key, ObjectAttributes=["ObjectSize"])
    side.ask("get_object_attributes", Key=side.key(MISSING), ObjectAttributes=every)


# rclone takes a tagging for the object itself, and what it sends for an overwrite.
@case("tags of an object", mistaken=("rclone",))
def tags(side):
    key = put(side, "text", Tagging="a=1&b%20c=%C3%BC%2B")
    side.ask("get_object_tagging", Key=key)
    side.ask("head_object", Key=key)
    tag_set = [{"Key": "k", "Value": "v <&> ü"}, {"Key": "empty", "Value": ""}]
    for verb, more in (
        ("put_object_tagging", {"Tagging": {"TagSet": tag_set}}),
        ("get_object_tagging", {}),
        ("delete_object_tagging", {}),
        ("get_object_tagging", {}),
        ("put_object_tagging", {"Tagging": {"TagSet": [{"Key": str(n), "Value": "v"} for n in range(11)]}}),
    ):
        side.ask(verb, Key=key, **more)
    side.ask("get_object_tagging", Key=side.key(MISSING))
    put(side, "bad tags", Tagging="a=1&a=2")


@case("access control lists of an object")
def access(side):
    for acl in ("private", "public-read", "bucket-owner-full-control", "no-such-acl"):
        key = put(side, acl, ACL=acl)
        side.ask("get_object_acl", Key=key)
    side.ask("put_object_acl", Key=key, ACL="private")
    side.ask("get_object_acl", Key=side.key(MISSING))


@case("retention and legal hold")
def locks(side):
    key = put(side, "text")
    for verb, more in (
        ("get_object_retention", {}),
        ("get_object_legal_hold", {}),
        ("put_object_legal_hold", {"LegalHold": {"Status": "ON"}}),
        ("put_object_retention", {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": "2037-10-21T00:00:00Z"}}),
    ):
        side.ask(verb, Key=key, **more)


@case("what is not there")
def missing(side):
    for verb in ("get_object", "head_object", "delete_object", "get_object_acl", "delete_object_tagging"):
        side.ask(verb, Key=side.key(MISSING))
    side.ask("get_object", Key=side.key(MISSING), VersionId="no-such-version")
    side.ask("list_parts", Key=side.key(MISSING), UploadId="no-such-upload")
    side.ask("abort_multipart_upload", Key=side.key(MISSING), UploadId="no-such-upload")
    side.ask("upload_part", Key=side.key(MISSING), UploadId="no-such-upload", PartNumber=1, Body=b"x")


@case("restore")
def restore(side):
    side.ask("restore_object", Key=put(side, "text"), RestoreRequest={"Days": 1})


# --- Presigned ----------------------------------------------------------------------------------------------------------


@case("presigned URLs", EVERY)
def presigned(side):
    key = side.key("a b+c/ü%41.txt")
    side.presigned("PUT", "put_object", TEXT, Key=key)
    side.presigned("PUT", "put_object", b"typed", {"Content-Type": "a/b"}, Key=side.key("typed"), ContentType="a/b")
    side.presigned("GET", "get_object", Key=key)
    side.presigned("GET", "get_object", headers={"Range": "bytes=2-5"}, Key=key)
    side.presigned("HEAD", "head_object", Key=key)
    side.presigned("GET", "list_objects_v2", Prefix=side.key(), EncodingType="url")
    side.presigned("DELETE", "delete_object", Key=key)
    side.presigned("GET", "get_object", Key=key)


# --- Keys ---------------------------------------------------------------------------------------------------------------

ODD_KEYS = {
    "spaces": " two  spaces ",
    "plus": "a+b c%20d%2Bd",
    "escaped slash": "a%2Fb",
    "two slashes": "a//b",
    "dots": "a/../b/./c",
    "only dots": "..",
    "emoji": "\N{ROCKET}\N{FAMILY}\u200d\N{GIRL}",
    "NFC": normalize("NFC", "u\u0308n\u0303 Ångström"),
    "NFD": normalize("NFD", "ün\u0303 Ångström"),
    "trailing slash": "folder/",
    "markup": "<a href=\"x\">&amp;'</a>",
    "marks": "!\"#$&'()*,:;=?@[\\]^_`{|}~-.",
    "query": "?versionId=1&acl",
    "tab and newline": "a\tb\nc",
    "control": "a\x01b\x1fc\x7f",
    "carriage return": "a\r\nb",
    "surrogates' neighbours": "\ud7ff\ue000\ufffd",
}


def odd_key(side, key):
    """Everything that names a key, for one key."""
    side.ask("put_object", Key=key, Body=TEXT)
    side.ask("head_object", Key=key)
    side.ask("get_object", Key=key)
    side.ask("get_object_tagging", Key=key)
    side.ask("list_objects_v2", Prefix=key)
    side.ask("list_objects", Prefix=side.key())
    side.ask("list_objects_v2", Prefix=side.key(), Delimiter="/")
    side.presigned("GET", "get_object", Key=key)
    side.ask("copy_object", Key=side.key("copy"), CopySource={"Bucket": side.way.bucket, "Key": key})
    side.ask("copy_object", Key=f"{key}-copy", CopySource={"Bucket": side.way.bucket, "Key": side.key("copy")})
    upload = side.ask("create_multipart_upload", Key=key)
    side.ask("list_multipart_uploads", Prefix=key)
    side.ask("abort_multipart_upload", Key=key, UploadId=upload["UploadId"])
    if "//" not in key:
        # SeaweedFS says now this and now that of such a key in a batch.
        side.ask("delete_objects", Delete={"Objects": [{"Key": f"{key}-copy"}]})
    side.ask("delete_object", Key=key)
    side.ask("list_objects_v2", Prefix=side.key())


for named, text in ODD_KEYS.items():
    # Below a prefix Wharf refuses what a store that keeps files could take for a way out.
    ways = (WHOLE, NAMED) if ".." in text else EVERY
    case(f"odd key, {named}", ways)(lambda side, text=text: odd_key(side, side.key(text)))


@case("odd key, as long as a key can be", (WHOLE, NAMED))
def longest(side):
    start = side.key("")
    room = KEY_BYTES_MAX - len(start) - len("-copy")
    # With slashes: stores that keep files have a bound on their names.
    folders = "ü" * 99 + "/"
    long = (folders * 10).encode()[:room].decode(errors="ignore")
    odd_key(side, start + long + "x" * (room - len(long.encode())))


@case("odd keys without encoding-type")
def unencoded(side):
    for name in ("a b+c", "ü", "<&>\"'", "100%", "a\tb"):
        put(side, name)
    side.raw("GET", query="list-type=2&prefix=" + quote(side.key(), safe=""))
    side.raw("GET", query="prefix=" + quote(side.key(), safe=""))
    side.raw("GET", query="versions&prefix=" + quote(side.key(), safe=""))


@case("a key with a control character, without and with encoding-type")
def control(side):
    put(side, "a\x01b")
    for more in ("", "&encoding-type=url"):
        side.raw("GET", query=f"list-type=2&prefix={quote(side.key(), safe='')}{more}")


# --- Lists --------------------------------------------------------------------------------------------------------------

TREE = ("a", "a b", "a+b", "b/1", "b/2", "b/c/3", "c/", "c/4", "d//5", "ü/6", "z")


def plant(side):
    for name in TREE:
        put(side, name, b"leaf")


@case("lists, versions 1 and 2", EVERY)
def lists(side):
    plant(side)
    for operation in ("list_objects_v2", "list_objects"):
        for prefix in ("", "a", "b", "b/", "b/c/", "c/", "d/", "ü", "no-such"):
            for delimiter in ("", "/", " ", "/c"):
                more = {"Delimiter": delimiter} if delimiter else {}
                side.ask(operation, Prefix=side.key(prefix), **more)


@case("lists, beyond a key")
def beyond(side):
    plant(side)
    for name in ("", "a", "a b", "b/", "b/1", "b/zzz", "ü/", "zzz"):
        side.ask("list_objects_v2", Prefix=side.key(), StartAfter=side.key(name))
        side.ask("list_objects_v2", Prefix=side.key(), StartAfter=side.key(name), Delimiter="/")
        side.ask("list_objects", Prefix=side.key(), Marker=side.key(name))
        side.ask("list_objects", Prefix=side.key(), Marker=side.key(name), Delimiter="/")


@case("lists, page by page", EVERY)
def pages(side):
    plant(side)
    for size in (1, 2, 3, 1000):
        for delimiter in ("", "/"):
            more = {"Prefix": side.key(), "MaxKeys": size} | ({"Delimiter": delimiter} if delimiter else {})
            token = {}
            for _ in range(len(TREE) + 1):
                reply = side.ask("list_objects_v2", **more, **token)
                if not reply.get("IsTruncated"):
                    break
                token = {"ContinuationToken": reply["NextContinuationToken"]}
            marker = {}
            for _ in range(len(TREE) + 1):
                reply = side.ask("list_objects", **more, **marker)
                if not reply.get("IsTruncated"):
                    break
                marker = {"Marker": reply.get("NextMarker") or reply["Contents"][-1]["Key"]}


@case("lists, of nothing and of wrong numbers")
def edges(side):
    plant(side)
    side.ask("list_objects_v2", Prefix=side.key(), MaxKeys=0)
    side.ask("list_objects", Prefix=side.key(), MaxKeys=0)
    side.ask("list_objects_v2", Prefix=side.key(), MaxKeys=5000)
    side.ask("list_objects_v2", Prefix=side.key(), FetchOwner=True)


@case("lists, below a whole bucket", alone=True)
def whole_bucket(side):
    plant(side)
    side.ask("list_objects_v2", MaxKeys=1000, Delimiter="/", Prefix="lists,-below")
    side.ask("list_objects_v2", StartAfter="lists,-below-a-whole-bucket/b/2", Prefix="lists,-below")


# --- Multipart ----------------------------------------------------------------------------------------------------------


def begin(side, name, **more):
    key = side.key(name)
    return {"Key": key, "UploadId": side.ask("create_multipart_upload", Key=key, **more)["UploadId"]}


def send(side, upload, bodies, **more):
    """Uploads parts, and gives what completes them."""
    parts = []
    for number, body in bodies.items():
        reply = side.ask("upload_part", **upload, PartNumber=number, Body=body, **more)
        names = [name for name in reply if name.startswith("Checksum") and name != "ChecksumType"]
        parts.append({"PartNumber": number, "ETag": reply["ETag"]} | {name: reply[name] for name in names})
    return {"Parts": parts}


@case("multipart, from beginning to end", EVERY)
def multipart(side):
    upload = begin(side, "big +ü.bin", ContentType="a/b", Metadata={"k": "v"}, CacheControl="no-store")
    parts = send(side, upload, {1: BIG, 2: BIG[::-1], 3: b"tail"})
    side.ask("list_parts", **upload)
    side.ask("complete_multipart_upload", **upload, MultipartUpload=parts)
    for verb in ("get_object", "head_object"):
        side.ask(verb, Key=upload["Key"])
        for number in (1, 3, 4):
            side.ask(verb, Key=upload["Key"], PartNumber=number)
    side.ask("get_object", Key=upload["Key"], Range=f"bytes={PART_BYTES - 2}-{PART_BYTES + 1}")
    side.ask("get_object_attributes", Key=upload["Key"], ObjectAttributes=["ObjectParts", "ObjectSize", "ETag"])
    side.ask("list_parts", **upload)


# No case for the checksum of a whole multipart object: the stores here are custom endpoints, to which Wharf promises none,
# since it drops the trailers in which clients send those of the parts. tests/it proves what is sent instead.


@case("multipart, mistakes")
def mistakes(side):
    upload = begin(side, "wrong")
    parts = send(side, upload, {1: b"too small", 2: b"tail"})
    for chosen in (
        {"Parts": [{"PartNumber": 1, "ETag": '"0123456789abcdef0123456789abcdef"'}]},
        {"Parts": [{"PartNumber": 7, "ETag": parts["Parts"][0]["ETag"]}]},
        {"Parts": parts["Parts"][::-1]},
    ):
        side.ask("complete_multipart_upload", **upload, MultipartUpload=chosen)
    side.ask("abort_multipart_upload", **upload)
    side.ask("list_parts", **upload)
    side.ask("complete_multipart_upload", **upload, MultipartUpload=parts)


@case("multipart, lists of parts page by page")
def part_pages(side):
    upload = begin(side, "parts")
    send(side, upload, {number: b"part" for number in (1, 2, 5, 9)})
    marker = 0
    for _ in range(5):
        reply = side.ask("list_parts", **upload, MaxParts=2, PartNumberMarker=marker)
        if not reply.get("IsTruncated"):
            break
        marker = reply["NextPartNumberMarker"]
    side.ask("abort_multipart_upload", **upload)


@case("multipart, lists of uploads")
def uploads(side):
    # Without pages: SeaweedFS makes them in the order of its own hashes of whole keys.
    begun = [begin(side, name) for name in ("a", "b/1", "b/2", "ü +c")]
    for more in (
        {},
        {"Delimiter": "/"},
        {"EncodingType": "url"},
    ):
        side.ask("list_multipart_uploads", Prefix=side.key(), **more)
    for upload in begun:
        side.ask("abort_multipart_upload", **upload)
    side.ask("list_multipart_uploads", Prefix=side.key())


@case("multipart, one upload's parts again and in disorder")
def disorder(side):
    upload = begin(side, "again")
    parts = send(side, upload, {2: b"tail", 1: BIG})["Parts"]
    send(side, upload, {1: BIG[::-1]})
    side.ask("complete_multipart_upload", **upload, MultipartUpload={"Parts": parts[::-1]})
    again = send(side, upload, {1: BIG[::-1]})["Parts"]
    side.ask("complete_multipart_upload", **upload, MultipartUpload={"Parts": again + parts[:1]})
    side.ask("get_object", Key=upload["Key"])


# --- Copies and deletes -------------------------------------------------------------------------------------------------


@case("copies", EVERY)
def copies(side):
    source = put(side, "from ü+", ContentType="a/b", Metadata={"k": "v"}, Tagging="a=1")
    where = {"Bucket": side.way.bucket, "Key": source}
    tag = f'"{hashlib.md5(TEXT).hexdigest()}"'
    for number, more in enumerate(
        (
            {},
            {"MetadataDirective": "REPLACE", "Metadata": {"n": "2"}, "ContentType": "c/d"},
            {"TaggingDirective": "REPLACE", "Tagging": "b=2"},
            {"CopySourceIfMatch": tag},
            {"CopySourceIfMatch": '"0123456789abcdef0123456789abcdef"'},
            {"CopySourceIfNoneMatch": tag},
            {"CopySourceIfModifiedSince": "Wed, 21 Oct 2015 07:28:00 GMT"},
            {"CopySourceIfUnmodifiedSince": "Wed, 21 Oct 2015 07:28:00 GMT"},
            {"StorageClass": "STANDARD_IA"},
        )
    ):
        side.ask("copy_object", Key=side.key(str(number)), CopySource=where, **more)
        side.ask("get_object", Key=side.key(str(number)))
        side.ask("get_object_tagging", Key=side.key(str(number)))
    side.ask("copy_object", Key=source, CopySource=where)
    side.ask("copy_object", Key=source, CopySource=where, MetadataDirective="REPLACE", Metadata={"self": "1"})
    side.ask("head_object", Key=source)
    side.ask("copy_object", Key=side.key("x"), CopySource={"Bucket": side.way.bucket, "Key": side.key(MISSING)})


# rclone takes a copy of a part for an upload of nothing.
@case("copies, part by part", EVERY, mistaken=("rclone",))
def part_copies(side):
    source = {"Bucket": side.way.bucket, "Key": put(side, "from ü+", BIG + b"tail")}
    upload = begin(side, "to")
    parts = []
    for number, asked_range in ((1, f"bytes=0-{PART_BYTES - 1}"), (2, f"bytes={PART_BYTES}-{PART_BYTES + 3}")):
        reply = side.ask(
            "upload_part_copy", **upload, PartNumber=number, CopySource=source, CopySourceRange=asked_range
        )
        parts.append({"PartNumber": number, "ETag": reply["CopyPartResult"]["ETag"]})
    side.ask("list_parts", **upload)
    side.ask("complete_multipart_upload", **upload, MultipartUpload={"Parts": parts})
    side.ask("get_object", Key=upload["Key"])
    other = begin(side, "other")
    side.ask("upload_part_copy", **other, PartNumber=1, CopySource=source, CopySourceRange="bytes=9999999-99999999")
    side.ask("abort_multipart_upload", **other)


@case("deletes of many keys", EVERY)
def many(side):
    names = ("a", "b c+d", "ü", "<&>", "sub/e", "f/")
    for name in names:
        put(side, name)
    keys = [{"Key": side.key(name)} for name in (*names[:4], MISSING)]
    side.ask("delete_objects", Delete={"Objects": keys})
    side.ask("list_objects_v2", Prefix=side.key())
    side.ask("delete_objects", Delete={"Objects": [{"Key": side.key(name)} for name in names[4:]], "Quiet": True})
    side.ask("list_objects_v2", Prefix=side.key())


# --- Buckets ------------------------------------------------------------------------------------------------------------


@case("a bucket's location and being", EVERY)
def being(side):
    side.ask("head_bucket")
    side.ask("get_bucket_location")


@case("a list of buckets", EVERY)
def buckets(side):
    # Which ones there are, each side says for itself; what it says of this one is compared.
    side.account("list_buckets")


@case("versions of objects", alone=True, ways=(WHOLE,))
def versions(side):
    side.ask("get_bucket_versioning")
    side.ask("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})
    side.ask("get_bucket_versioning")
    try:
        versioned(side)
    finally:
        side.ask("put_bucket_versioning", VersioningConfiguration={"Status": "Suspended"})


def versioned(side):
    key = side.key("a b+ü")
    first = side.ask("put_object", Key=key, Body=b"first")["VersionId"]
    second = side.ask("put_object", Key=key, Body=b"second")["VersionId"]
    side.ask("put_object", Key=side.key("b/c"), Body=b"other")
    for more in ({}, {"VersionId": first}, {"VersionId": second}):
        side.ask("get_object", Key=key, **more)
        side.ask("head_object", Key=key, **more)
        side.ask("get_object_tagging", Key=key, **more)
    source = {"Bucket": side.way.bucket, "Key": key, "VersionId": first}
    side.ask("copy_object", Key=side.key("copy"), CopySource=source)
    side.ask("delete_object", Key=key)
    side.ask("get_object", Key=key)
    side.ask("head_object", Key=key)
    for more in ({}, {"Delimiter": "/"}, {"MaxKeys": 2}, {"KeyMarker": key}, {"KeyMarker": key, "VersionIdMarker": first}):
        side.ask("list_object_versions", Prefix=side.key(), **more)
    side.ask("delete_object", Key=key, VersionId=second)
    side.ask("delete_objects", Delete={"Objects": [{"Key": key, "VersionId": first}, {"Key": side.key("b/c")}]})
    side.ask("list_object_versions", Prefix=side.key())


def configuration(name, kind, body, **more):
    """A setting of a bucket: absent, set, read, removed, absent again."""

    def run(side):
        side.ask(f"get_{kind}")
        side.ask(f"put_{kind}", **body(side))
        side.ask(f"get_{kind}")
        side.ask(f"delete_{more.get('delete', kind)}")
        side.ask(f"get_{kind}")

    case(f"bucket, {name}", ways=(WHOLE,), alone=True)(run)


CORS = {"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["*"], "MaxAgeSeconds": 9}
RULE = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "old/"}, "Expiration": {"Days": 9}}
ENCRYPTED = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
BLOCK = {name: True for name in ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")}
OWNED = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def policy(side):
    return (
        '{"Version":"2012-10-17","Statement":[{"Sid":"s","Effect":"Deny","Principal":"*","Action":"s3:GetObject",'
        f'"Resource":"arn:aws:s3:::{side.way.bucket}/never/*"}}]}}'
    )


configuration("policy", "bucket_policy", lambda side: {"Policy": policy(side)})
configuration("CORS", "bucket_cors", lambda side: {"CORSConfiguration": {"CORSRules": [CORS]}})
configuration(
    "lifecycle",
    "bucket_lifecycle_configuration",
    lambda side: {"LifecycleConfiguration": {"Rules": [RULE]}},
    delete="bucket_lifecycle",
)
configuration("tags", "bucket_tagging", lambda side: {"Tagging": {"TagSet": [{"Key": "a", "Value": "ü"}]}})
configuration("encryption", "bucket_encryption", lambda side: {"ServerSideEncryptionConfiguration": ENCRYPTED})
configuration("public access", "public_access_block", lambda side: {"PublicAccessBlockConfiguration": BLOCK})
configuration("ownership", "bucket_ownership_controls", lambda side: {"OwnershipControls": OWNED})


@case("bucket, what can only be read", ways=(WHOLE,), alone=True)
def readings(side):
    for kind in (
        "bucket_acl",
        "bucket_policy_status",
        "bucket_website",
        "bucket_notification_configuration",
        "bucket_logging",
        "bucket_request_payment",
        "bucket_accelerate_configuration",
        "bucket_replication",
        "object_lock_configuration",
    ):
        side.ask(f"get_{kind}")
