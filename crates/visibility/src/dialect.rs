//! From text to syntax. All that depends on sqlparser, whose API changes with each release, stands here and in [`crate::tree`].
//!
//! The parser knows far more SQL than queries may use, so it sees only what is left after three checks of the tokens:
//! limits of length and nesting, tokens that cannot occur, and words, of which only the few that mean something remain
//! keywords. The text of errors is the reference's (semantics 9.2 and 9.7), with its positions, which count from a
//! prefix that it puts before the query.

use sqlparser::ast::{BinaryOperator, Expr};
use sqlparser::dialect::{Dialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Word};

use crate::resolve::QueryError;
use crate::syntax::{Operand, Query};
use crate::tree::{condition, operand};

/// Terms that may be chained by AND and OR.
const CHAIN_MAX: usize = 1000;
/// Parentheses and NOTs that may be inside of each other, plus one.
const NESTING_MAX: usize = 200;
/// Tokens of one term, besides the NOTs and signs before it. No term that means anything has ten.
const TERM_MAX: usize = 32;
/// Levels of sqlparser, of which one of ours may take a few.
const RECURSION_MAX: usize = 8 * NESTING_MAX;
/// The length of what the reference puts before a query, where its positions begin.
const PREFIX_LENGTH: usize = 27;

/// The name of the clause in the reference's texts.
pub(crate) const ORDER_BY: &str = "'ORDER BY' clause";

/// Operators that are words. Those of [`Language::Reference`] come first.
pub(crate) const WORDS: [&str; 2] = ["starts_with", "contains"];

/// Which language a query is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// What the reference takes on its SQL stores.
    Reference,
    /// The same with CONTAINS and, in lists, ORDER BY.
    Extended,
}

/// The words that keep a meaning for sqlparser.
const KEYWORDS: [Keyword; 12] = [
    Keyword::AND,
    Keyword::OR,
    Keyword::NOT,
    Keyword::IN,
    Keyword::IS,
    Keyword::NULL,
    Keyword::TRUE,
    Keyword::FALSE,
    Keyword::BETWEEN,
    Keyword::LIKE,
    Keyword::REGEXP,
    Keyword::RLIKE,
];

/// The rules of MySQL, which the reference follows, plus operators that are words.
#[derive(Debug)]
struct FilterDialect(Language);

impl FilterDialect {
    /// The operator that begins here, and whether there is a NOT before it.
    fn word(&self, [first, second]: [&TokenWithSpan; 2]) -> Option<(&'static str, bool)> {
        let known = match self.0 {
            Language::Reference => &WORDS[..1],
            Language::Extended => &WORDS[..],
        };
        let negated = is_word(first, "not");
        let word = if negated { second } else { first };
        let mut known = known.iter();
        known
            .find(|known| is_word(word, known))
            .map(|word| (*word, negated))
    }
}

impl Dialect for FilterDialect {
    fn is_identifier_start(&self, character: char) -> bool {
        character.is_alphabetic() || character == '_' || character == '$' || character == '@'
    }

    fn is_identifier_part(&self, character: char) -> bool {
        self.is_identifier_start(character) || character.is_numeric()
    }

    fn is_delimited_identifier_start(&self, character: char) -> bool {
        character == '`'
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }

    fn supports_bang_not_operator(&self) -> bool {
        true
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        let word = self.word(parser.peek_tokens_ref());
        word.map(|_| Ok(self.prec_value(Precedence::Between)))
    }

    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        left: &Expr,
        precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        let (word, negated) = self.word(parser.peek_tokens_ref())?;
        if negated {
            parser.next_token();
        }
        parser.next_token();
        let operator = if negated {
            format!("not {word}")
        } else {
            word.to_owned()
        };
        Some(
            parser
                .parse_subexpr(precedence)
                .map(|right| Expr::BinaryOp {
                    left: Box::new(left.clone()),
                    op: BinaryOperator::Custom(operator),
                    right: Box::new(right),
                }),
        )
    }
}

/// Reads a query.
pub(crate) fn parse(text: &str, language: Language) -> Result<Query, QueryError> {
    let dialect = FilterDialect(language);
    let text = text.trim();
    let positions = Positions::of(text);
    let tokens = Tokenizer::new(&dialect, text)
        .tokenize_with_location()
        .map_err(|error| {
            // In practice an open string or comment: the reference finds its end at the end of the text.
            let rest = &text[positions.byte(error.location)..];
            malformed(text.len(), Some(rest.trim_start_matches(['\'', '"', '`'])))
        })?;
    let mut tokens: Vec<_> = tokens
        .into_iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_)))
        .collect();
    check_first(&tokens, &positions)?;
    check_limits(&tokens, &positions)?;
    for index in 0..tokens.len() {
        check_subquery(&tokens[..=index])?;
        simplify(&mut tokens[index], &positions)?;
    }

    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(RECURSION_MAX)
        .with_tokens_with_locations(tokens);
    parse_query(&mut parser).map_err(|error| match error {
        Failure::Syntax => syntax_error(parser.peek_token_ref(), &positions),
        Failure::At(location) => match parser
            .into_tokens()
            .iter()
            .find(|token| token.span.start == location)
        {
            Some(found) => syntax_error(found, &positions),
            None => malformed(text.len(), None),
        },
        Failure::Other(error) => error,
    })
}

