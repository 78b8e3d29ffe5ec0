//! Errors with SQLSTATEs of Deed's own, all in class `PD`.

use deed_core::Rejection;

/// The SQLSTATEs that callers may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlState {
    /// `PD001`: `deed.apply` was given an event that can't be read.
    MalformedEvent,
    /// `PD002`: applying above READ COMMITTED, where reading behind a lock may miss a commit.
    IsolationLevel,
    /// `PD003`: a cursor that does not belong to this list.
    Cursor,
    /// `PD004`: a page size outside 1 to 1,000.
    PageSize,
    /// `PD005`: a position that names no places in Kafka.
    Position,
    /// `PD006`: the arrays of a batch don't fit each other.
    MalformedBatch,
    /// `PD007`: a watch that has ended before it begins, or whose watcher's name is too long.
    Watch,
    /// `PD010`: another owner has claimed the partition.
    Fenced,
    /// `PD011`: the stored position is below the batch: one was lost on the way.
    PositionBehind,
    /// `PD012`: the topic is not the one that the position belongs to.
    TopicRecreated,
    /// `PD013`: nobody has claimed the partition.
    NotClaimed,
    /// `PD014`: a record can't be read, and the caller does not tolerate that.
    Intolerable,
    /// `PD020`: a table or index that checks read is missing or not as expected.
    IndexUnusable,
    /// `PD021`: a document that has permissions has no row, which only a partial restore can leave.
    DocumentMissing,
}

impl SqlState {
    /// The five characters.
    pub fn code(self) -> &'static [u8; 5] {
        match self {
            SqlState::MalformedEvent => b"PD001",
            SqlState::IsolationLevel => b"PD002",
            SqlState::Cursor => b"PD003",
            SqlState::PageSize => b"PD004",
            SqlState::Position => b"PD005",
            SqlState::MalformedBatch => b"PD006",
            SqlState::Watch => b"PD007",
            SqlState::Fenced => b"PD010",
            SqlState::PositionBehind => b"PD011",
            SqlState::TopicRecreated => b"PD012",
            SqlState::NotClaimed => b"PD013",
            SqlState::Intolerable => b"PD014",
            SqlState::IndexUnusable => b"PD020",
            SqlState::DocumentMissing => b"PD021",
        }
    }
}

/// An error on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which one it is.
    pub state: SqlState,
    /// What went wrong, and what was expected.
    pub message: String,
    /// The field or value concerned.
    pub detail: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
}

impl Failure {
    /// Without detail or hint.
    pub fn new(state: SqlState, message: impl Into<String>) -> Self {
        Self {
            state,
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self {
            detail: Some(rejection.field.clone()),
            ..Self::new(
                SqlState::MalformedEvent,
                format!("the event can't be applied: {rejection}"),
            )
        }
    }
}
