//! The result of one requirement on an installation, for `doctor` and for the report of the activity.

/// Whether a requirement is met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The requirement is met.
    Pass,
    /// This service cannot verify the requirement, or recommends a change.
    Note(String),
    /// The requirement is not met; the text is the next step.
    Fail(String),
}

/// One requirement and its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The source of the requirement, such as `ASVS 12.2.1`.
    pub(crate) clause: &'static str,
    /// The requirement in one sentence.
    pub(crate) requirement: &'static str,
    pub(crate) verdict: Verdict,
}

impl Finding {
    /// A requirement: `next_step` is shown if it is not met, and `doctor` exits 1.
    pub(crate) fn new(
        clause: &'static str,
        requirement: &'static str,
        is_met: bool,
        next_step: &str,
    ) -> Self {
        let verdict = if is_met { Verdict::Pass } else { Verdict::Fail(next_step.to_owned()) };
        Self { clause, requirement, verdict }
    }

    /// A recommendation: `note` is shown if it is not met, and the exit code does not change.
    pub(crate) fn advice(
        clause: &'static str,
        requirement: &'static str,
        is_met: bool,
        note: &str,
    ) -> Self {
        let verdict = if is_met { Verdict::Pass } else { Verdict::Note(note.to_owned()) };
        Self { clause, requirement, verdict }
    }
}
