//! A page of the docs whose commands work as they stand: all of its `sh` fences run in one shell, and
//! the fence that follows one says what it prints.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::spawn::run;

/// Between what two fences print.
const MARK: &str = "=== fence";

/// A fence of commands.
struct Fence {
    commands: String,
    prints: Option<String>,
}

fn fences(page: &str) -> Vec<Fence> {
    let mut fences: Vec<Fence> = Vec::new();
    let mut pieces = page.split("\n```");
    // Text and fences take turns.
    pieces.next();
    while let (Some(piece), Some(_text)) = (pieces.next(), pieces.next()) {
        let (language, body) = piece.split_once('\n').unwrap_or((piece, ""));
        match (language, fences.last_mut()) {
            ("sh", _) => fences.push(Fence {
                commands: body.to_owned(),
                prints: None,
            }),
            ("json", Some(last)) => last.prints = Some(body.to_owned()),
            _ => {}
        }
    }
    fences
}

/// Runs the page in the project's folder with these variables set; gives what differs, a line each, and
/// how many fences were compared.
pub fn run_page(
    root: &Path,
    page: &str,
    variables: &[(&'static str, String)],
) -> Result<(Vec<String>, usize), String> {
    let fences = fences(page);
    let mut script = "set -eu\n".to_owned();
    for fence in &fences {
        // The demo's file is what the variables stand for.
        let commands = fence.commands.replace(". .demo/env", "");
        script += &format!("printf '\\n{MARK}\\n'\n{commands}\n");
    }
    let mut shell = Command::new("sh");
    shell.current_dir(root).args(["-c", &script]);
    shell.envs(variables.iter().map(|(name, value)| (name, value)));
    let printed = run(&shell, None)?;
    let printed: Vec<&str> = printed.split(&format!("\n{MARK}\n")).skip(1).collect();
    let mut differences = Vec::new();
    let mut compared = 0;
    for (fence, printed) in fences.iter().zip(&printed) {
        if let Some(expected) = &fence.prints {
            compared += 1;
            if !is_as_written(expected, printed) {
                let commands = fence.commands.trim_end();
                differences.push(format!(
                    "{commands}\nprints\n{printed}\nand not\n{expected}"
                ));
            }
        }
    }
    match printed.len() == fences.len() {
        true => Ok((differences, compared)),
        false => Err(format!("{} fences ran of {}", printed.len(), fences.len())),
    }
}

/// JSON values are compared as such, one after the other; other lines as text. `…` stands for whatever
/// is another each time.
fn is_as_written(expected: &str, printed: &str) -> bool {
    let (expected, printed) = (values(expected), values(printed));
    expected.len() == printed.len()
        && expected
            .iter()
            .zip(&printed)
            .all(|(expected, printed)| is_like(expected, printed))
}

/// A line that continues a JSON value belongs to it.
fn values(text: &str) -> Vec<Value> {
    let mut values = Vec::new();
    let mut begun = String::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        begun.push_str(line);
        let mut stream = serde_json::Deserializer::from_str(&begun).into_iter::<Value>();
        let parsed: Result<Vec<Value>, _> = stream.by_ref().collect();
        match parsed {
            Ok(parsed) => values.extend(parsed),
            Err(error) if error.is_eof() => continue,
            Err(_) => values.push(Value::String(begun.clone())),
        }
        begun.clear();
    }
    if !begun.is_empty() {
        values.push(Value::String(begun));
    }
    values
}

fn is_like(expected: &Value, printed: &Value) -> bool {
    match (expected, printed) {
        (Value::Array(expected), Value::Array(printed)) => {
            expected.len() == printed.len()
                && expected.iter().zip(printed).all(|(e, p)| is_like(e, p))
        }
        (Value::Object(expected), Value::Object(printed)) => {
            expected.len() == printed.len()
                && expected.iter().all(|(name, value)| {
                    printed
                        .get(name)
                        .is_some_and(|printed| is_like(value, printed))
                })
        }
        (Value::String(expected), Value::String(printed)) => match expected.split_once('…') {
            Some((before, after)) => printed.starts_with(before) && printed.ends_with(after),
            None => expected == printed,
        },
        _ => expected == printed,
    }
}
