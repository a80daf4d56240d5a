//! The media type of a file by its extension.
//!
//! Only what a browser cannot run in our origin is named: HTML, SVG and XML are served as plain text or as unknown
//! bytes, because whoever may write a file must not be able to run a script as somebody else who looks at it.

/// The `Content-Type` for a file of this name.
pub(crate) fn of(name: &str) -> &'static str {
    let Some((_, extension)) = name.rsplit_once('.') else { return UNKNOWN };
    match extension.to_ascii_lowercase().as_str() {
        "txt" | "log" | "md" | "toml" | "ini" | "cfg" | "yaml" | "yml" | "html" | "htm" | "xml" => TEXT,
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
const TEXT: &str = "text/plain; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn types_go_by_the_last_extension_and_never_name_a_script() {
        assert_eq!(of("report.PNG"), "image/png");
        assert_eq!(of("a.tar.gz"), "application/gzip");
        assert_eq!(of("README"), "application/octet-stream");
        for name in ["x.html", "x.svg", "x.xhtml", "x.js", "x.xml"] {
            assert!(!of(name).contains("html") && !of(name).contains("svg") && !of(name).contains("script"), "{name}");
        }
    }
}
