//! Pages for a person: a frame, a form, a sentence. No script, nothing fetched, shown in no other site's frame.

use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, StatusCode};

use crate::address::OwnAddress;

/// Forms go to this server; the answer to one may lead into the app that asked (`nc:`).
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self' nc:; frame-ancestors 'none'; base-uri 'none'";
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:4rem auto;padding:0 1rem;color:#1c2833}\
h1{font-size:1.4rem;color:#1b4f72}label{display:block;margin:.8rem 0}input{display:block;width:100%;font:inherit;padding:.4rem;box-sizing:border-box}\
button{font:inherit;padding:.5rem 1.2rem;background:#1b4f72;color:#fff;border:0;border-radius:.3rem}.trouble{color:#922b21}";

/// What a page of a public link adds: a list, and a form for files.
const WIDE: &str = "body{max-width:52rem}table{width:100%;border-collapse:collapse}th,td{text-align:left;padding:.35rem .5rem;\
border-bottom:1px solid #d5d8dc;overflow-wrap:anywhere}td.n,th.n{text-align:right;white-space:nowrap}nav{margin:.6rem 0}\
fieldset{margin-top:2rem;border:1px solid #d5d8dc;border-radius:.3rem}";

/// A page with a heading; `body` is HTML.
pub(crate) fn page(status: StatusCode, heading: &str, body: &str) -> Response {
    styled(status, heading, body, STYLE)
}

/// A page with room for a list.
pub(crate) fn wide_page(status: StatusCode, heading: &str, body: &str) -> Response {
    styled(status, heading, body, &format!("{STYLE}{WIDE}"))
}

fn styled(status: StatusCode, heading: &str, body: &str, style: &str) -> Response {
    let heading = escape(heading);
    let html = format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{heading} - Stitchbox</title><style>{style}</style></head>\
         <body><h1>{heading}</h1>{body}</body></html>"
    );
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_FRAME_OPTIONS, "DENY"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The address holds the secret of the login.
        (REFERRER_POLICY, "no-referrer"),
    ];
    (status, headers, html).into_response()
}

/// The form for name and password; `trouble` says what was wrong with the last ones.
pub(crate) fn password_form(program: &str, trouble: Option<&str>) -> String {
    let trouble = trouble.map(|text| format!("<p class=\"trouble\" role=\"alert\">{}</p>", escape(text)));
    format!(
        "<p>The program <strong>{}</strong> asks for access to your files. Go on only if you started it just now.</p>{}\
         <form method=\"post\"><label>User name<input name=\"user\" autocomplete=\"username\" required autofocus></label>\
         <label>Password of your account<input name=\"password\" type=\"password\" autocomplete=\"current-password\" \
         required></label><button>Grant access</button></form><p>The program gets a password of its own, which you can \
         revoke.</p>",
        escape(program),
        trouble.unwrap_or_default()
    )
}

/// The form for the password of a link.
pub(crate) fn password_form_of_link(trouble: Option<&str>) -> String {
    let trouble = trouble.map(|text| format!("<p class=\"trouble\" role=\"alert\">{}</p>", escape(text)));
    format!(
        "{}<form method=\"post\"><label>Password<input name=\"password\" type=\"password\" \
         autocomplete=\"off\" required autofocus></label><button>Open</button></form>\
         <p>Who gave you the link knows it. If it is wrong again and again, the link may be mistyped.</p>",
        trouble.unwrap_or_default()
    )
}

/// Whether a form was sent from one of our own pages. Browsers say so; what is no browser says nothing, and has no
/// person's trust to abuse.
pub(crate) fn is_from_here(headers: &HeaderMap, own: &OwnAddress) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => own.is_origin(origin),
        (None, None) => true,
    }
}

/// Text as HTML, also inside quotes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
