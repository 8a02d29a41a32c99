//! No document makes a reader panic, hang or take much more memory than its own size.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_wire::xml;

fuzz_target!(|document: &[u8]| {
    let _ = xml::read_error(document);
    let _ = xml::read_bucket_names(document);
    let _ = xml::read_cors(document);
    let _ = xml::read_upload_id(document);
});
