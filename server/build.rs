//! Builds again when the page was built again: `rust_embed` puts `target/site` into a release
//! binary, and cargo would otherwise look at Rust sources only and keep the page of before.

use std::{fs, path::Path};

fn main() {
    // As in the attribute in `src/http/site.rs`, and `site-root` in the workspace's Cargo.toml.
    let site = Path::new("../target/site");
    // Cargo takes a watched path that is missing for changed each time.
    if let Err(e) = fs::create_dir_all(site) {
        println!("cargo::warning=target/site can't be made, so every build is a whole one: {e}");
    }
    // Of a folder cargo looks at all the files in it.
    println!("cargo::rerun-if-changed={}", site.display());
    println!("cargo::rerun-if-changed=build.rs");
}
