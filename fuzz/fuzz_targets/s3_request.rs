//! A request that is accepted is written so that it is read again as the same one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_wire::{
    encode,
    s3::{Address, CopySource, Head, headers, parse},
};

fuzz_target!(|input: (&str, &str, &str, u8, bool)| {
    let (host, path, query, method, has_copy_source) = input;
    let _ = CopySource::parse(path.as_bytes());
    let Ok(address) = Address::parse(host, path, &["s3.example.com".to_owned()]) else { return };
    let methods = ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"];
    let Ok(method) = methods[usize::from(method) % methods.len()].parse() else { return };
    let head = Head { method: &method, query, has_copy_source };
    let Ok(request) = parse(address, head) else { return };

    assert_eq!(request.address.level(), request.operation.level());
    for (name, value) in &request.query_headers {
        let _ = headers::request(request.operation, name, value.as_bytes());
    }
    let mut path = String::new();
    for part in [request.address.bucket(), request.address.key().map(|key| key.as_str())] {
        path.push('/');
        encode::path(part.unwrap_or_default(), &mut path);
    }
    let is_service = request.address.bucket().is_none();
    let again = Address::parse("localhost", if is_service { "/" } else { &path }, &[]);
    assert_eq!(again.as_ref(), Ok(&request.address));
    let mut query = String::new();
    for (name, value) in request.parameters.pairs(request.operation) {
        query.extend([name, "="]);
        encode::query(value, &mut query);
        query.push('&');
    }
    let copies = request.operation.is_copy();
    let head = Head { method: &method, query: &query, has_copy_source: copies };
    let second = again.and_then(|address| parse(address, head));
    let Ok(second) = second else { panic!("what was accepted is refused: {query}") };
    assert_eq!(second.operation, request.operation);
    for (parameter, value) in request.parameters.iter() {
        assert_eq!(second.parameters.get(parameter), Some(value));
    }
});
