//! `demo` starts the whole line and tells a story on it; `demo down` ends one that was left running.

use std::process::ExitCode;

use deed_tests::demo;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["up"] => demo::up(),
        ["down"] => demo::down(),
        _ => Err("expected `demo`, `demo up` or `demo down`".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}
