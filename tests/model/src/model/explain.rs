//! Every way from a principal to every permission on a document, whether it gives anything or not.

use std::cmp::Reverse;

use serde_json::Value;
use uuid::Uuid;

use super::Level;
use super::facts::{EVERYONE, Register, USERS};
use super::state::{State, uuid};
use super::version::micros;

/// A way, as a row of `explain_permission` shows it; times in microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What was granted; none where it was revoked.
    pub level: Option<Level>,
    /// Whether it gives the principal that.
    pub counts: bool,
    /// The first reason against it, else `granted`.
    pub reason: &'static str,
    /// To whom it was granted.
    pub recipient: Uuid,
    /// Who is between.
    pub via: Vec<Uuid>,
    /// The first link on the way that was promoted to who is before it.
    pub promoted_from: Option<Uuid>,
    /// Who granted or revoked.
    pub by: Option<Uuid>,
    /// When.
    pub at: i128,
    /// Until when.
    pub expires_at: Option<i64>,
}

/// One step: from whom to whom, and how.
#[derive(Debug, Clone, Copy)]
struct Step {
    from: Uuid,
    to: Uuid,
    promotion: bool,
    ended: bool,
}

impl State {
    pub fn explain(&self, principal: Uuid, document: Uuid, now: &str) -> Vec<Explanation> {
        let mut ways = vec![Vec::new()];
        self.walk(
            &self.steps(principal),
            principal,
            &mut Vec::new(),
            &mut ways,
        );
        let told = |way: &Vec<Step>| Some((self.told(way, principal, document, now)?, way.clone()));
        let mut told: Vec<_> = ways.iter().filter_map(told).collect();
        told.sort_by_key(|(row, way)| {
            let steps: Vec<_> = way.iter().map(|step| (step.to, step.promotion)).collect();
            (!row.counts, Reverse(row.level), way.len(), steps)
        });
        told.into_iter().map(|(row, _)| row).collect()
    }

    /// Everything that anybody ever was a member of, or was promoted to them.
    fn steps(&self, principal: Uuid) -> Vec<Step> {
        let registers = self.registers.iter();
        let stored = registers.filter_map(|(register, (_, value))| match *register {
            Register::Membership(to, from) => {
                let ended = value["member"] == false;
                Some(Step {
                    from,
                    to,
                    promotion: false,
                    ended,
                })
            }
            Register::Principal(to, "promotion") => {
                let from = uuid(value)?;
                Some(Step {
                    from,
                    to,
                    promotion: true,
                    ended: false,
                })
            }
            _ => None,
        });
        let built_in = [EVERYONE, USERS].map(|to| {
            let ended = to == USERS && self.kind(principal) != "user";
            Step {
                from: principal,
                to,
                promotion: false,
                ended,
            }
        });
        stored.chain(built_in).collect()
    }

    /// Adds every way that goes on behind `way` and meets nobody twice.
    fn walk(&self, steps: &[Step], start: Uuid, way: &mut Vec<Step>, ways: &mut Vec<Vec<Step>>) {
        let last = way.last().map_or(start, |step| step.to);
        for step in steps.iter().filter(|step| step.from == last) {
            let met = |id| id == start || way.iter().any(|step| step.to == id);
            if !met(step.to) {
                way.push(*step);
                ways.push(way.clone());
                self.walk(steps, start, way, ways);
                way.pop();
            }
        }
    }

    /// The row of a way, if there is a permission at its end.
    fn told(&self, way: &[Step], asker: Uuid, document: Uuid, now: &str) -> Option<Explanation> {
        let mut met: Vec<Uuid> = way.iter().map(|step| step.to).collect();
        met.insert(0, asker);
        let recipient = met.pop()?;
        let register = Register::Permission(document, recipient);
        let (version, permission) = self.registers.get(&register)?;
        let via: Vec<Uuid> = met.into_iter().skip(1).collect();
        let level = Level::ALL
            .into_iter()
            .find(|l| permission["level"] == l.word());
        let expires_at = permission["expires_at"].as_i64();
        let against = [
            ("revoked", permission["level"] == Value::Null),
            (
                "expired",
                expires_at.is_some_and(|at| i128::from(at) <= micros(now)),
            ),
            (
                "not_a_user",
                way.iter().any(|step| step.to == USERS && step.ended),
            ),
            ("member_removed", way.iter().any(|step| step.ended)),
            ("principal_removed", self.removed(asker)),
            ("via_removed", via.iter().any(|id| self.removed(*id))),
            ("recipient_removed", self.removed(recipient)),
            ("document_not_created", !self.created(document)),
            ("document_deleted", self.in_trash(document)),
        ];
        let against = against.into_iter().find(|(_, so)| *so);
        Some(Explanation {
            level,
            counts: against.is_none(),
            reason: against.map_or("granted", |(reason, _)| reason),
            recipient,
            via,
            promoted_from: way.iter().find(|step| step.promotion).map(|step| step.to),
            by: uuid(&permission["by"]),
            at: version.micros(),
            expires_at,
        })
    }
}
