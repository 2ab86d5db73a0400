//! From text to [`Tree`]: a tokenizer and a recursive descent. Total: any text is a tree or a fault that says where.

use journal_core::model::Type;

use super::tree::{Binary, Tree};

/// Longer ones are better a mapper in Rust.
const CHARS_MAX: usize = 4000;
/// Parts within parts; keeps every descent within any stack, and SQL text below what SQLite takes.
const DEPTH_MAX: usize = 50;

/// A piece of text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A word in small letters: a name or a key word.
    Word(String),
    Number(String),
    Text(String),
    Sign(&'static str),
}

const SIGNS: [&str; 15] = ["<=", ">=", "<>", "!=", "||", "=", "<", ">", "+", "-", "*", "(", ")", ",", "/"];

/// Words that cannot be columns, since the language uses them.
const WORDS: [&str; 16] = [
    "and", "or", "not", "is", "null", "in", "case", "when", "then", "else", "end", "true", "false", "cast",
    "try_cast", "as",
];

/// Reads an expression.
pub(crate) fn parse(text: &str) -> Result<Tree, String> {
    if text.chars().count() > CHARS_MAX {
        return Err(format!("the expression is longer than {CHARS_MAX} characters"));
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let tree = parser.or()?;
    match parser.tokens.get(parser.at) {
        None if tree.depth() > DEPTH_MAX => Err(too_deep()),
        None => Ok(tree),
        Some(_) => Err(format!("the expression should end before {}", parser.here())),
    }
}

fn too_deep() -> String {
    format!("more than {DEPTH_MAX} parts within one another; use fewer operators or brackets")
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = if first.is_ascii_alphabetic() {
            let word = prefix(rest, |char| char.is_ascii_alphanumeric() || char == '_');
            (Token::Word(word.to_ascii_lowercase()), word.len())
        } else if first.is_ascii_digit() {
            let number = prefix(rest, |char| char.is_ascii_digit() || char == '.');
            (Token::Number(number.to_owned()), number.len())
        } else if first == '\'' {
            quoted(rest)?
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign = sign.ok_or_else(|| format!("{first:?} means nothing here"))?;
            (Token::Sign(sign), sign.len())
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

fn prefix(text: &str, good: impl Fn(char) -> bool) -> &str {
    &text[..text.find(|char| !good(char)).unwrap_or(text.len())]
}

/// A text in quotes, a quote in it written twice.
fn quoted(text: &str) -> Result<(Token, usize), String> {
    let mut content = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            '\'' if chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                chars.next();
                content.push('\'');
            }
            '\'' => return Ok((Token::Text(content), at + 1)),
            '\0' => return Err("a text cannot hold the character NUL".to_owned()),
            char => content.push(char),
        }
    }
    Err("a text in quotes does not end".to_owned())
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn here(&self) -> String {
        match self.tokens.get(self.at) {
            None => "its end".to_owned(),
            Some(Token::Word(text) | Token::Number(text)) => format!("{text:?}"),
            Some(Token::Text(text)) => format!("'{text}'"),
            Some(Token::Sign(sign)) => format!("{sign:?}"),
        }
    }

    fn takes(&mut self, token: &Token) -> bool {
        let found = self.tokens.get(self.at) == Some(token);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str) -> bool {
        self.takes(&Token::Word(word.to_owned()))
    }

    fn sign(&mut self, sign: &'static str) -> bool {
        self.takes(&Token::Sign(sign))
    }

    fn expect(&mut self, found: bool, what: &str) -> Result<(), String> {
        if found { Ok(()) } else { Err(format!("{what} is missing before {}", self.here())) }
    }

    fn closing(&mut self) -> Result<(), String> {
        let found = self.sign(")");
        self.expect(found, "a closing bracket")
    }

    fn or(&mut self) -> Result<Tree, String> {
        self.depth += 1;
        // The canonical text of a part has at most two brackets.
        if self.depth > 2 * DEPTH_MAX + 2 {
            return Err(too_deep());
        }
        let mut tree = self.and()?;
        while self.word("or") {
            tree = binary(Binary::Or, tree, self.and()?);
        }
        self.depth -= 1;
        Ok(tree)
    }

    fn and(&mut self) -> Result<Tree, String> {
        let mut tree = self.not()?;
        while self.word("and") {
            tree = binary(Binary::And, tree, self.not()?);
        }
        Ok(tree)
    }

    fn not(&mut self) -> Result<Tree, String> {
        let mut turned = false;
        while self.word("not") {
            turned = !turned;
        }
        let tree = self.comparison()?;
        Ok(if turned { Tree::Not(Box::new(tree)) } else { tree })
    }

    fn comparison(&mut self) -> Result<Tree, String> {
        const COMPARISONS: [(&str, Binary); 7] = [
            ("=", Binary::Equal),
            ("<>", Binary::Unequal),
            ("!=", Binary::Unequal),
            ("<", Binary::Less),
            ("<=", Binary::LessOrEqual),
            (">", Binary::Greater),
            (">=", Binary::GreaterOrEqual),
        ];
        let left = self.join()?;
        if let Some((_, operator)) = COMPARISONS.into_iter().find(|(sign, _)| self.sign(sign)) {
            return Ok(binary(operator, left, self.join()?));
        }
        if self.word("is") {
            let turned = self.word("not");
            let found = self.word("null");
            self.expect(found, "null")?;
            let tree = Tree::IsNull(Box::new(left));
            return Ok(if turned { Tree::Not(Box::new(tree)) } else { tree });
        }
        let turned = self.word("not");
        if self.word("in") {
            let found = self.sign("(");
            self.expect(found, "a bracket after in")?;
            let equals = self.list()?.into_iter().map(|item| binary(Binary::Equal, left.clone(), item));
            let tree = equals.reduce(|one, other| binary(Binary::Or, one, other));
            let tree = tree.ok_or("in () has no values")?;
            return Ok(if turned { Tree::Not(Box::new(tree)) } else { tree });
        }
        self.expect(!turned, "in").map(|()| left)
    }

    fn join(&mut self) -> Result<Tree, String> {
        let mut tree = self.sum()?;
        while self.sign("||") {
            tree = binary(Binary::Join, tree, self.sum()?);
        }
        Ok(tree)
    }

    fn sum(&mut self) -> Result<Tree, String> {
        let mut tree = self.product()?;
        loop {
            tree = if self.sign("+") {
                binary(Binary::Plus, tree, self.product()?)
            } else if self.sign("-") {
                binary(Binary::Minus, tree, self.product()?)
            } else {
                return Ok(tree);
            };
        }
    }

    fn product(&mut self) -> Result<Tree, String> {
        let mut tree = self.signed()?;
        loop {
            if self.sign("*") {
                tree = binary(Binary::Times, tree, self.signed()?);
            } else if self.sign("/") {
                return Err("there is no division, since its result is not exact".to_owned());
            } else {
                return Ok(tree);
            }
        }
    }

    fn signed(&mut self) -> Result<Tree, String> {
        let mut turned = false;
        while self.sign("-") {
            turned = !turned;
        }
        let tree = self.primary()?;
        Ok(if turned { Tree::Minus(Box::new(tree)) } else { tree })
    }

    fn primary(&mut self) -> Result<Tree, String> {
        let token = self.tokens.get(self.at).cloned();
        let missing = format!("a value is missing before {}", self.here());
        self.at += 1;
        match token {
            Some(Token::Number(digits)) => Ok(Tree::Number(digits)),
            Some(Token::Text(text)) => Ok(Tree::Text(text)),
            Some(Token::Sign("(")) => {
                let tree = self.or()?;
                self.closing()?;
                Ok(tree)
            }
            Some(Token::Word(word)) => self.worded(word),
            Some(Token::Sign(_)) | None => Err(missing),
        }
    }

    fn worded(&mut self, word: String) -> Result<Tree, String> {
        match word.as_str() {
            "null" => return Ok(Tree::Null),
            "true" => return Ok(Tree::Bool(true)),
            "false" => return Ok(Tree::Bool(false)),
            "case" => return self.case(),
            "cast" | "try_cast" => return self.cast(word == "try_cast"),
            _ if WORDS.contains(&word.as_str()) => return Err(format!("a value is missing before {word:?}")),
            _ => {}
        }
        if let Some(Token::Text(text)) = self.tokens.get(self.at) {
            let tree = Tree::Typed(ty(&word)?, text.clone());
            self.at += 1;
            return Ok(tree);
        }
        if self.sign("(") {
            return Ok(Tree::Call(word, self.list()?));
        }
        Ok(Tree::Column(word.into()))
    }

    /// After an opening bracket: expressions with commas between them, and the closing one.
    fn list(&mut self) -> Result<Vec<Tree>, String> {
        let mut items = Vec::new();
        if self.sign(")") {
            return Ok(items);
        }
        loop {
            items.push(self.or()?);
            if !self.sign(",") {
                self.closing()?;
                return Ok(items);
            }
        }
    }

    fn case(&mut self) -> Result<Tree, String> {
        let mut branches = Vec::new();
        while self.word("when") {
            let condition = self.or()?;
            let found = self.word("then");
            self.expect(found, "then")?;
            branches.push((condition, self.or()?));
        }
        self.expect(!branches.is_empty(), "when")?;
        let otherwise = if self.word("else") { Some(Box::new(self.or()?)) } else { None };
        let found = self.word("end");
        self.expect(found, "end")?;
        Ok(Tree::Case(branches, otherwise))
    }

    fn cast(&mut self, lenient: bool) -> Result<Tree, String> {
        let found = self.sign("(");
        self.expect(found, "a bracket after cast")?;
        let tree = self.or()?;
        let found = self.word("as");
        self.expect(found, "as")?;
        let Some(Token::Word(mut name)) = self.tokens.get(self.at).cloned() else {
            return Err(format!("a type is missing before {}", self.here()));
        };
        self.at += 1;
        if self.sign("(") {
            let sizes: Result<Vec<String>, String> = self
                .list()?
                .into_iter()
                .map(|size| match size {
                    Tree::Number(digits) => Ok(digits),
                    other => Err(format!("{other} is no size of a type")),
                })
                .collect();
            name = format!("{name}({})", sizes?.join(","));
        }
        self.closing()?;
        Ok(Tree::Cast(Box::new(tree), ty(&name)?, lenient))
    }
}

