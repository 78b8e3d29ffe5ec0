/// Why an event can't be taken: the field that is wrong, and what was expected of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Rejection {
    /// The attribute or the path of the member, such as `time` or `data.level`.
    pub field: String,
    /// What is wrong with it, in words for the person who mends the producer.
    pub problem: String,
}

/// Longer pieces of the producer's own text are cut, so that a reason stays a line.
const QUOTED_CHARS: usize = 64;

impl Rejection {
    /// `field` without any quoted input.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
        }
    }

    /// Says what was expected and quotes what stood there instead.
    pub fn expected(field: impl Into<String>, expected: &str, found: &str) -> Self {
        let mut quoted: String = found
            .chars()
            .take(QUOTED_CHARS)
            .flat_map(char::escape_debug)
            .collect();
        if found.chars().nth(QUOTED_CHARS).is_some() {
            quoted.push('…');
        }
        Self::new(field, format!("expected {expected}, found \"{quoted}\""))
    }
}
