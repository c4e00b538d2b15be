//! The same documents out of a dump of the database.

use crate::jambonz::documents::Documents;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fmt;

/// Why a dump could not be read. It does not repeat what the dump holds there, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, byte {column}: {kind}")]
#[non_exhaustive]
pub struct DumpError {
    /// What is wrong.
    pub kind: DumpErrorKind,
    /// The line, from 1.
    pub line: usize,
    /// The byte within the line, from 1.
    pub column: usize,
}

/// What was wrong with a dump.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DumpErrorKind {
    /// Something else should be here.
    #[error("{0} is expected here")]
    Expected(&'static str),
    /// A text, a name or a comment that begins here does not end.
    #[error("{0} that begins here does not end")]
    Unended(&'static str),
    /// A row with more or fewer values than there are columns.
    #[error("the row has {values} values for {columns} columns")]
    Columns {
        /// How many columns.
        columns: usize,
        /// How many values.
        values: usize,
    },
    /// An `INSERT` without column names into a table whose `CREATE TABLE` is not in the dump before it.
    #[error(
        "the columns of this table are not known: the dump has neither their names here nor the table's definition"
    )]
    UnknownColumns,
    /// A row refers to a webhook that is not in the dump.
    #[error("the row's {column} refers to a webhook that is not in the dump")]
    MissingWebhook {
        /// The column.
        column: &'static str,
    },
    /// A value of the wrong type.
    #[error("a row of `{table}` can't be read: {message}")]
    Row {
        /// The table.
        table: &'static str,
        /// What is wrong, without the value.
        message: String,
    },
}

/// The tables that are read.
const TABLES: [&str; 6] =
    ["service_providers", "webhooks", "accounts", "applications", "account_limits", "api_keys"];

impl Documents {
    /// Reads a dump of a jambonz database: the text that `mysqldump` or `mariadb-dump` writes, with the tables
    /// `accounts`, `account_limits`, `api_keys`, `applications`, `service_providers` and `webhooks` (those it does
    /// not have are taken for empty; others are skipped).
    ///
    /// The documents are the same as the REST API gives, with these differences:
    ///
    /// - keys of service providers and of admins are among them, which the API does not list account by account;
    /// - rows are in the order of the dump.
    ///
    /// Rows of `webhooks` that nothing refers to (jambonz leaves them behind) are left out, as the API leaves them
    /// out. Dates are taken to be in UTC, as the API takes them.
    ///
    /// ```
    /// use gateway_accounts::jambonz::Documents;
    /// let documents = Documents::from_dump(
    ///     r"INSERT INTO `accounts` (`account_sid`, `name`, `created_at`) VALUES
    ///         ('06b5fe07-1d99-422b-902a-3b343f675413', 'O\'Brien', '2026-11-23 20:37:43');",
    /// )?;
    /// assert_eq!(documents.accounts[0].name.as_deref(), Some("O'Brien"));
    /// assert_eq!(documents.accounts[0].created_at.as_deref(), Some("2026-11-23T20:37:43.000Z"));
    /// # Ok::<(), gateway_accounts::jambonz::DumpError>(())
    /// ```
    ///
    /// # Errors
    /// [`DumpError`] with the line, when the text is not such a dump or is cut off.
    pub fn from_dump(dump: &str) -> Result<Self, DumpError> {
        let mut reader = Reader { dump, at: 0, columns: HashMap::new(), rows: HashMap::new() };
        reader.read()?;
        let mut rows = reader.rows;
        let mut take = |table| rows.remove(table).unwrap_or_default();
        let webhooks: HashMap<String, Value> = take("webhooks")
            .into_iter()
            .filter_map(|row| {
                Some((row.fields.get("webhook_sid")?.as_str()?.to_owned(), Value::Object(row.fields)))
            })
            .collect();
        Ok(Self {
            service_providers: documents(dump, "service_providers", take("service_providers"), &webhooks)?,
            accounts: documents(dump, "accounts", take("accounts"), &webhooks)?,
            applications: documents(dump, "applications", take("applications"), &webhooks)?,
            limits: documents(dump, "account_limits", take("account_limits"), &webhooks)?,
            api_keys: documents(dump, "api_keys", take("api_keys"), &webhooks)?,
        })
    }
}

