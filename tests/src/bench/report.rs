//! What was measured, as a table and as `benches/results.json`.

use std::fs;
use std::path::Path;

use serde::Serialize;

/// One row of the table.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// What it took.
    pub value: f64,
    /// In which unit.
    pub unit: &'static str,
    /// What it is compared with, in the same run and unit.
    pub floor: Option<String>,
    /// What that took.
    pub floor_value: Option<f64>,
    /// The one by the other.
    pub ratio: Option<f64>,
    /// The ratio to reach.
    pub goal: Option<f64>,
    /// Whether it is reached.
    pub ok: Option<bool>,
}

impl Row {
    /// A value against a floor, with the ratio to reach if there is one.
    pub fn against(
        name: impl Into<String>,
        unit: &'static str,
        value: f64,
        (floor, floor_value): (impl Into<String>, f64),
        goal: Option<f64>,
    ) -> Self {
        let ratio = value / floor_value;
        Self {
            name: name.into(),
            value,
            unit,
            floor: Some(floor.into()),
            floor_value: Some(floor_value),
            ratio: Some(ratio),
            goal,
            ok: goal.map(|goal| ratio <= goal),
        }
    }

    /// A value alone.
    pub fn alone(name: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            floor: None,
            floor_value: None,
            ratio: None,
            goal: None,
            ok: None,
        }
    }

    /// Whether it has a goal and misses it.
    pub fn is_missed(&self) -> bool {
        self.ok == Some(false)
    }
}

/// All rows so far.
#[derive(Debug, Default)]
pub struct Report {
    /// What the figures depend on.
    circumstances: Vec<String>,
    rows: Vec<Row>,
}

/// Between these lines of the page stands the table.
const MARKS: [&str; 2] = ["<!-- written by make bench -->\n", "<!-- end -->"];

const HEAD: &str = "| what | value | unit | floor | floor's value | ratio | goal | |\n|---|--:|---|---|--:|--:|--:|---|";

impl Report {
    /// Adds something that the figures depend on, and prints it.
    pub fn note(&mut self, circumstance: String) {
        println!("{circumstance}");
        self.circumstances.push(circumstance);
    }

    /// Adds a row and prints it.
    pub fn add(&mut self, row: Row) {
        println!("{}", line(&row));
        self.rows.push(row);
    }

    /// Prints what the rows below are about.
    pub fn section(&self, title: &str) {
        println!("\n## {title}\n{HEAD}");
    }

    /// Prints all rows again, together, and how many goals are reached.
    pub fn print(&self) {
        println!("\n## All\n{}", self.table());
    }

    fn table(&self) -> String {
        let rows: String = self.rows.iter().map(|row| line(row) + "\n").collect();
        let goals = self.rows.iter().filter(|row| row.ok.is_some()).count();
        let missed = self.rows.iter().filter(|row| row.is_missed()).count();
        let reached = goals - missed;
        format!("{HEAD}\n{rows}\n{reached} of {goals} goals reached, {missed} missed.\n")
    }

    /// Puts the table into the page, where the last run's stands.
    pub fn write_table(&self, page: &Path) -> Result<(), String> {
        let describe = |error: &dyn std::fmt::Display| format!("{}: {error}", page.display());
        let text = fs::read_to_string(page).map_err(|error| describe(&error))?;
        let [start, end] = MARKS;
        let (before, rest) = text.split_once(start).ok_or_else(|| describe(&"no mark"))?;
        let (_, after) = rest
            .split_once(end)
            .ok_or_else(|| describe(&"no end mark"))?;
        let circumstances: String = self
            .circumstances
            .iter()
            .map(|line| format!("- {line}\n"))
            .collect();
        let table = self.table();
        fs::write(
            page,
            format!("{before}{start}\n{circumstances}\n{table}\n{end}{after}"),
        )
        .map_err(|error| describe(&error))
    }

    /// Writes the rows as JSON.
    pub fn write(&self, file: &Path) -> Result<(), String> {
        let describe = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(|error| describe(&error))?;
        }
        let text = serde_json::to_string_pretty(&self.rows).map_err(|error| describe(&error))?;
        fs::write(file, text + "\n").map_err(|error| describe(&error))
    }
}

fn line(row: &Row) -> String {
    let number = |value: Option<f64>| match value {
        None => String::new(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    };
    let verdict = match row.ok {
        None => "",
        Some(true) => "ok",
        Some(false) => "**missed**",
    };
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {verdict} |",
        row.name,
        number(Some(row.value)),
        row.unit,
        row.floor.as_deref().unwrap_or_default(),
        number(row.floor_value),
        number(row.ratio),
        number(row.goal),
    )
}
