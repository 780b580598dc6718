//! Makes room for the built pages. It never runs npm: `scripts/build-web` builds `web/dist`, this only sees to it
//! that the crate also compiles before that, and that it is compiled again when the pages changed.

use std::path::Path;

fn main() {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/dist");
    // An empty folder is enough: the crate then serves a page that says how to build the real ones.
    if let Err(error) = std::fs::create_dir_all(&dist) {
        println!("cargo::warning=cannot create {}: {error}", dist.display());
    }
    println!("cargo::rerun-if-changed=web/dist");
    println!("cargo::rerun-if-changed=build.rs");
}