fn ty(name: &str) -> Result<Type, String> {
    name.parse().map_err(|unknown: journal_core::model::schema::UnknownType| unknown.to_string())
}

fn binary(operator: Binary, left: Tree, right: Tree) -> Tree {
    Tree::Binary(operator, Box::new(left), Box::new(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(text: &str, canonical: &str) {
        let tree = parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        assert_eq!(tree.to_string(), canonical);
        assert_eq!(parse(canonical), Ok(tree), "the canonical text reads back");
    }

    #[test]
    fn operators_bind_as_in_sql() {
        reads("a + b * -c - 1", "((a + (b * (- c))) - 1)");
        reads("a or b and not c = 'x' || 'y'", "(a or (b and (not (c = ('x' || 'y')))))");
        reads("A IS NOT NULL and b is null", "((not (a is null)) and (b is null))");
        reads("a not in (1, 2.50)", "(not ((a = 1) or (a = 2.50)))");
        reads("case when a then 'it''s' else null end", "case when a then 'it''s' else null end");
        reads("try_cast(trim(a) as decimal(9, 2))", "try_cast(trim(a) as decimal(9,2))");
        reads("day >= date '2005-05-24'", "(day >= date '2005-05-24')");
    }

    #[test]
    fn what_is_no_expression_is_told() {
        for (text, told) in [
            ("", "a value is missing before its end"),
            ("a +", "a value is missing before its end"),
            ("a b", "should end before \"b\""),
            ("a / 2", "there is no division"),
            ("'open", "does not end"),
            ("a ; b", "';' means nothing here"),
            ("cast(a as money)", "\"money\" is no type"),
            ("(a", "a closing bracket is missing before its end"),
            ("case else 1 end", "when is missing"),
            ("a not b", "in is missing"),
        ] {
            let fault = parse(text).expect_err(text);
            assert!(fault.contains(told), "{text}: {fault}");
        }
        let deep = "(".repeat(2000);
        assert!(parse(&deep).expect_err("too deep").contains("parts within one another"));
        let long = format!("a{}", " + a".repeat(60));
        assert!(parse(&long).expect_err("too deep").contains("parts within one another"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_tree_or_a_fault(text in "[a-c0-9'()<>=|*+, .-]{0,40}|\\PC{0,20}|( (not|case|when|then|end|and|a|1|=|\\(|\\)|is|null|cast|as|int)){0,20}") {
            if let Ok(tree) = parse(&text) {
                proptest::prop_assert_eq!(parse(&tree.to_string()), Ok(tree));
            }
        }
    }
}
