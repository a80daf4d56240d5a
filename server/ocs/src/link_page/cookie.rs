//! The cookie that stands for the password of one link.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use stitchbox_domain::auth::LINK_PASS_LIFETIME;

/// Longest token that can be in a name.
const LONGEST: usize = 64;

/// Its name: each link has its own. `None` for what can be no token.
fn name(token: &str) -> Option<String> {
    let fits = token.len() <= LONGEST && !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_alphanumeric());
    fits.then(|| format!("stitchbox_link_{token}"))
}

/// What the browser kept for a link.
pub(super) fn read(headers: &HeaderMap, token: &str) -> Option<String> {
    let name = name(token)?;
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

/// Lets the browser keep it: not to be read by scripts, and sent from our own pages alone.
pub(super) fn set(token: &str, pass: &str, secure: bool) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    let age = LINK_PASS_LIFETIME.as_secs();
    let text = format!("{}={pass}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}", name(token)?);
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_link_has_a_cookie_of_its_own() {
        let set = set("abc", "sealed+/=", true).unwrap();
        let text = set.to_str().unwrap();
        assert!(text.starts_with("stitchbox_link_abc=sealed+/=;"), "{text}");
        assert!(["HttpOnly", "SameSite=Strict", "Secure"].iter().all(|word| text.contains(word)));
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static("a=b; stitchbox_link_abc=sealed+/=; stitchbox_link_abcd=x"));
        assert_eq!(read(&headers, "abc").as_deref(), Some("sealed+/="));
        assert_eq!(read(&headers, "ab"), None);
        assert_eq!(read(&headers, "a;b"), None);
    }
}
