//! What a misspelt name was meant to be.

/// The known name nearest to a misspelt one, unless none is near.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, near) = known.into_iter().map(|known| (strsim::damerau_levenshtein(name, known), known)).min()?;
    // Further away than half of its letters, a suggestion only confuses.
    (distance <= name.len().max(4) / 2).then_some(near)
}

/// `did you mean x?`, or the whole list.
pub(crate) fn hint<'a>(name: &str, known: &[&'a str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}", known.join(", ")),
    }
}
