//! A field of several lines.

use leptos::prelude::*;

/// A `textarea` with text in it. The server writes what stands between the tags of one as it is, so the
/// text is escaped here; a browser that draws it anew sets it as text, which must not be escaped.
#[component]
pub fn TextArea(
    id: String,
    name: &'static str,
    rows: u8,
    value: String,
    #[prop(optional)] required: bool,
) -> impl IntoView {
    let text = if cfg!(feature = "ssr") {
        escaped(&value)
    } else {
        value
    };
    view! {
        <textarea class="input data" id=id name=name rows=rows.to_string() required=required>{text}</textarea>
    }
}

/// Such that no tag begins in it, and no entity (HTML, section 13.1.2.2, escapable raw text elements).
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let html = view! {
            <TextArea id="a".into() name="a" rows=3 value="</textarea><script>&lt;".into()/>
        }
        .to_html();
        assert!(html.contains("&lt;/textarea>&lt;script>&amp;lt;"), "{html}");
        assert_eq!(html.matches("</textarea>").count(), 1, "{html}");
    }
}