struct Row {
    /// Where it begins, in bytes.
    at: usize,
    fields: Map<String, Value>,
}

/// The columns that refer to a webhook, and the fields that the API has in their place.
const HOOKS: [(&str, &str); 5] = [
    ("registration_hook_sid", "registration_hook"),
    ("queue_event_hook_sid", "queue_event_hook"),
    ("call_hook_sid", "call_hook"),
    ("call_status_hook_sid", "call_status_hook"),
    ("messaging_hook_sid", "messaging_hook"),
];

/// The columns that are dates, which the API writes as RFC 3339 has it.
const DATES: [&str; 4] = ["created_at", "trial_end_date", "expires_at", "last_used"];

/// Makes documents of rows, through the door that those of the API come in by.
fn documents<T: DeserializeOwned>(
    dump: &str,
    table: &'static str,
    rows: Vec<Row>,
    webhooks: &HashMap<String, Value>,
) -> Result<Vec<T>, DumpError> {
    let document = |Row { at, mut fields }: Row| {
        for (column, field) in HOOKS {
            if let Some(Value::String(sid)) = fields.remove(column) {
                let missing = || error(dump, at, DumpErrorKind::MissingWebhook { column });
                fields.insert(field.to_owned(), webhooks.get(&sid).cloned().ok_or_else(missing)?);
            }
        }
        for column in DATES {
            if let Some(Value::String(date)) = fields.get_mut(column)
                && let Some((day, time)) = date.split_once(' ')
            {
                *date = format!("{day}T{time}{}Z", if time.contains('.') { "" } else { ".000" });
            }
        }
        serde_json::from_value(Value::Object(fields))
            .map_err(|cause| error(dump, at, DumpErrorKind::Row { table, message: cause.to_string() }))
    };
    rows.into_iter().map(document).collect()
}

fn error(dump: &str, at: usize, kind: DumpErrorKind) -> DumpError {
    let before = &dump.as_bytes()[..at];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    DumpError { kind, line, column }
}

/// Reads statements. It never stops within a character.
struct Reader<'a> {
    dump: &'a str,
    /// The position, in bytes.
    at: usize,
    /// The columns of the tables whose definition was seen.
    columns: HashMap<&'static str, Vec<String>>,
    rows: HashMap<&'static str, Vec<Row>>,
}

impl<'a> Reader<'a> {
    fn read(&mut self) -> Result<(), DumpError> {
        loop {
            self.skip_blank()?;
            if self.peek().is_none() {
                return Ok(());
            }
            match self.word().to_ascii_uppercase().as_str() {
                "INSERT" | "REPLACE" => self.insert()?,
                "CREATE" => self.create()?,
                _ => self.skip_statement()?,
            }
        }
    }

    fn insert(&mut self) -> Result<(), DumpError> {
        for optional in ["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE"] {
            self.keyword(optional)?;
        }
        if !self.keyword("INTO")? {
            return Err(self.expected("INTO"));
        }
        let Some(table) = self.table()? else { return self.skip_statement() };
        self.skip_blank()?;
        let columns = if self.peek() == Some(b'(') {
            self.column_list()?
        } else {
            self.columns.get(table).cloned().ok_or_else(|| self.error(DumpErrorKind::UnknownColumns))?
        };
        if !self.keyword("VALUES")? {
            return Err(self.expected("VALUES"));
        }
        loop {
            self.skip_blank()?;
            let row = self.row(&columns)?;
            self.rows.entry(table).or_default().push(row);
            if !self.another(b';', "a comma or a semicolon")? {
                return Ok(());
            }
        }
    }

