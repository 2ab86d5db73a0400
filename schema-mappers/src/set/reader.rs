//! Reads TOML with the line of everything at hand, so that each fault is told where it stands. Knows nothing of schemas.

use journal_core::model::{Name, Type, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::SetError;

/// A TOML value and its line.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) file: Name,
    pub(crate) line: usize,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Text(String),
    Bool(bool),
    /// A number or a date, as written.
    Plain(String),
    List(Vec<Node>),
    Table(Vec<(Key, Node)>),
}

/// A key of a table and its line.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) line: usize,
}

/// Reads a file's text.
pub(crate) fn read(file: &Name, text: &str) -> Result<Node, SetError> {
    let lines = Lines { file, starts: text.match_indices('\n').map(|(at, _)| at + 1).collect() };
    let document = DeTable::parse(text).map_err(|error| SetError {
        file: file.to_string(),
        line: error.span().map_or(0, |span| lines.of(span.start)),
        message: error.message().to_owned(),
    })?;
    Ok(Node { file: file.clone(), line: 1, content: lines.table(document.get_ref()) })
}

struct Lines<'a> {
    file: &'a Name,
    starts: Vec<usize>,
}

impl Lines<'_> {
    fn of(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset) + 1
    }

    fn node(&self, value: &Spanned<DeValue<'_>>) -> Node {
        let content = match value.get_ref() {
            DeValue::String(text) => Content::Text(text.to_string()),
            DeValue::Boolean(value) => Content::Bool(*value),
            DeValue::Integer(number) => Content::Plain(number.to_string()),
            DeValue::Float(number) => Content::Plain(number.to_string()),
            DeValue::Datetime(instant) => Content::Plain(instant.to_string()),
            DeValue::Array(items) => Content::List(items.iter().map(|item| self.node(item)).collect()),
            DeValue::Table(table) => self.table(table),
        };
        Node { file: self.file.clone(), line: self.of(value.span().start), content }
    }

    fn table(&self, table: &DeTable<'_>) -> Content {
        let pairs = table.iter().map(|(key, value)| {
            let line = self.of(key.span().start);
            // A table under its own header begins where the header stands.
            let mut node = self.node(value);
            node.line = line;
            (Key { name: key.get_ref().to_string(), line }, node)
        });
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_by_key(|(key, _)| key.line);
        Content::Table(pairs)
    }
}

impl Node {
    /// A fault at this place.
    pub(crate) fn fault(&self, message: impl Into<String>) -> SetError {
        SetError { file: self.file.to_string(), line: self.line, message: message.into() }
    }

    /// The pairs of a table, in the order of the file.
    pub(crate) fn table(&self, what: &str) -> Result<&[(Key, Node)], SetError> {
        match &self.content {
            Content::Table(pairs) => Ok(pairs),
            _ => Err(self.fault(format!("{what} must be a table, such as [name] or {{ a = 1 }}"))),
        }
    }

    /// The items of a list.
    pub(crate) fn list(&self, what: &str) -> Result<&[Node], SetError> {
        match &self.content {
            Content::List(items) => Ok(items),
            _ => Err(self.fault(format!("{what} must be a list in brackets"))),
        }
    }

    /// A text.
    pub(crate) fn text(&self, what: &str) -> Result<&str, SetError> {
        match &self.content {
            Content::Text(text) => Ok(text),
            _ => Err(self.fault(format!("{what} must be a text in quotes"))),
        }
    }

    /// True or false.
    pub(crate) fn flag(&self, what: &str) -> Result<bool, SetError> {
        match &self.content {
            Content::Bool(value) => Ok(*value),
            _ => Err(self.fault(format!("{what} must be true or false"))),
        }
    }

    /// Whether the value is a text.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.content, Content::Text(_))
    }

    /// A list of texts, at least one.
    pub(crate) fn texts(&self, what: &str) -> Result<Vec<Name>, SetError> {
        let texts = self.list(what)?.iter().map(|item| Ok(Name::from(item.text(what)?)));
        let texts = texts.collect::<Result<Vec<_>, SetError>>()?;
        if texts.is_empty() { Err(self.fault(format!("{what} must not be empty"))) } else { Ok(texts) }
    }

    /// A logical type.
    pub(crate) fn ty(&self, what: &str) -> Result<Type, SetError> {
        self.text(what)?.parse().map_err(|unknown: journal_core::model::schema::UnknownType| {
            self.fault(format!("{what}: {unknown}"))
        })
    }

    /// A value of a type, as entries in JSON write it.
    pub(crate) fn value(&self, what: &str, ty: Type) -> Result<Value, SetError> {
        use serde_json::Value as Json;
        let read = match (&self.content, ty) {
            (Content::Text(text), Type::Json) => Some(Value::Json(text.clone())),
            (Content::Text(text), _) => ty.read_json(&Json::String(text.clone())),
            (Content::Bool(value), _) => ty.read_json(&Json::Bool(*value)),
            (Content::Plain(text), Type::Date | Type::Time | Type::Timestamp) => {
                ty.read_json(&Json::String(text.clone()))
            }
            (Content::Plain(text), _) => {
                text.parse().ok().and_then(|number| ty.read_json(&Json::Number(number)))
            }
            (Content::List(_) | Content::Table(_), _) => None,
        };
        read.filter(|value| ty.holds(value))
            .ok_or_else(|| self.fault(format!("{what} is no value that a {ty} column holds exactly")))
    }
}

/// A table whose keys are taken out one by one; a key that nobody took is a fault.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    node: &'a Node,
    what: String,
    pairs: Vec<(&'a Key, &'a Node, bool)>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(node: &'a Node, what: impl Into<String>) -> Result<Self, SetError> {
        let what = what.into();
        let pairs = node.table(&what)?.iter().map(|(key, value)| (key, value, false)).collect();
        Ok(Self { node, what, pairs })
    }

    /// A fault at the table itself.
    pub(crate) fn fault(&self, message: impl Into<String>) -> SetError {
        self.node.fault(format!("{}: {}", self.what, message.into()))
    }

    /// Takes a key that may be missing.
    pub(crate) fn optional(&mut self, key: &str) -> Option<&'a Node> {
        let (_, node, taken) = self.pairs.iter_mut().find(|(have, _, _)| have.name == key)?;
        *taken = true;
        Some(node)
    }

    /// Takes a key that must be there.
    pub(crate) fn required(&mut self, key: &str) -> Result<&'a Node, SetError> {
        self.optional(key).ok_or_else(|| self.fault(format!("{key:?} is missing")))
    }

    /// Ends the reading. `known` names what might have stood there.
    pub(crate) fn finish(self, known: &str) -> Result<(), SetError> {
        match self.pairs.iter().find(|(_, _, taken)| !taken) {
            None => Ok(()),
            Some((key, node, _)) => {
                Err(node.fault(format!("{}: unknown key {:?}; known are {known}", self.what, key.name)))
            }
        }
    }
}