enum Failure {
    /// At the next token.
    Syntax,
    At(Location),
    Other(QueryError),
}

impl From<ParserError> for Failure {
    fn from(error: ParserError) -> Self {
        match error {
            ParserError::ParserError(text) | ParserError::TokenizerError(text) => {
                // The place is told only in the text: "..., found: x at Line: 1, Column: 5".
                let place = text
                    .rsplit_once(" at Line: ")
                    .and_then(|(_, place)| place.split_once(", Column: "));
                let place = place
                    .and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
                place.map_or(Self::At(Location::empty()), |(line, column)| {
                    Self::At(Location::new(line, column))
                })
            }
            ParserError::RecursionLimitExceeded => Self::Other(QueryError(
                "malformed SQL query: max nesting level reached".to_owned(),
            )),
        }
    }
}

fn parse_query(parser: &mut Parser<'_>) -> Result<Query, Failure> {
    let mut query = Query::default();
    let no_condition =
        at_end(parser) || at_words(parser, ["group", "by"]) || at_words(parser, ["order", "by"]);
    if !no_condition {
        query.condition = Some(condition(parser.parse_expr()?));
    }
    if take_words(parser, ["group", "by"]) {
        loop {
            query.group_by.push(operand(parser.parse_expr()?));
            if !parser.consume_token(&Token::Comma) {
                break;
            }
        }
    }
    // Each of these ends what is understood, and refuses the query.
    for (words, clause) in [
        (&["having"][..], "'HAVING' clause"),
        (&["order", "by"], ORDER_BY),
        (&["limit"], "'LIMIT' clause"),
    ] {
        let [first, second] = parser.peek_tokens_ref();
        if [first, second]
            .iter()
            .zip(words)
            .all(|(token, word)| is_word(token, word))
        {
            query.refused_clause = Some(clause);
            if take_words(parser, ["order", "by"]) {
                query.order_by = order(parser).unwrap_or_default();
            }
            return Ok(query);
        }
    }
    take_words(parser, ["for", "update"]);
    let _optional = parser.consume_token(&Token::SemiColon);
    if at_end(parser) {
        Ok(query)
    } else {
        Err(Failure::Syntax)
    }
}

/// What follows an ORDER BY, up to the end.
fn order(parser: &mut Parser<'_>) -> Result<Vec<(Operand, bool)>, Failure> {
    let mut order = Vec::new();
    loop {
        let by = operand(parser.parse_expr()?);
        let descends = is_word(parser.peek_token_ref(), "desc");
        if descends || is_word(parser.peek_token_ref(), "asc") {
            parser.next_token();
        }
        order.push((by, descends));
        if !parser.consume_token(&Token::Comma) {
            break;
        }
    }
    match at_end(parser) {
        true => Ok(order),
        false => Err(Failure::Syntax),
    }
}

fn at_end(parser: &Parser<'_>) -> bool {
    parser.peek_token_ref().token == Token::EOF
}

fn at_words(parser: &Parser<'_>, words: [&str; 2]) -> bool {
    let [first, second] = parser.peek_tokens_ref();
    is_word(first, words[0]) && is_word(second, words[1])
}

fn take_words(parser: &mut Parser<'_>, words: [&str; 2]) -> bool {
    let found = at_words(parser, words);
    if found {
        parser.next_token();
        parser.next_token();
    }
    found
}

