//! The generated documents of the recipe are committed; this keeps them what the program says.
//! `STITCHBOX_WRITE_GENERATED=1 cargo test -p stitchbox-recipe --test generated` writes them anew (`make generated`).

use std::fs;
use std::path::Path;

use stitchbox_recipe::{reference_page, schema};

fn is_current(name: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/generated").join(name);
    if std::env::var_os("STITCHBOX_WRITE_GENERATED").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "schema/generated/{name} is not what the program says: run `make generated`");
}

#[test]
fn the_schema_is_current() {
    is_current("recipe.schema.json", &format!("{:#}\n", schema()));
}

#[test]
fn the_reference_page_is_current() {
    is_current("recipe.md", &reference_page());
}
