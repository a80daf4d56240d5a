//! Fields of a form: in the body, or behind the `?`. Clients send them with and without a content type.

use percent_encoding::percent_decode_str;

/// The field's value (WHATWG URL, section 5.1); `None` if it is not there or is no text.
pub(crate) fn field(form: &str, name: &str) -> Option<String> {
    form.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key)? == name).then(|| decode(value)).flatten()
    })
}

/// The same of a body, which may be anything.
pub(crate) fn body_field(body: &[u8], name: &str) -> Option<String> {
    field(std::str::from_utf8(body).ok()?, name)
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    Some(percent_decode_str(&spaced).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_nothing_breaks() {
        let form = "a=1&user=ad%61+b&password=p%26%3D%2B&a=2&x";
        assert_eq!(field(form, "user").as_deref(), Some("ada b"));
        assert_eq!(field(form, "password").as_deref(), Some("p&=+"));
        assert_eq!((field(form, "a").as_deref(), field(form, "x").as_deref()), (Some("1"), Some("")));
        assert_eq!((field(form, "nothing"), field("a=%ff", "a"), body_field(b"\xff", "a")), (None, None, None));
    }
}
