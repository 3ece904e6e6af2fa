//! Label selectors as text, the form in which a scale subresource gives them.

use std::collections::BTreeSet;

use kube::core::{Expression, Selector};

/// Reads `app=web,tier!=db,zone in (a,b),!canary`, the form that `metav1.FormatLabelSelector` writes.
///
/// # Errors
/// Which part cannot be read.
pub fn parse(text: &str) -> Result<Selector, String> {
    split(text)?.into_iter().map(|part| requirement(part).ok_or_else(|| format!("cannot read {part:?} of the selector {text:?}"))).collect()
}

/// Splits at commas outside of parentheses.
fn split(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if depth != 0 {
        return Err(format!("unbalanced parentheses in the selector {text:?}"));
    }
    parts.push(text[start..].trim());
    if parts == [""] { Ok(Vec::new()) } else { Ok(parts) }
}

fn requirement(part: &str) -> Option<Expression> {
    if let Some(key) = part.strip_prefix('!') {
        return named(key).map(Expression::DoesNotExist);
    }
    if let Some((key, value)) = part.split_once("!=") {
        return Some(Expression::NotEqual(named(key)?, value.trim().to_owned()));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Some(Expression::Equal(named(key)?, value.trim().to_owned()));
    }
    if let Some((head, list)) = part.split_once('(') {
        let values: BTreeSet<String> = list.strip_suffix(')')?.split(',').map(|value| value.trim().to_owned()).collect();
        let mut words = head.split_whitespace();
        return match (words.next()?, words.next()?, words.next()) {
            (key, "in", None) => Some(Expression::In(named(key)?, values)),
            (key, "notin", None) => Some(Expression::NotIn(named(key)?, values)),
            _ => None,
        };
    }
    named(part).map(Expression::Exists)
}

fn named(key: &str) -> Option<String> {
    let key = key.trim();
    (!key.is_empty() && !key.contains(|c: char| c.is_whitespace() || "()=!,".contains(c))).then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kube::core::SelectorExt;
    use rstest::rstest;

    use super::*;

    fn labels(text: &str) -> BTreeMap<String, String> {
        text.split(',').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    #[rstest]
    #[case::equality("app=web", "app=web", true)]
    #[case::double_equals("app==web", "app=web", true)]
    #[case::another_value("app=web", "app=db", false)]
    #[case::not_equal_holds_when_absent("app!=web", "x=y", true)]
    #[case::set("app in (web, api),tier=front", "app=api,tier=front", true)]
    #[case::not_in("app notin (web)", "app=web", false)]
    #[case::exists("app", "app=x", true)]
    #[case::absent("!canary,app=web", "app=web,canary=1", false)]
    #[case::empty_selects_all("", "a=b", true)]
    fn text_selects(#[case] selector: &str, #[case] of: &str, #[case] expected: bool) {
        assert_eq!(parse(selector).unwrap().matches(&labels(of)), expected);
    }

    #[rstest]
    #[case("app in web)")]
    #[case("app in (web")]
    #[case("=web")]
    #[case("a b")]
    #[case("app=web,,x=y")]
    fn what_cannot_be_read_is_an_error(#[case] selector: &str) {
        assert!(parse(selector).is_err());
    }

    proptest::proptest! {
        /// Anything is read or refused, and what was read selects as the same text does when it is read again.
        #[test]
        fn selectors_of_any_kind(text in "([a-z./]{0,4}(=|==|!=| in | notin )?[(]?[a-z,]{0,5}[)]?,?){0,4}", other in "\\PC{0,30}") {
            let _ = parse(&other);
            if let Ok(selector) = parse(&text) {
                let spaced = text.replace(',', " , ");
                let again = parse(&spaced).unwrap();
                for value in ["", "a", "b"] {
                    let labels = BTreeMap::from([("a".to_owned(), value.to_owned())]);
                    proptest::prop_assert_eq!(selector.matches(&labels), again.matches(&labels), "{}", text);
                }
            }
        }
    }
}
