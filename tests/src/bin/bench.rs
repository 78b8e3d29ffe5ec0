//! `bench` measures all; `bench checks lists` only these sections.

use std::process::ExitCode;

use deed_tests::bench;

fn main() -> ExitCode {
    let sections: Vec<String> = std::env::args().skip(1).collect();
    match bench::run(&sections) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            if let Some(cause) = error.source() {
                eprintln!("  {cause}");
            }
            ExitCode::FAILURE
        }
    }
}
