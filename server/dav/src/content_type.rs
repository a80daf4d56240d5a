//! The media type of a file by its extension.
//!
//! Whoever may write a file must not be able to run a script as somebody else who looks at it: what a browser renders
//! goes out with a policy that puts it into a sandbox of its own, and what could hold a script otherwise is unknown.

/// The `Content-Type` for a file of this name.
pub(crate) fn of(name: &str) -> &'static str {
    let Some((_, extension)) = name.rsplit_once('.') else { return UNKNOWN };
    match extension.to_ascii_lowercase().as_str() {
        "txt" | "log" | "md" | "toml" | "ini" | "cfg" | "yaml" | "yml" | "xml" => "text/plain; charset=utf-8",
        "html" | "htm" => "text/html; charset=utf-8",
        "svg" => "image/svg+xml",
        "csv" => "text/csv; charset=utf-8",
        "json" | "jsonld" => "application/json",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "tif" | "tiff" => "image/tiff",
        "webp" => "image/webp",
        "bmp" => "image/bmp",
        "h5" | "hdf5" | "nxs" | "datx" => "application/x-hdf5",
        "zip" => "application/zip",
        "gz" | "tgz" => "application/gzip",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        _ => UNKNOWN,
    }
}

const UNKNOWN: &str = "application/octet-stream";

/// The `Content-Security-Policy` for a media type, if a browser may render it as a page: no script, no origin, nothing
/// loaded from elsewhere. A self-contained report still shows.
pub(crate) fn policy(content_type: &str) -> Option<&'static str> {
    let page = content_type.starts_with("text/") || content_type.starts_with("image/svg");
    page.then_some("sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:")
}

#[cfg(test)]
mod tests {
    use super::{of, policy};

    #[test]
    fn types_go_by_the_last_extension_and_no_page_runs_a_script() {
        assert_eq!(of("report.PNG"), "image/png");
        assert_eq!(of("a.tar.gz"), "application/gzip");
        assert_eq!(of("README"), "application/octet-stream");
        for name in ["x.html", "x.svg", "x.xml", "x.txt"] {
            assert!(policy(of(name)).unwrap().starts_with("sandbox;"), "{name}");
        }
        for name in ["x.xhtml", "x.js", "x.swf"] {
            assert_eq!(of(name), "application/octet-stream", "{name}");
        }
        assert_eq!(policy(of("x.pdf")), None);
    }
}
