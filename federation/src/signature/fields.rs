//! As much of Structured Fields (RFC 9651) as signatures need: dictionaries of inner lists and byte sequences.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Longest header that is read, bytes.
const LONGEST: usize = 16 << 10;
/// Most members of a dictionary or list, and most parameters.
const MOST: usize = 64;

/// A value without parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bare {
    /// `"text"`
    Text(String),
    /// `token`
    Token(String),
    /// `12`
    Number(i64),
    /// `:base64:`
    Bytes(Vec<u8>),
    /// `?1`
    Flag(bool),
}

/// `;name=value`, in their order.
pub(super) type Parameters = Vec<(String, Bare)>;

/// A member of a dictionary: either one value or an inner list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub key: String,
    pub item: Option<Bare>,
    pub list: Option<Vec<(Bare, Parameters)>>,
    pub parameters: Parameters,
}

/// The members of a dictionary; `None` if it is malformed or a key comes twice.
pub(super) fn dictionary(text: &str) -> Option<Vec<Member>> {
    if text.len() > LONGEST || !text.is_ascii() {
        return None;
    }
    let mut reader = Reader { rest: text.trim_matches([' ', '\t']) };
    let mut members: Vec<Member> = Vec::new();
    while !reader.rest.is_empty() {
        let key = reader.key()?;
        if members.len() >= MOST || members.iter().any(|member| member.key == key) {
            return None;
        }
        let (item, list) = match reader.eat('=') {
            false => (Some(Bare::Flag(true)), None),
            true if reader.rest.starts_with('(') => (None, Some(reader.list()?)),
            true => (Some(reader.bare()?), None),
        };
        let parameters = reader.parameters()?;
        members.push(Member { key, item, list, parameters });
        reader.blanks();
        if reader.rest.is_empty() {
            break;
        }
        if !reader.eat(',') {
            return None;
        }
        reader.blanks();
        // nothing behind a comma
        if reader.rest.is_empty() {
            return None;
        }
    }
    Some(members)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn eat(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    /// As long as letters fit.
    fn while_fits(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn key(&mut self) -> Option<String> {
        if !self.rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '*') {
            return None;
        }
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.' | '*');
        Some(self.while_fits(fits).to_owned())
    }

    fn parameters(&mut self) -> Option<Parameters> {
        let mut parameters: Parameters = Vec::new();
        while self.eat(';') {
            self.rest = self.rest.trim_start_matches(' ');
            let key = self.key()?;
            let value = if self.eat('=') { self.bare()? } else { Bare::Flag(true) };
            if parameters.len() >= MOST || parameters.iter().any(|(name, _)| *name == key) {
                return None;
            }
            parameters.push((key, value));
        }
        Some(parameters)
    }

    fn list(&mut self) -> Option<Vec<(Bare, Parameters)>> {
        if !self.eat('(') {
            return None;
        }
        let mut items = Vec::new();
        loop {
            self.rest = self.rest.trim_start_matches(' ');
            if self.eat(')') {
                return Some(items);
            }
            if items.len() >= MOST {
                return None;
            }
            let item = self.bare()?;
            let parameters = self.parameters()?;
            if !self.rest.starts_with([' ', ')']) {
                return None;
            }
            items.push((item, parameters));
        }
    }

    fn bare(&mut self) -> Option<Bare> {
        match self.rest.chars().next()? {
            '"' => self.text(),
            ':' => self.bytes(),
            '?' => {
                self.eat('?');
                if self.eat('1') {
                    return Some(Bare::Flag(true));
                }
                self.eat('0').then_some(Bare::Flag(false))
            }
            '-' | '0'..='9' => {
                let is_negative = self.eat('-');
                let digits = self.while_fits(|c| c.is_ascii_digit());
                // decimals are in no parameter of a signature
                if digits.is_empty() || digits.len() > 15 || self.rest.starts_with('.') {
                    return None;
                }
                let number: i64 = digits.parse().ok()?;
                Some(Bare::Number(if is_negative { -number } else { number }))
            }
            c if c.is_ascii_alphabetic() || c == '*' => {
                let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c);
                Some(Bare::Token(self.while_fits(fits).to_owned()))
            }
            _ => None,
        }
    }

    fn text(&mut self) -> Option<Bare> {
        self.eat('"');
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = self.rest.get(at + 1..)?;
                    return Some(Bare::Text(text));
                }
                '\\' => match chars.next()?.1 {
                    c @ ('"' | '\\') => text.push(c),
                    _ => return None,
                },
                ' '..='~' => text.push(c),
                _ => return None,
            }
        }
        None
    }

    fn bytes(&mut self) -> Option<Bare> {
        self.eat(':');
        let (text, rest) = self.rest.split_once(':')?;
        self.rest = rest;
        STANDARD.decode(text).ok().map(Bare::Bytes)
    }
}

/// A value as it is written canonically.
pub(super) fn write(bare: &Bare) -> String {
    match bare {
        Bare::Text(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        Bare::Token(token) => token.clone(),
        Bare::Number(number) => number.to_string(),
        Bare::Bytes(bytes) => format!(":{}:", STANDARD.encode(bytes)),
        Bare::Flag(flag) => if *flag { "?1" } else { "?0" }.to_owned(),
    }
}

/// Parameters as they are written canonically.
pub(super) fn write_parameters(parameters: &Parameters) -> String {
    let one = |(name, value): &(String, Bare)| match value {
        Bare::Flag(true) => format!(";{name}"),
        value => format!(";{name}={}", write(value)),
    };
    parameters.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_dictionary_is_read() {
        let members =
            dictionary("ocm=(\"@method\" \"a\";req);created=12;keyid=\"h#\\\"k\";x ,\tb=:AQI=:, c, d=?0, e=tok/en")
                .unwrap();
        let first = members.first().unwrap();
        let list = first.list.as_ref().unwrap();
        assert_eq!(list.first().unwrap().0, Bare::Text("@method".into()));
        assert_eq!(list.get(1).unwrap().1, [("req".to_owned(), Bare::Flag(true))]);
        assert_eq!(write_parameters(&first.parameters), ";created=12;keyid=\"h#\\\"k\";x");
        let items: Vec<_> = members.iter().skip(1).map(|member| member.item.clone().unwrap()).collect();
        assert_eq!(items, [Bare::Bytes(vec![1, 2]), Bare::Flag(true), Bare::Flag(false), Bare::Token("tok/en".into())]);
        assert_eq!(dictionary("").unwrap(), []);
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for text in [
            "a=1,",
            "a=1,,b",
            "A=1",
            "a=",
            "a=(\"x\"",
            "a=(\"x\"\"y\")",
            "a=:!:",
            "a=1.5",
            "a=1;b=1;b=2",
            "a=1, a=2",
            "a=\"x",
            "a=\"\\n\"",
            "a=?2",
            "a b",
            "a=\u{e4}",
        ] {
            assert!(dictionary(text).is_none(), "{text}");
        }
        assert!(dictionary(&format!("a=({})", "\"x\" ".repeat(100))).is_none());
        assert!(dictionary(&"a".repeat(20_000)).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_a_dictionary_or_refused(text in "[ -~]{0,100}", other in ".{0,60}") {
            let _ = dictionary(&text);
            let _ = dictionary(&other);
            let _ = dictionary(&format!("ocm=({text});created=1"));
        }
    }
}