    fn row(&mut self, columns: &[String]) -> Result<Row, DumpError> {
        let at = self.at;
        self.symbol(b'(', "an opening parenthesis")?;
        let mut values = Vec::with_capacity(columns.len());
        loop {
            values.push(self.value()?);
            if !self.another(b')', "a comma or a closing parenthesis")? {
                break;
            }
        }
        if values.len() != columns.len() {
            let kind = DumpErrorKind::Columns { columns: columns.len(), values: values.len() };
            return Err(error(self.dump, at, kind));
        }
        Ok(Row { at, fields: columns.iter().cloned().zip(values).collect() })
    }

    fn value(&mut self) -> Result<Value, DumpError> {
        self.skip_blank()?;
        match self.peek() {
            Some(b'\'') => self.text().map(Value::String),
            Some(b'0'..=b'9' | b'-' | b'+' | b'.') => self.number(),
            _ => {
                let at = self.at;
                match self.word().to_ascii_uppercase().as_str() {
                    "NULL" => Ok(Value::Null),
                    "TRUE" => Ok(Value::Bool(true)),
                    "FALSE" => Ok(Value::Bool(false)),
                    // The character set of the text that follows: `_binary '…'`, `_utf8mb4 '…'`.
                    word if word.starts_with('_') => {
                        self.skip_blank()?;
                        self.text().map(Value::String)
                    }
                    _ => Err(error(self.dump, at, DumpErrorKind::Expected("a text, a number or NULL"))),
                }
            }
        }
    }

    fn number(&mut self) -> Result<Value, DumpError> {
        let at = self.at;
        let digits = self.take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        let whole = digits.parse::<i64>().ok().map(Value::from);
        let any = || digits.parse().ok().and_then(serde_json::Number::from_f64).map(Value::Number);
        whole.or_else(any).ok_or_else(|| error(self.dump, at, DumpErrorKind::Expected("a number")))
    }

    /// A text with the escapes that MySQL has unless it runs with `NO_BACKSLASH_ESCAPES`.
    fn text(&mut self) -> Result<String, DumpError> {
        let start = self.at;
        self.symbol(b'\'', "a text")?;
        let unended = || error(self.dump, start, DumpErrorKind::Unended("a text"));
        let mut text = String::new();
        loop {
            let rest = &self.dump[self.at..];
            let end = rest.find(['\'', '\\']).ok_or_else(unended)?;
            text.push_str(&rest[..end]);
            let mut after = rest[end..].chars();
            match (after.next(), after.next()) {
                (Some('\''), Some('\'')) => text.push('\''),
                (Some('\''), _) => {
                    self.at += end + 1;
                    return Ok(text);
                }
                (_, Some('0')) => text.push('\0'),
                (_, Some('b')) => text.push('\u{8}'),
                (_, Some('n')) => text.push('\n'),
                (_, Some('r')) => text.push('\r'),
                (_, Some('t')) => text.push('\t'),
                (_, Some('Z')) => text.push('\u{1a}'),
                (_, Some(kept @ ('%' | '_'))) => text.extend(['\\', kept]),
                (_, Some(other)) => text.push(other),
                (_, None) => return Err(unended()),
            }
            self.at = self.dump.len() - after.as_str().len();
        }
    }

    fn column_list(&mut self) -> Result<Vec<String>, DumpError> {
        self.symbol(b'(', "an opening parenthesis")?;
        let mut columns = Vec::new();
        loop {
            self.skip_blank()?;
            columns.push(self.name()?);
            if !self.another(b')', "a comma or a closing parenthesis")? {
                return Ok(columns);
            }
        }
    }

    /// Takes the names of the columns from a definition of a table.
    fn create(&mut self) -> Result<(), DumpError> {
        if !self.keyword("TABLE")? {
            return self.skip_statement();
        }
        for optional in ["IF", "NOT", "EXISTS"] {
            self.keyword(optional)?;
        }
        let Some(table) = self.table()? else { return self.skip_statement() };
        self.skip_blank()?;
        if self.peek() != Some(b'(') {
            return self.skip_statement();
        }
        self.at += 1;
        let mut columns = Vec::new();
        loop {
            self.skip_blank()?;
            // What has no quoted name first is a key or a constraint.
            if self.peek() == Some(b'`') {
                columns.push(self.name()?);
            }
            let mut depth = 0usize;
            loop {
                self.skip_blank()?;
                match self.peek() {
                    None => return Err(self.expected("a closing parenthesis")),
                    Some(quote @ (b'\'' | b'"' | b'`')) => self.skip_quoted(quote)?,
                    Some(b',') if depth == 0 => break,
                    Some(b')') if depth == 0 => {
                        self.columns.insert(table, columns);
                        return self.skip_statement();
                    }
                    Some(byte) => {
                        match byte {
                            b'(' => depth += 1,
                            b')' => depth -= 1,
                            _ => {}
                        }
                        self.take();
                    }
                }
            }
            self.at += 1;
        }
    }

