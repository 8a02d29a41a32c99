//! No policy makes its reader panic, and what one allows at the end of time it allows before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_wire::{
    date::Timestamp,
    form::{Form, policy::Policy},
};

fuzz_target!(|input: (&str, u64)| {
    let (base64, bytes) = input;
    if let Ok(policy) = Policy::parse(base64) {
        let end_of_time = Timestamp::from_unix_millis(u64::MAX);
        let checked = policy.check(&Form::default(), "photos", end_of_time);
        assert!(
            checked.is_err()
                || policy.check(&Form::default(), "photos", Timestamp::from_unix_millis(0)).is_ok()
        );
        let _ = policy.check_length(bytes);
    }
});
