//! What a misspelt name was meant to be.

/// The known name nearest to a misspelt one, unless none is near.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let (distance, near) = known.clone().into_iter().map(|known| (strsim::damerau_levenshtein(name, known), known)).min()?;
    // Further away than half of its letters, a suggestion only confuses; but the beginning of a name is not far from it.
    let begun = || known.into_iter().find(|known| name.len() > 2 && known.starts_with(name));
    if distance <= name.len().max(4) / 2 { Some(near) } else { begun() }
}

/// `did you mean x?`, or the whole list.
pub(crate) fn hint(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}", known.join(", ")),
    }
}
