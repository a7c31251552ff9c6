//! Text that a page shows is escaped by Leptos, with two exceptions that are easily taken for the rule:
//! `inner_html` is written as it is, and so is what the server renders between the tags of a raw-text
//! element such as `textarea`. A computer's name or a log line there would be a script.

use crate::imports::sources;

/// What writes text into a page as it is.
const MARKS: &[&str] = &[
    "<textarea",
    "textarea()",
    "inner_html",
    "outer_html",
    "insert_adjacent_html",
];

/// Where one of them may be: file, mark, and why what is in it can't be somebody's text.
const ALLOWED: &[(&str, &str, &str)] = &[(
    "app/src/ui/text_area.rs",
    "<textarea",
    "it escapes its text, and a test of it shows so",
)];

fn found(files: &[(String, String)]) -> Vec<(&str, &'static str)> {
    let mut found = Vec::new();
    for (file, text) in files {
        let marks = MARKS.iter().filter(|m| text.contains(**m));
        found.extend(marks.map(|m| (file.as_str(), *m)));
    }
    found
}

#[test]
fn no_text_is_put_into_a_page_as_it_is() {
    let files = sources("app/src");
    let found = found(&files);
    for (file, mark) in &found {
        let known = ALLOWED.iter().any(|(f, m, _)| f == file && m == mark);
        assert!(known, "{file} has {mark}: text in it is not escaped");
    }
    for (file, mark, _) in ALLOWED {
        let is_there = found.contains(&(*file, *mark));
        assert!(is_there, "{file} has no {mark} any more");
    }
    // That these are the files with the pages in them.
    let pages = files.iter().filter(|(_, text)| text.contains("view! {"));
    assert!(pages.count() > 10);
}

#[test]
fn each_way_to_write_it_is_seen() {
    for text in [
        "<textarea rows=3>{name}</textarea>",
        "<div inner_html=name/>",
        "div().inner_html(name)",
        "leptos::html::textarea().child(name)",
        "element.set_inner_html(&name)",
        "element.set_outer_html(&name)",
    ] {
        let file = [("a.rs".to_string(), text.to_string())];
        assert_eq!(found(&file).len(), 1, "{text}");
    }
}
