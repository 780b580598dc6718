//! The web pages, built from `web/` by `scripts/build-web` and embedded in the program.
//!
//! `router()` serves them: files by their path, and the one page for every address that a person may have typed or
//! bookmarked. `SECURITY_HEADERS` belong on every answer of the HTTP server, the API's too.

mod headers;
mod pages;

pub use headers::{CSP, SECURITY_HEADERS};
pub use pages::{are_built, router};
