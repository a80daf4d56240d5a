//! The list of what a link leads to, as HTML.

use super::encoded;
use super::visit::Visit;
use crate::page::{escape, wide_page};
use axum::response::Response;
use http::StatusCode;
use std::fmt::Write as _;
use stitchbox_domain::{Action, Domain, Error, Item, Membership};

/// Items on one page.
const PAGE: i64 = 500;

/// The page of the place that was asked for; `base` is the address of the link without a query.
pub(super) async fn page_of(
    domain: &Domain,
    visit: &Visit,
    base: &str,
    after: Option<&str>,
    done: Option<&str>,
) -> Result<Response, Error> {
    let base = &escape(base.trim_end_matches('/'));
    let (membership, here) = match domain.item(&visit.principal, &visit.at).await {
        Ok(found) => found,
        // Of a file drop nothing is seen.
        Err(Error::NotFound) if visit.below.is_root() && visit.principal.scope.create_only => {
            return Ok(drop_page(base, done));
        }
        Err(other) => return Err(other),
    };
    if membership.scope.create_only {
        return Ok(drop_page(base, done));
    }
    let heading = name_of(&membership, &here);
    let mut body = said(done);
    if !here.is_folder() {
        body += &file(base, &here, visit);
        return Ok(wide_page(StatusCode::OK, &heading, &body));
    }
    body += &way(base, visit);
    let listed = domain.children_page(&membership, &here, after, PAGE).await?;
    body += &table(base, visit, &listed);
    if let Some(last) = listed.last().filter(|_| listed.len() as i64 == PAGE) {
        let (path, last) = (encoded(&visit.below.to_string()), encoded(&last.name));
        let _ = write!(body, "<p><a href=\"{base}?path={path}&amp;after={last}\">More</a></p>");
    }
    if membership.may(Action::Create, &here).is_ok() {
        body += &form(base, &visit.below.to_string(), "Add files to this folder");
    }
    Ok(wide_page(StatusCode::OK, &heading, &body))
}

fn name_of(membership: &Membership, item: &Item) -> String {
    if item.name.is_empty() { membership.space.name.clone() } else { item.name.clone() }
}

/// What became of the files that were sent.
fn said(done: Option<&str>) -> String {
    let Some(count) = done.and_then(|text| text.parse::<u32>().ok()) else { return String::new() };
    let files = if count == 1 { "1 file has".to_owned() } else { format!("{count} files have") };
    format!("<p role=\"status\"><strong>{files} arrived.</strong></p>")
}

fn drop_page(base: &str, done: Option<&str>) -> Response {
    let body = format!(
        "{}<p>Whoever has this link can bring files. What lies there is not shown.</p>{}",
        said(done),
        form(base, "/", "Bring files")
    );
    wide_page(StatusCode::OK, "Bring files", &body)
}

/// The folders from the top down to this one.
fn way(base: &str, visit: &Visit) -> String {
    let names = visit.below.names();
    if names.is_empty() {
        return String::new();
    }
    let mut out = format!("<nav aria-label=\"Folders above\"><a href=\"{base}\">Top</a>");
    let mut path = String::new();
    for (index, name) in names.iter().enumerate() {
        let _ = write!(path, "/{name}");
        let shown = escape(name.as_str());
        let _ = match index + 1 == names.len() {
            true => write!(out, " / <span aria-current=\"page\">{shown}</span>"),
            false => write!(out, " / <a href=\"{base}?path={}\">{shown}</a>", encoded(&path)),
        };
    }
    out + "</nav>"
}

fn table(base: &str, visit: &Visit, listed: &[Item]) -> String {
    if listed.is_empty() {
        return "<p>This folder is empty.</p>".to_owned();
    }
    let above = if visit.below.is_root() { String::new() } else { visit.below.to_string() };
    let mut out = "<table><thead><tr><th scope=\"col\">Name</th><th scope=\"col\" class=\"n\">Size</th>\
                   <th scope=\"col\" class=\"n\">Modified</th><th scope=\"col\"></th></tr></thead><tbody>"
        .to_owned();
    for item in listed {
        let path = encoded(&format!("{above}/{}", item.name));
        let name = escape(&item.name);
        let (link, action) = if item.is_folder() {
            (format!("<a href=\"{base}?path={path}\">{name}/</a>"), String::new())
        } else {
            let show = is_picture(&item.name);
            let view =
                format!("<a href=\"{base}/download?path={path}&amp;show=1\" aria-label=\"Show {name}\">Show</a>");
            let link = format!("<a href=\"{base}/download?path={path}\" download>{name}</a>");
            (link, if show { view } else { String::new() })
        };
        let modified = item.mtime.rfc3339();
        let modified = modified.get(..16).unwrap_or_default().replace('T', " ");
        let _ = write!(
            out,
            "<tr><td>{link}</td><td class=\"n\">{}</td><td class=\"n\">{modified}</td><td>{action}</td></tr>",
            size(item.size)
        );
    }
    out + "</tbody></table>"
}

fn file(base: &str, item: &Item, visit: &Visit) -> String {
    let path = encoded(&visit.below.to_string());
    let show = match is_picture(&item.name) {
        true => format!(" <a href=\"{base}/download?path={path}&amp;show=1\">Show</a>"),
        false => String::new(),
    };
    format!(
        "<p>{}</p><p><a href=\"{base}/download?path={path}\" download>Download {}</a>{show}</p>",
        size(item.size),
        escape(&item.name)
    )
}

fn form(base: &str, path: &str, title: &str) -> String {
    format!(
        "<form method=\"post\" enctype=\"multipart/form-data\" action=\"{base}/upload?path={}\"><fieldset>\
         <legend>{title}</legend><label>Files<input type=\"file\" name=\"file\" multiple required></label>\
         <button>Send</button></fieldset></form>",
        encoded(path)
    )
}

/// What a browser shows by itself without running anything of it.
pub(super) fn is_picture(name: &str) -> bool {
    picture_type(name).is_some()
}

/// The media type of a picture, by its extension.
pub(super) fn picture_type(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "png" => Some("image/png"),
        "jpg" | "jpeg" => Some("image/jpeg"),
        "gif" => Some("image/gif"),
        "webp" => Some("image/webp"),
        _ => None,
    }
}

/// Bytes for people.
fn size(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes.max(0) as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let word = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{value:.0} {word}") } else { format!("{value:.1} {word}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        assert_eq!([size(0), size(1023), size(1536), size(3 << 30)], ["0 B", "1023 B", "1.5 KiB", "3.0 GiB"]);
    }

    #[test]
    fn only_pictures_that_run_nothing_are_shown() {
        assert!(is_picture("a.PNG") && is_picture("b.c.jpeg"));
        assert!(!is_picture("a.svg") && !is_picture("report.html") && !is_picture("png"));
    }
}
