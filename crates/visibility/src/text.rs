//! Words of texts: how a `Text` attribute is split, so that every store finds the same.

use unicode_normalization::UnicodeNormalization;

/// Lower case without diacritics: `Café` and `cafe` are the same word.
pub fn fold(text: &str) -> String {
    let decomposed = text.chars().flat_map(char::to_lowercase).nfd();
    decomposed
        .filter(|character| !('\u{300}'..='\u{36f}').contains(character))
        .collect()
}

/// The words of a text, folded, in order: the runs of letters and digits.
pub fn tokens(text: &str) -> Vec<String> {
    let folded = fold(text);
    let words = folded.split(|character: char| !is_part_of_word(character));
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Marks outside of the Latin diacritics belong to the letter before them (vowel signs of Indic scripts, ...).
fn is_part_of_word(character: char) -> bool {
    character.is_alphanumeric() || unicode_normalization::char::is_combining_mark(character)
}

/// Whether the phrase occurs in the words, one after the other.
pub(crate) fn contains_phrase(words: &[String], phrase: &[String]) -> bool {
    !phrase.is_empty() && words.windows(phrase.len()).any(|window| window == phrase)
}
