//! No document makes a reader panic, hang or take much more memory than its own size.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_wire::xml;

fuzz_target!(|document: &[u8]| {
    let _ = xml::read_error(document);
    let _ = xml::read_bucket_names(document);
    let _ = xml::read_upload_id(document);
    let _ = xml::read_completed(document);
    let _ = xml::read_parts(document);
    let _ = xml::read_uploads(document);
    let _ = xml::read_complete_multipart(document);
    let _ = xml::read_list(document);
    let _ = xml::read_versions(document);
    let _ = xml::check(document, "AccessControlPolicy");
    if let Ok(mut rules) = xml::read_cors(document) {
        rules.iter_mut().for_each(|rule| rule.has_more = false);
        assert_eq!(xml::read_cors(xml::write_cors(&rules).as_bytes()), Ok(rules));
    }
    if let Ok(delete) = xml::read_delete(document) {
        let written = xml::write_delete(&delete.objects, "", delete.quiet);
        assert_eq!(xml::read_delete(written.as_bytes()), Ok(delete));
    }
    if let Ok(result) = xml::read_delete_result(document) {
        let written = xml::write_delete_result(&result);
        assert_eq!(xml::read_delete_result(written.as_bytes()), Ok(result));
    }
});
