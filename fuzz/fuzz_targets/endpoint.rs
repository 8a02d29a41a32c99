//! An endpoint that parses is written so that it parses to itself, and holds no byte that another parser could read
//! as the end of the host.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_wire::endpoint::Endpoint;

fuzz_target!(|text: &str| {
    if let Ok(endpoint) = Endpoint::parse(text) {
        assert!(
            endpoint.authority().bytes().all(|byte| byte.is_ascii_graphic() && !b"@/\\?#%".contains(&byte))
        );
        assert_eq!(Endpoint::parse(&endpoint.origin()), Ok(endpoint));
    }
});
