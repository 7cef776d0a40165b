//! The result of one requirement.

/// Whether a requirement is met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The requirement is met.
    Pass,
    /// This service cannot verify the requirement, or recommends a change.
    Note(String),
    /// The requirement is not met; the text is the next step.
    Fail(String),
}

/// One requirement and its verdict.
pub(super) struct Finding {
    /// The source of the requirement, such as `ASVS 12.2.1`.
    pub(super) clause: &'static str,
    /// The requirement in one sentence.
    pub(super) requirement: &'static str,
    pub(super) verdict: Verdict,
}

impl Finding {
    /// A requirement: `next_step` is shown if it is not met, and `doctor` exits 1.
    pub(super) fn new(
        clause: &'static str,
        requirement: &'static str,
        is_met: bool,
        next_step: &str,
    ) -> Self {
        let verdict = if is_met { Verdict::Pass } else { Verdict::Fail(next_step.to_owned()) };
        Self { clause, requirement, verdict }
    }

    /// A recommendation: `note` is shown if it is not met, and the exit code does not change.
    pub(super) fn advice(
        clause: &'static str,
        requirement: &'static str,
        is_met: bool,
        note: &str,
    ) -> Self {
        let verdict = if is_met { Verdict::Pass } else { Verdict::Note(note.to_owned()) };
        Self { clause, requirement, verdict }
    }
}
