//! What a check found: how it is, and if it should be otherwise: what, why, and how to get there.

/// How much a change matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Clients will be refused, lost or stalled without it, or the broker does not start.
    Needed,
    /// Costs speed that can be measured.
    Worth,
    /// May help, depending on the load: try it, and look at `--stats`.
    Hint,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Needed => "needed",
            Severity::Worth => "worth it",
            Severity::Hint => "hint",
        }
    }
}

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Fine {
        is: String,
    },
    /// What cannot be read here.
    Unknown {
        missing: String,
    },
    Change(Change),
}

/// What would be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub severity: Severity,
    pub is: String,
    pub to: String,
    /// The reason, with the effect.
    pub why: String,
    /// The command, or the setting of the configuration.
    pub how: String,
}

/// One check and its outcome.
pub struct Finding {
    pub about: String,
    pub verdict: Verdict,
}

impl Verdict {
    pub fn fine(is: impl Into<String>) -> Self {
        Self::Fine { is: is.into() }
    }

    pub fn unknown(missing: impl Into<String>) -> Self {
        Self::Unknown {
            missing: missing.into(),
        }
    }

    /// Changes by severity, then what is fine, then what is not known.
    pub fn rank(&self) -> u8 {
        match self {
            Verdict::Change(change) => change.severity as u8,
            Verdict::Fine { .. } => 3,
            Verdict::Unknown { .. } => 4,
        }
    }
}
