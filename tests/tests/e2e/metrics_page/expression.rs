//! The words of a PromQL expression that name metrics and labels. promtool sees to the rest.

/// A word that names something.
#[derive(Debug, PartialEq)]
pub enum Word<'e> {
    /// A metric, the labels that its matchers name, and the function that it is the first word of.
    Metric {
        name: &'e str,
        matched: Vec<&'e str>,
        under: Option<&'e str>,
    },
    /// A label that the answer is grouped by.
    Grouped(&'e str),
}

/// Where a text's first word ends: letters, digits, underscores and colons.
fn end(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':')
        .unwrap_or(text.len())
}

/// What stands between the bracket that a text begins with and the next closing one.
fn within(text: &str, open: char, close: char) -> Option<&str> {
    text.trim_start().strip_prefix(open)?.split(close).next()
}

/// The words of an expression, in order.
pub fn words(expression: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut rest = expression;
    let mut function = None;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '"' || c == '[') {
        // A word directly behind a function's bracket is under it.
        let under = function.filter(|_| rest[..start].trim() == "(");
        rest = &rest[start..];
        if let Some(quoted) = rest.strip_prefix('"') {
            rest = quoted.split_once('"').map_or("", |(_, behind)| behind);
            continue;
        }
        if let Some(range) = rest.strip_prefix('[') {
            rest = range.split_once(']').map_or("", |(_, behind)| behind);
            continue;
        }
        let (name, behind) = rest.split_at(end(rest));
        rest = behind;
        function = Some(name);
        if name.starts_with("deed_") || name.starts_with("process_") {
            let matchers = within(rest, '{', '}').unwrap_or_default();
            let matched = matchers.split(',').map(str::trim);
            let matched = matched.filter(|matcher| !matcher.is_empty());
            words.push(Word::Metric {
                name,
                matched: matched.map(|matcher| &matcher[..end(matcher)]).collect(),
                under,
            });
            // What a label is matched with is no word.
            rest = rest.strip_prefix('{').map_or(rest, |matchers| {
                matchers.split_once('}').map_or("", |(_, behind)| behind)
            });
        } else if matches!(name, "by" | "without" | "on" | "ignoring") {
            let labels = within(rest, '(', ')').unwrap_or_default();
            words.extend(labels.split(',').map(str::trim).map(Word::Grouped));
            rest = rest.split_once(')').map_or("", |(_, behind)| behind);
            function = None;
        }
    }
    words
}

/// The labels that a text puts in: `{{label}}` of Grafana, `{{ $labels.label }}` of Prometheus.
pub fn placeholders(text: &str) -> Vec<&str> {
    let inside = text.split("{{").skip(1);
    let inside = inside.filter_map(|rest| rest.split("}}").next());
    inside
        .map(|name| name.trim().trim_start_matches("$labels."))
        .filter(|name| !name.starts_with('$'))
        .collect()
}