    /// The name of a table, with or without that of its database; `None` when it is not one that is read.
    fn table(&mut self) -> Result<Option<&'static str>, DumpError> {
        self.skip_blank()?;
        let mut name = self.name()?;
        while self.peek() == Some(b'.') {
            self.at += 1;
            name = self.name()?;
        }
        Ok(TABLES.into_iter().find(|table| *table == name))
    }

    fn name(&mut self) -> Result<String, DumpError> {
        if self.peek() != Some(b'`') {
            let name = self.word();
            return if name.is_empty() { Err(self.expected("a name")) } else { Ok(name.to_owned()) };
        }
        let start = self.at;
        self.skip_quoted(b'`')?;
        Ok(self.dump[start + 1..self.at - 1].replace("``", "`"))
    }

    fn skip_statement(&mut self) -> Result<(), DumpError> {
        loop {
            self.skip_blank()?;
            match self.peek() {
                None => return Err(self.expected("a semicolon")),
                Some(quote @ (b'\'' | b'"' | b'`')) => self.skip_quoted(quote)?,
                Some(b';') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(_) => drop(self.take()),
            }
        }
    }

    fn skip_quoted(&mut self, quote: u8) -> Result<(), DumpError> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.take() {
                None => return Err(error(self.dump, start, DumpErrorKind::Unended("a text or a name"))),
                Some(b'\\') if quote != b'`' => drop(self.take()),
                Some(byte) if byte == quote => {
                    if self.peek() != Some(quote) {
                        return Ok(());
                    }
                    self.at += 1;
                }
                Some(_) => {}
            }
        }
    }

    /// Skips white space and comments. Those with an exclamation mark are instructions to the server, and none
    /// of them holds rows.
    fn skip_blank(&mut self) -> Result<(), DumpError> {
        loop {
            self.take_while(|byte| byte.is_ascii_whitespace());
            let rest = &self.dump.as_bytes()[self.at..];
            let line = rest.starts_with(b"#")
                || rest
                    .strip_prefix(b"--")
                    .is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace));
            if line {
                self.take_while(|byte| byte != b'\n');
            } else if rest.starts_with(b"/*") {
                let unended = || error(self.dump, self.at, DumpErrorKind::Unended("a comment"));
                let end = rest.windows(2).skip(2).position(|two| two == b"*/").ok_or_else(unended)?;
                self.at += end + 4;
            } else {
                return Ok(());
            }
        }
    }

    /// Takes this word, if it is the next.
    fn keyword(&mut self, wanted: &str) -> Result<bool, DumpError> {
        self.skip_blank()?;
        let at = self.at;
        let found = self.word().eq_ignore_ascii_case(wanted);
        if !found {
            self.at = at;
        }
        Ok(found)
    }

    fn word(&mut self) -> &'a str {
        self.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$'))
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
        &self.dump[start..self.at]
    }

    fn peek(&self) -> Option<u8> {
        self.dump.as_bytes().get(self.at).copied()
    }

    /// Takes a character, and gives its first byte.
    fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at = (self.at + 1..).find(|at| self.dump.is_char_boundary(*at)).unwrap_or(self.dump.len());
        Some(byte)
    }

    fn symbol(&mut self, symbol: u8, what: &'static str) -> Result<(), DumpError> {
        if self.peek() == Some(symbol) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.expected(what))
        }
    }

    /// Takes the comma before another element of a list, or the end of the list.
    fn another(&mut self, end: u8, what: &'static str) -> Result<bool, DumpError> {
        self.skip_blank()?;
        let comma = self.peek() == Some(b',');
        self.symbol(if comma { b',' } else { end }, what)?;
        Ok(comma)
    }

    fn expected(&self, what: &'static str) -> DumpError {
        self.error(DumpErrorKind::Expected(what))
    }

    fn error(&self, kind: DumpErrorKind) -> DumpError {
        error(self.dump, self.at, kind)
    }
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("at", &self.at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DumpErrorKind as E;
    use proptest::prelude::*;

    #[track_caller]
    fn names(dump: &str) -> Vec<String> {
        let accounts = Documents::from_dump(dump).unwrap().accounts;
        accounts.into_iter().map(|account| account.name.unwrap_or("(null)".into())).collect()
    }

    #[test]
    fn texts() {
        for (sql, expected) in [
            (r"'Acme'", "Acme"),
            (r"''", ""),
            (r"'it''s'", "it's"),
            (r"'it\'s'", "it's"),
            (r"'a\nb\tc\0d\re\bf\Zg'", "a\nb\tc\0d\re\u{8}f\u{1a}g"),
            (r"'back\\slash'", r"back\slash"),
            (r"'\\'", r"\"),
            (r"'100\%\_'", r"100\%\_"),
            (r"'\q\é'", "qé"),
            (r"'),(;-- /* # `'", "),(;-- /* # `"),
            ("'two\nlines'", "two\nlines"),
            ("'東京📞'", "東京📞"),
            ("_utf8mb4'x'", "x"),
            ("_binary 'x'", "x"),
            ("42", "42"),
            ("NULL", "(null)"),
            ("null", "(null)"),
        ] {
            assert_eq!(
                names(&format!("INSERT INTO `accounts` (`name`) VALUES ({sql});")),
                [expected],
                "{sql}"
            );
        }
    }

    #[test]
    fn statements() {
        let definition = "CREATE TABLE IF NOT EXISTS `accounts` (\n  `account_sid` char(36) NOT NULL COMMENT 'a, (b)',\n  \
             `name` varchar(64) DEFAULT ',',\n  PRIMARY KEY (`account_sid`),\n  \
             CONSTRAINT `x` FOREIGN KEY (`account_sid`, `name`) REFERENCES `y` (`a`)\n) ENGINE=InnoDB COMMENT='x;y';";
        for (dump, expected) in [
            (String::new(), &[][..]),
            ("-- a comment; only\n# and ; one more\n/* and; a */ /*!40101 third; */;".into(), &[]),
            ("--\nINSERT INTO accounts (name) VALUES ('a'),\n ( 'b' ) ;".into(), &["a", "b"]),
            ("insert ignore into `jambones`.`accounts` (`name`) values ('a');".into(), &["a"]),
            ("REPLACE INTO `accounts` (`name`) VALUES ('a');".into(), &["a"]),
            ("INSERT INTO `calls` VALUES ('\\';', \"INSERT\", `x`);INSERT INTO accounts(name)VALUES('a');".into(), &["a"]),
            (format!("{definition}\nINSERT INTO `accounts` VALUES ('1','a'),('2','b');"), &["a", "b"]),
            ("LOCK TABLES `accounts` WRITE;\nINSERT INTO `accounts` (`name`) VALUES ('a');\nUNLOCK TABLES;\n".into(), &["a"]),
            ("DELIMITER ;;\nCREATE VIEW x AS SELECT 1 ;;\nDELIMITER ;\nINSERT INTO `accounts` (`name`) VALUES ('a');".into(), &["a"]),
        ] {
            assert_eq!(names(&dump), expected, "{dump}");
        }
    }

    /// The error is told where the @ is.
    #[test]
    fn what_is_not_a_dump_is_refused_with_its_place() {
        let hook = E::MissingWebhook { column: "registration_hook_sid" };
        let number = E::Row { table: "account_limits", message: "must be a whole number".into() };
        for (marked, kind) in [
            ("INSERT INTO `accounts` (`name`) VALUES (@'a", E::Unended("a text")),
            ("INSERT INTO `accounts` (`name`) VALUES (@'a\\", E::Unended("a text")),
            ("INSERT INTO `accounts` (`name`) VALUES (@'a\\'", E::Unended("a text")),
            ("\n\nINSERT INTO `accounts` (`name`) VALUES ('a')@", E::Expected("a comma or a semicolon")),
            ("INSERT INTO `accounts` (`name`) VALUES\n@('a','b');", E::Columns { columns: 1, values: 2 }),
            ("INSERT INTO `accounts` (`name`) VALUES (@é);", E::Expected("a text, a number or NULL")),
            ("INSERT INTO `accounts` (`name`) VALUES (@1-2);", E::Expected("a number")),
            ("INSERT INTO `accounts` (`name`) VALUES (@1e999);", E::Expected("a number")),
            (
                "INSERT INTO `accounts` (`name`) VALUES ('é' @'b');",
                E::Expected("a comma or a closing parenthesis"),
            ),
            (
                "INSERT INTO `accounts` (`name` @`x`) VALUES (1);",
                E::Expected("a comma or a closing parenthesis"),
            ),
            ("INSERT INTO `accounts` (`name`) VALUES @'a';", E::Expected("an opening parenthesis")),
            ("INSERT INTO `accounts` (`name`) @SELECT 1;", E::Expected("VALUES")),
            ("INSERT INTO `accounts` @VALUES ('a');", E::UnknownColumns),
            ("INSERT @`accounts` VALUES ('a');", E::Expected("INTO")),
            ("INSERT INTO @`accounts", E::Unended("a text or a name")),
            ("INSERT INTO `calls` VALUES (@'\\');", E::Unended("a text or a name")),
            ("CREATE TABLE `accounts` (`name` varchar(64)@", E::Expected("a closing parenthesis")),
            ("SELECT é@", E::Expected("a semicolon")),
            ("@/* no end", E::Unended("a comment")),
            ("@/*/", E::Unended("a comment")),
            ("INSERT INTO `accounts` (`registration_hook_sid`) VALUES @('x');", hook),
            ("INSERT INTO `account_limits` (`quantity`) VALUES (1),\n @('many');", number),
        ] {
            let (before, after) = marked.split_once('@').unwrap();
            let (line, column) = (
                before.matches('\n').count() + 1,
                before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1,
            );
            assert_eq!(
                Documents::from_dump(&[before, after].concat()),
                Err(DumpError { kind, line, column }),
                "{marked}"
            );
        }
    }

    #[test]
    fn errors_do_not_repeat_a_secret() {
        let dump = "INSERT INTO `accounts` (`is_active`, `webhook_secret`) VALUES ('s3cr3t', 's3cr3t');";
        let error = Documents::from_dump(dump).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error}");
    }

    proptest! {
        /// Whatever the text, and wherever a dump is cut off or damaged.
        #[test]
        fn never_panics(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "INSERT INTO ", "CREATE TABLE ", "`accounts`", "`webhooks`", "`x`", "(", ")", "(`name`)", " VALUES ",
                    "'", "\\", "`", "\"", "'a'", "''", "é", "📞", ",", ";", "-", "--", "-- ", "/*", "*/", "#", "\n", "NULL",
                    "_binary", "1", "1e999", ".", "\0",
                ]),
                0..30,
            ),
            text in ".{0,40}",
        ) {
            let _ = Documents::from_dump(&pieces.concat());
            let _ = Documents::from_dump(&text);
            let _ = Documents::from_dump(&format!("INSERT INTO `accounts` (`name`) VALUES ({text});"));
        }

        #[test]
        fn every_text_comes_back(text in any::<String>()) {
            let escaped = text.replace('\\', r"\\").replace('\'', r"\'").replace('\0', r"\0");
            let dump = format!("INSERT INTO `accounts` (`name`) VALUES ('{escaped}');");
            prop_assert_eq!(names(&dump), [text]);
        }
    }
}
