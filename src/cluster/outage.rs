//! An error that comes again and again is said once while it lasts.

/// The error said last, until the outage is over.
#[derive(Debug, Default)]
pub(super) struct Outage(String);

impl Outage {
    /// Takes an error; whether it is another one than before.
    pub fn is_news(&mut self, error: &str) -> bool {
        let news = self.0 != error;
        if news {
            error.clone_into(&mut self.0);
        }
        news
    }

    /// It works again.
    pub fn end(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_news_once_and_again_after_it_was_over() {
        let mut outage = Outage::default();
        let said: Vec<bool> = ["a", "a", "b", "b"].iter().map(|error| outage.is_news(error)).collect();
        assert_eq!(said, [true, false, true, false]);
        outage.end();
        assert!(outage.is_news("b"));
    }
}
