//! `/s/TOKEN` and `/index.php/s/TOKEN`: the page of a public link. No script: a list of what is there, downloads, and a
//! form for files where the link takes some.

mod cookie;
mod download;
mod listing;
mod show;
#[cfg(test)]
mod tests;
mod upload;
mod visit;

pub(crate) use download::get as download;
pub(crate) use show::{show, unlock};
pub(crate) use upload::post as upload;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays as it is in a path or a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// A path for the query of an address.
fn encoded(path: &str) -> String {
    utf8_percent_encode(path, PLAIN).to_string()
}
