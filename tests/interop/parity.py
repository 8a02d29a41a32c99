"""Whether a call through Wharf is answered as the store itself answers it.

Every case of the table (parity_cases.py) runs straight to the store, through Wharf to a bucket of the same store, and
through Wharf to a part of another bucket; some in virtual-host style besides. What the replies say is compared one by
one: status, error code, headers, document, and the body's digest.

    usage: parity.py [CASE]        those whose name contains it, and what the store itself answered
"""

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Callable

import parity_cases
from parity_side import Side, Way, resolve_localhost
from prepare import ceph, make_bucket, rclone, seaweedfs
from report import check, finish, setting
from s3_stores import empty

AT_ONCE = 3
BUCKETS = ("parity-straight", "parity", "parity-below", "parity-named")


@dataclass(frozen=True)
class Vendor:
    """A store, and the settings that say where it is and with whose keys."""

    client: Callable
    endpoint: str
    keys: str


VENDORS = {
    "SeaweedFS": Vendor(seaweedfs, "S3_ENDPOINT", "AWS"),
    "rclone": Vendor(rclone, "RCLONE_ENDPOINT", "RCLONE"),
    "Ceph": Vendor(ceph, "CEPH_ENDPOINT", "CEPH"),
}

# What a store answers when it does not have an operation: then there is nothing that Wharf could pass on.
LACKING_STATUS, LACKING_CODES = {405, 500, 501}, {"NotImplemented", "MethodNotAllowed", "InternalError"}


def ways(vendor):
    """The store itself, and the ways through Wharf that are compared with it."""
    endpoint = setting(VENDORS[vendor].endpoint)
    own = (setting(f"{VENDORS[vendor].keys}_ACCESS_KEY_ID"), setting(f"{VENDORS[vendor].keys}_SECRET_ACCESS_KEY"))
    keys = (setting("INTEROP_S3_KEY"), setting("INTEROP_S3_SECRET"))
    bucket, wharf = f"parity-{vendor.lower()}", setting("INTEROP_S3")
    by_name = wharf.replace("127.0.0.1", "localhost")
    return Way("straight", endpoint, *own, "parity-straight"), [
        Way("a bucket", wharf, *keys, bucket),
        Way("part of a bucket", wharf, *keys, f"{bucket}-below"),
        Way("virtual host", by_name, *keys, f"{bucket}-named", style="virtual"),
    ]


def run(case, way):
    side = Side(way, CLIENTS[way], case.folder)
    try:
        case.run(side)
    except (KeyError, IndexError, TypeError) as error:
        # The last reply had nothing of what the next call needs; the record says what it was.
        side.records.append({"asked": "nothing more", "because": type(error).__name__})
    return side.records


def lacks(records):
    first = records[0] if records else {}
    return first.get("status") in LACKING_STATUS or first.get("code") in LACKING_CODES


def differences(way, expected, actual):
    """What is not the same in two replies, but for what is so on purpose."""
    for name in expected | actual:
        mine, its = actual.get(name), expected.get(name)
        if mine != its and not parity_cases.is_meant(way, name, its, mine):
            mine, its = only_different(mine, its)
            yield f"{name}: {mine!r:.400} for {its!r:.400}"


def only_different(mine, its):
    """Of two documents, what the other has not."""
    if not (isinstance(mine, list) and isinstance(its, list)):
        return mine, its
    return [one for one in mine if one not in its], [one for one in its if one not in mine]


def compare(vendor, case):
    """One case on all its ways to one store."""
    straight, others = ways(vendor)
    expected = run(case, straight)
    if len(sys.argv) > 1:
        print(vendor, *expected, sep="\n    ")
    outcomes = []
    for way in others:
        if way.name not in case.ways:
            continue
        outcome = "differs"
        with check(f"{vendor}, {way.name}: {case.name}"):
            actual = run(case, way)
            different = [
                f"reply {number}, {its['asked']}: {what}"
                for number, (its, mine) in enumerate(zip(expected, actual, strict=False), 1)
                for what in differences(way.name, its, mine)
            ]
            assert not different, " || ".join(different)
            assert len(actual) == len(expected), f"{len(actual)} replies, the store gave {len(expected)}"
            outcome = "not in the store" if lacks(expected) else "passed"
        outcomes.append(outcome)
    return outcomes


def run_table(wanted):
    """All cases: at once, but for those that change a whole bucket."""
    for vendor in VENDORS:
        cases = [case for case in parity_cases.CASES if wanted in case.name and vendor not in case.mistaken]
        counts = Counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for outcomes in pool.map(lambda case: compare(vendor, case), [case for case in cases if not case.alone]):
                counts.update(outcomes)
        for case in cases:
            if case.alone:
                counts.update(compare(vendor, case))
        yield vendor, counts


def prepare(store):
    """Empty buckets that are alike, whatever an earlier run made of them."""
    for name in BUCKETS:
        make_bucket(store, name)
        empty(store, name)
    if store.get_bucket_versioning(Bucket=BUCKETS[0]).get("Status"):
        for name in BUCKETS:
            store.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})


class Clients(dict):
    """One client for each way: making one takes longer than most cases."""

    def __missing__(self, way):
        self[way] = way.connect()
        return self[way]


CLIENTS = Clients()

resolve_localhost()
for vendor in VENDORS.values():
    prepare(vendor.client())
table = dict(run_table(sys.argv[1] if len(sys.argv) > 1 else ""))
columns = ("passed", "differs", "not in the store")
print(f"\n{'':12}" + "".join(f"{column:>18}" for column in columns))
for vendor, counts in table.items():
    print(f"{vendor:12}" + "".join(f"{counts[column]:>18}" for column in columns))
finish()
