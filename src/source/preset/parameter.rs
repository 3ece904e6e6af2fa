//! What can be set of a preset.

use crate::api::nearest;

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub form: Form,
    /// Its value where none is given; empty for [`Form::Target`], which is then the target's own name.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// What a parameter may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A range of time.
    Window,
    /// The name by which the metrics know the target.
    Target,
    /// A name of something else.
    Name,
    /// One of these.
    OneOf(&'static [&'static str]),
}

/// Longest name.
const LONGEST: usize = 253;

// === impl Parameter ===

impl Parameter {
    /// What is allowed, where `value` is not.
    ///
    /// # Errors
    /// The allowed form. Nothing that passes can end the string, or leave the brackets, that it will stand in.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let allowed = match self.form {
            Form::Window => seconds(value).is_some_and(|seconds| (10..=3600).contains(&seconds)),
            Form::Target => is_name(value),
            Form::Name => value == self.default || is_name(value),
            Form::OneOf(all) => all.contains(&value),
        };
        if allowed { Ok(()) } else { Err(format!("must be {}", self.form.words())) }
    }
}

impl Form {
    /// What is allowed, in words.
    pub fn words(self) -> String {
        match self {
            Self::Window => "10s to 1h, such as 30s, 2m or 1h".to_owned(),
            Self::Target | Self::Name => format!("a name of 1 to {LONGEST} letters, digits, '-', '_' and '.'"),
            Self::OneOf(all) => all.join(" or "),
        }
    }
}

/// The parameter called `name`, or what to say of it.
pub(crate) fn find<'a>(parameters: &'a [Parameter], name: &str) -> Result<&'a Parameter, String> {
    parameters.iter().find(|parameter| parameter.name == name).ok_or_else(|| {
        let names = parameters.iter().map(|parameter| parameter.name);
        match nearest::nearest(name, names.clone()) {
            Some(near) => format!("unknown parameter; did you mean {near}?"),
            None => format!("unknown parameter; there are {}", names.collect::<Vec<_>>().join(", ")),
        }
    })
}

fn is_name(value: &str) -> bool {
    (1..=LONGEST).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn seconds(value: &str) -> Option<u32> {
    let end = value.find(|c: char| !c.is_ascii_digit())?;
    let factor = match &value[end..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    value[..end].parse::<u32>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Form::Window, &["10s", "90s", "1m", "60m", "1h"], &["", "1", "9s", "2h", "1m30s", "1m]) or vector(1)#", "-1m", "99999999999h"])]
    #[case(Form::Target, &["web", "web-v2", "web.front", "A_1"], &["", "web\"", "a|b", "a b", "${name}", ".*"])]
    #[case(Form::Name, &["orders", ".+"], &["", "a\"}", "a|b"])]
    #[case(Form::OneOf(&["source", "destination"]), &["source"], &["", "Source", "waypoint"])]
    fn values_are_checked(#[case] form: Form, #[case] allowed: &[&str], #[case] refused: &[&str]) {
        let parameter = Parameter { name: "x", form, default: ".+", meaning: "" };
        assert!(allowed.iter().all(|value| parameter.check(value).is_ok()));
        for value in refused {
            assert!(parameter.check(value).is_err(), "{value}");
        }
    }
}
