//! The header field of digest credentials, read.

/// A parameter: its name as it stands there, and its value without quotes and escapes.
pub(super) type Parameter<'a> = (&'a [u8], Vec<u8>);

/// Where the value of a header stops being credentials, in bytes from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotCredentials(pub(super) usize);

/// The parameters of `scheme name=value, name="value"` (RFC 7616 section 3.4, RFC 9110 section 11.4): a list with white space
/// where the grammar of SIP has it. Values are tokens or quoted strings.
pub(super) fn parameters<'a>(value: &'a [u8], scheme: &[u8]) -> Result<Vec<Parameter<'a>>, NotCredentials> {
    let mut at = Cursor { value, place: 0 };
    at.space();
    if !at.token()?.eq_ignore_ascii_case(scheme) || !at.space() {
        return Err(NotCredentials(0));
    }
    let mut parameters = Vec::with_capacity(10);
    loop {
        let name = at.token()?;
        at.space();
        at.expect(b'=')?;
        at.space();
        let text = if at.peek() == Some(b'"') { at.quoted()? } else { at.token()?.to_vec() };
        parameters.push((name, text));
        at.space();
        if at.peek().is_none() {
            return Ok(parameters);
        }
        at.expect(b',')?;
        at.space();
    }
}

struct Cursor<'a> {
    value: &'a [u8],
    place: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.value.get(self.place).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotCredentials> {
        if self.peek() == Some(byte) {
            self.place += 1;
            Ok(())
        } else {
            Err(NotCredentials(self.place))
        }
    }

    /// Passes over white space, line ends within a folded header included; whether there was any.
    fn space(&mut self) -> bool {
        let start = self.place;
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.place += 1;
        }
        self.place > start
    }

    fn token(&mut self) -> Result<&'a [u8], NotCredentials> {
        let rest = &self.value[self.place..];
        let length = rest.iter().take_while(|byte| is_token(**byte)).count();
        if length == 0 {
            return Err(NotCredentials(self.place));
        }
        self.place += length;
        Ok(&rest[..length])
    }

    fn quoted(&mut self) -> Result<Vec<u8>, NotCredentials> {
        self.expect(b'"')?;
        let mut text = Vec::new();
        loop {
            let byte = self.peek().ok_or(NotCredentials(self.place))?;
            self.place += 1;
            match byte {
                b'"' => return Ok(text),
                b'\\' => {
                    text.push(self.peek().ok_or(NotCredentials(self.place))?);
                    self.place += 1;
                }
                _ => text.push(byte),
            }
        }
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