/// Whether the token is this word, without backticks, in any case.
fn is_word(token: &TokenWithSpan, word: &str) -> bool {
    matches!(&token.token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

// The checks of the tokens.

/// Clauses cannot open a query: their words would be taken for names.
fn check_first(tokens: &[TokenWithSpan], positions: &Positions<'_>) -> Result<(), QueryError> {
    match tokens.first() {
        Some(first)
            if ["select", "where", "limit", "having"]
                .iter()
                .any(|word| is_word(first, word)) =>
        {
            Err(syntax_error(first, positions))
        }
        _ => Ok(()),
    }
}

/// What was counted since the last parenthesis that is still open.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Parentheses, NOTs and signs around what follows.
    nesting: usize,
    /// Tokens of the current term. Operators make a tree that is as deep as the term is long.
    term: usize,
    /// BETWEENs that wait for their AND.
    between: usize,
}

/// Bounds what the recursive parser, and every walk of its result, will meet.
fn check_limits(tokens: &[TokenWithSpan], positions: &Positions<'_>) -> Result<(), QueryError> {
    let mut chained: usize = 0;
    let mut level = Level::default();
    let mut outer: Vec<Level> = Vec::new();
    for token in tokens {
        let not = is_word(token, "not");
        let and = token.token == Token::Overlap || is_word(token, "and");
        let or = token.token == Token::StringConcat || is_word(token, "or");
        let base = outer.last().map_or(0, |outer| outer.nesting + 1);
        match &token.token {
            Token::LParen => {
                outer.push(level);
                level = Level {
                    nesting: level.nesting + 1,
                    ..Level::default()
                };
            }
            Token::RParen => level = outer.pop().unwrap_or_default(),
            Token::Comma => {
                level = Level {
                    nesting: base,
                    ..Level::default()
                }
            }
            _ if and && level.between > 0 => level.between -= 1,
            _ if and || or => {
                chained += 1;
                level = Level {
                    nesting: base,
                    ..Level::default()
                };
            }
            Token::ExclamationMark | Token::Minus | Token::Plus => level.nesting += 1,
            _ if not => level.nesting += 1,
            _ if is_word(token, "between") => level.between += 1,
            _ => {}
        }
        level.term += 1;
        if chained > CHAIN_MAX || level.term > TERM_MAX + NESTING_MAX {
            return Err(QueryError(
                "malformed SQL query: max ast depth reached".to_owned(),
            ));
        }
        if level.nesting >= NESTING_MAX {
            let position = PREFIX_LENGTH + positions.byte(token.span.end) + 1;
            let near = if not { " near 'not'" } else { "" };
            let reason = format!(
                "malformed SQL query: max nesting level reached at position {position}{near}"
            );
            return Err(QueryError(reason));
        }
    }
    Ok(())
}

/// Refuses subqueries before they are parsed; the last of the tokens is examined.
fn check_subquery(tokens: &[TokenWithSpan]) -> Result<(), QueryError> {
    let Some((last, before)) = tokens.split_last() else {
        return Ok(());
    };
    if !is_word(last, "select") {
        return Ok(());
    }
    let exists = matches!(before, [.., word, paren] if is_word(word, "exists") && paren.token == Token::LParen);
    Err(QueryError(if exists {
        "operation is not supported: expression of type *sqlparser.ExistsExpr".to_owned()
    } else {
        "invalid expression: unexpected value type *sqlparser.Subquery".to_owned()
    }))
}

/// Turns the token into one that means the same to sqlparser, or refuses it.
fn simplify(token: &mut TokenWithSpan, positions: &Positions<'_>) -> Result<(), QueryError> {
    match &mut token.token {
        Token::Word(word) if word.quote_style.is_none() && word.keyword == Keyword::XOR => {}
        Token::Word(word) => {
            if word.quote_style.is_some() || !KEYWORDS.contains(&word.keyword) {
                word.keyword = Keyword::NoKeyword;
            }
            return Ok(());
        }
        // `1L` is a number to sqlparser.
        Token::Number(_, false)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::HexStringLiteral(_)
        | Token::Placeholder(_)
        | Token::Comma
        | Token::Eq
        | Token::Neq
        | Token::Lt
        | Token::LtEq
        | Token::Gt
        | Token::GtEq
        | Token::Spaceship
        | Token::LParen
        | Token::RParen
        | Token::Plus
        | Token::Minus
        | Token::Mul
        | Token::Div
        | Token::Mod
        | Token::ExclamationMark
        | Token::SemiColon
        | Token::EOF => return Ok(()),
        Token::Overlap => {
            token.token = keyword("AND", Keyword::AND);
            return Ok(());
        }
        Token::StringConcat => {
            token.token = keyword("OR", Keyword::OR);
            return Ok(());
        }
        _ => {}
    }
    Err(syntax_error(token, positions))
}

fn keyword(value: &str, keyword: Keyword) -> Token {
    Token::Word(Word {
        value: value.to_owned(),
        quote_style: None,
        keyword,
    })
}

// Errors.

fn syntax_error(found: &TokenWithSpan, positions: &Positions<'_>) -> QueryError {
    let near = match &found.token {
        Token::EOF => return malformed(positions.text.len(), None),
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_lowercase()),
        Token::Word(word) => Some(word.value.clone()),
        Token::Number(text, _)
        | Token::SingleQuotedString(text)
        | Token::DoubleQuotedString(text) => Some(text.clone()),
        _ => None,
    };
    malformed(positions.byte(found.span.end), near.as_deref())
}

/// The error at a token that ends at this byte of the query.
fn malformed(end: usize, near: Option<&str>) -> QueryError {
    let position = PREFIX_LENGTH + end + 1;
    let near = near
        .map(|near| format!(" near '{near}'"))
        .unwrap_or_default();
    QueryError(format!(
        "malformed SQL query: syntax error at position {position}{near}"
    ))
}

/// Translates lines and columns of characters to bytes of the text.
struct Positions<'a> {
    text: &'a str,
    lines: Vec<usize>,
}

impl<'a> Positions<'a> {
    fn of(text: &'a str) -> Self {
        let after_breaks = text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(index, _)| index + 1);
        Self {
            text,
            lines: std::iter::once(0).chain(after_breaks).collect(),
        }
    }

    fn byte(&self, location: Location) -> usize {
        let line = usize::try_from(location.line.max(1) - 1).unwrap_or(usize::MAX);
        let column = usize::try_from(location.column.max(1) - 1).unwrap_or(usize::MAX);
        let Some(start) = self.lines.get(line) else {
            return self.text.len();
        };
        let rest = &self.text[*start..];
        start
            + rest
                .char_indices()
                .nth(column)
                .map_or(rest.len(), |(index, _)| index)
    }
}
