//! SQL functions that look into the attributes of a run. All answer NULL for an absent attribute, which gives filters
//! their three-valued logic.

use std::collections::HashSet;

use memchr::memmem::Finder;
use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::vtab::array::Array;
use steadfast_visibility::tokens;

use crate::blocks;
use crate::codec::{Stored, decode_strings, find};

/// Makes them known to a connection:
/// - `attribute(blob, id)`: a scalar; 1 for a list or a text
/// - `attribute_has_any(blob, id, strings)`: whether a list contains one of the encoded strings
/// - `attribute_has_phrase(blob, id, phrases)`: whether a text contains one of the phrases, each the words with blanks
///   around them
/// - `ids_with(blob, part)`: the places of those ids of a block that have the part, as a table for `rarray`
pub(crate) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("attribute", 2, flags, attribute)?;
    connection.create_scalar_function("attribute_has_any", 3, flags, has_any)?;
    connection.create_scalar_function("attribute_has_phrase", 3, flags, has_phrase)?;
    connection.create_scalar_function("ids_with", 2, flags, ids_with)
}

fn stored<'a>(context: &'a Context<'_>) -> Option<Stored<'a>> {
    match (context.get_raw(0), context.get_raw(1)) {
        (ValueRef::Blob(blob), ValueRef::Integer(id)) => find(blob, id),
        _ => None,
    }
}

fn attribute(context: &mut Context<'_>) -> rusqlite::Result<Sql> {
    Ok(match stored(context) {
        None => Sql::Null,
        Some(Stored::Keyword(text)) => Sql::Text(text.to_owned()),
        Some(Stored::Int(number) | Stored::Datetime(number)) => Sql::Integer(number),
        Some(Stored::Double(number)) => Sql::Real(number),
        Some(Stored::Bool(value)) => Sql::Integer(value.into()),
        Some(Stored::Text(_) | Stored::List(_)) => Sql::Integer(1),
    })
}

fn has_any(context: &mut Context<'_>) -> rusqlite::Result<Option<bool>> {
    // Decoded once per query.
    let wanted = context.get_or_create_aux(2, |value| {
        let strings: HashSet<String> = decode_strings(value.as_blob()?)
            .map(str::to_owned)
            .collect();
        Ok::<_, rusqlite::types::FromSqlError>(strings)
    })?;
    Ok(match stored(context) {
        Some(Stored::List(members)) => {
            Some(decode_strings(members).any(|member| wanted.contains(member)))
        }
        _ => None,
    })
}

fn has_phrase(context: &mut Context<'_>) -> rusqlite::Result<Option<bool>> {
    let wanted = context.get_or_create_aux(2, |value| {
        let phrases: Vec<String> = decode_strings(value.as_blob()?)
            .map(str::to_owned)
            .collect();
        Ok::<_, rusqlite::types::FromSqlError>(phrases)
    })?;
    Ok(match stored(context) {
        Some(Stored::Text(text)) => {
            let words = spaced(&tokens(text));
            Some(wanted.iter().any(|phrase| words.contains(phrase.as_str())))
        }
        _ => None,
    })
}

fn ids_with(context: &mut Context<'_>) -> rusqlite::Result<Array> {
    let part = context.get_or_create_aux(1, |value| {
        Ok::<_, rusqlite::types::FromSqlError>(Finder::new(value.as_bytes()?).into_owned())
    })?;
    let ids = context.get_raw(0).as_blob()?;
    Ok(blocks::places(ids, &part))
}

/// Words with a blank before, between and after them; no word contains one.
pub(crate) fn spaced(words: &[String]) -> String {
    format!(" {} ", words.join(" "))
}
