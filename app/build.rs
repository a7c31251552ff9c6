//! Turns `locales/*.json` into the module of texts, so that a missing or unused key is found by the
//! compiler.

use leptos_i18n_codegen::gen_code;
use leptos_i18n_parser::parse_locales::{
    options::{Config, ParseOptions},
    parse_locales,
};
use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=locales");
    let dir = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("no CARGO_MANIFEST_DIR")?);
    // Texts with values in them are also needed as strings: titles, labels.
    let options = ParseOptions::new().interpolate_display(true);
    let config = Config::new("en")
        .map_err(|e| e.to_string())?
        .parse_options(options);
    let locales = parse_locales(Some(dir), config).map_err(|e| e.to_string())?;
    for warning in locales.diag.warnings().iter() {
        println!("cargo::warning={warning}");
    }
    let code = gen_code(&locales, None, false, None, false).map_err(|e| e.to_string())?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?).join("i18n.rs");
    fs::write(out, code.to_string())?;
    Ok(())
}
