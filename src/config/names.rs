//! Names that the file may not choose.

use super::raw::Table;

/// Words that stand where a bucket's or provider's name stands in the upload API's paths.
const ROUTE_WORDS: [&str; 8] =
    ["analytics", "complete", "download", "health", "track", "uppy-token", "validate-key", "webhooks"];

/// Reports a problem when `name` is a route word.
pub(super) fn refuse_route_words(name: &str, table: &Table<'_>) {
    if ROUTE_WORDS.contains(&name) {
        table.problem_here("has the name of one of the upload API's routes", "choose another name");
    }
}
