//! What an error answer says: the elements of a Sabre error body, or the message of a JSON document.

/// Most characters of a message that are shown.
const LONGEST: usize = 300;

/// The words of an error answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// The class name clients decide by, such as `Sabre\DAV\Exception\NotFound`, or the code of the JSON interface.
    pub exception: String,
    /// The sentence for people; empty if there is none.
    pub message: String,
}

/// Reads the body of an error answer, whatever it is.
pub fn words(body: &str) -> Words {
    let trimmed = body.trim_start();
    if trimmed.starts_with('{')
        && let Ok(serde_json::Value::Object(document)) = serde_json::from_str(trimmed)
    {
        // the envelope of the JSON interface, or bare
        let inner = document.get("error").and_then(|v| v.as_object()).unwrap_or(&document);
        let text = |key: &str| inner.get(key).and_then(|v| v.as_str()).unwrap_or_default();
        return Words { exception: cleaned(text("code")), message: cleaned(text("message")) };
    }
    if trimmed.starts_with('<') {
        let element = |name: &str| unescaped(within(body, name).unwrap_or_default());
        return Words { exception: cleaned(&element("s:exception")), message: cleaned(&element("s:message")) };
    }
    Words { exception: String::new(), message: cleaned(body.lines().next().unwrap_or_default()) }
}

fn within<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let open = body.find(&format!("<{name}"))?;
    let start = open + body.get(open..)?.find('>')? + 1;
    let end = start + body.get(start..)?.find(&format!("</{name}>"))?;
    body.get(start..end)
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    text.replace("&#39;", "'").replace("&amp;", "&")
}

/// Fit for a terminal: no control characters, not endless.
fn cleaned(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_error_body_is_read() {
        let sabre = "<?xml version=\"1.0\"?><d:error xmlns:d=\"DAV:\" xmlns:s=\"http://sabredav.org/ns\">\
                     <s:exception>Sabre\\DAV\\Exception\\Forbidden</s:exception>\
                     <s:message xmlns:x=\"y\">quota &lt;full&gt; &amp;amp;\u{1b}[2J</s:message></d:error>";
        assert_eq!(words(sabre).message, "quota <full> &amp;[2J");
        assert_eq!(words(sabre).exception, "Sabre\\DAV\\Exception\\Forbidden");
        let json = words(r#"{"error":{"code":"cursor_too_old","message":"list the tree again"}}"#);
        assert_eq!((json.exception.as_str(), json.message.as_str()), ("cursor_too_old", "list the tree again"));
        assert_eq!(words("not today\nmore").message, "not today");
        assert_eq!(words("<html>long</html>"), Words::default());
        assert_eq!(words("{not json").message, "{not json");
    }
}
