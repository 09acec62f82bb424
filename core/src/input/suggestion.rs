use crate::error::Error;

/// Returns the candidate that is nearest to `name`, if it is near enough to be a misspelling.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let best = candidates.map(|it| (distance(name, it), it)).min_by_key(|it| it.0)?;
    (best.0 <= 1 + name.chars().count() / 4).then_some(best.1)
}

/// The fix for an unknown name: the nearest candidate, or else `otherwise`.
pub(crate) fn meant<'a>(name: &str, candidates: impl Iterator<Item = &'a str>, otherwise: impl Into<String>) -> String {
    nearest(name, candidates).map_or_else(|| otherwise.into(), |it| format!("did you mean {it}?"))
}

/// Returns the choice with the name `word`. `reason` is the error for another word.
pub(crate) fn chosen<T: Clone>(field: &str, word: &str, reason: &str, choices: &[(&str, T)]) -> Result<T, Error> {
    choices.iter().find(|choice| choice.0 == word).map(|choice| choice.1.clone()).ok_or_else(|| {
        let words: Vec<&str> = choices.iter().map(|choice| choice.0).collect();
        let all = match words.as_slice() {
            [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
            _ => words.join(""),
        };
        Error::validation_failed(field, reason, meant(word, words.into_iter(), format!("use {all}")))
    })
}

/// The edit distance (Levenshtein) without case and underscores.
fn distance(left: &str, right: &str) -> usize {
    let fold = |text: &str| text.replace('_', "").to_ascii_lowercase();
    strsim::levenshtein(&fold(left), &fold(right))
}
