//! What can go wrong, in the words of the product; HTTP and command line translate.

use types::Problem;

/// Result of the engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The thing an error is about; gives the middle of its code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Area {
    /// A computer.
    Client,
    /// An image.
    Image,
    /// A version of an image.
    Version,
    /// A snapshot of a computer's disk.
    Snapshot,
    /// A file on its way to an image.
    Upload,
    /// A boot entry.
    BootEntry,
    /// A group of computers.
    Group,
    /// A kind of firmware.
    Firmware,
    /// A boot.
    Boot,
    /// A lease.
    Lease,
    /// A scope.
    Scope,
    /// A reservation.
    Reservation,
    /// A boot network.
    Network,
    /// A loader set.
    Loader,
    /// An overlay or base file.
    Disk,
    /// An exported disk.
    Export,
    /// The virtual lab.
    Lab,
    /// A user account.
    User,
    /// A sign-in.
    Auth,
    /// A sign-in, as a thing to list and end.
    Session,
    /// An API token.
    Token,
    /// A job.
    Job,
    /// The audit log.
    Audit,
    /// The keys of secrets.
    Secret,
    /// A setting.
    Setting,
    /// The server itself.
    System,
}

impl Area {
    /// Every one.
    pub const ALL: &[Area] = &[
        Area::Client,
        Area::Image,
        Area::Version,
        Area::Snapshot,
        Area::Upload,
        Area::BootEntry,
        Area::Group,
        Area::Firmware,
        Area::Boot,
        Area::Lease,
        Area::Scope,
        Area::Reservation,
        Area::Network,
        Area::Loader,
        Area::Disk,
        Area::Export,
        Area::Lab,
        Area::User,
        Area::Auth,
        Area::Session,
        Area::Token,
        Area::Job,
        Area::Audit,
        Area::Secret,
        Area::Setting,
        Area::System,
    ];

    /// As in `NSB-CLIENT-002`.
    pub fn code(self) -> &'static str {
        match self {
            Area::Client => "CLIENT",
            Area::Image => "IMAGE",
            Area::Version => "VERSION",
            Area::Snapshot => "SNAPSHOT",
            Area::Upload => "UPLOAD",
            Area::BootEntry => "ENTRY",
            Area::Group => "GROUP",
            Area::Firmware => "FIRMWARE",
            Area::Boot => "BOOT",
            Area::Lease => "LEASE",
            Area::Scope => "SCOPE",
            Area::Reservation => "RESERVATION",
            Area::Network => "NETWORK",
            Area::Loader => "LOADER",
            Area::Disk => "DISK",
            Area::Export => "EXPORT",
            Area::Lab => "LAB",
            Area::User => "USER",
            Area::Auth => "AUTH",
            Area::Session => "SESSION",
            Area::Token => "TOKEN",
            Area::Job => "JOB",
            Area::Audit => "AUDIT",
            Area::Secret => "SECRET",
            Area::Setting => "SETTING",
            Area::System => "SYSTEM",
        }
    }

    /// In plain words: `API token`.
    pub fn word(self) -> &'static str {
        match self {
            Area::Client => "computer",
            Area::Image => "image",
            Area::Version => "version",
            Area::Snapshot => "snapshot",
            Area::Upload => "upload",
            Area::BootEntry => "boot entry",
            Area::Group => "group",
            Area::Firmware => "firmware",
            Area::Boot => "boot",
            Area::Lease => "lease",
            Area::Scope => "scope",
            Area::Reservation => "reservation",
            Area::Network => "boot network",
            Area::Loader => "loader set",
            Area::Disk => "disk",
            Area::Export => "export",
            Area::Lab => "virtual computer",
            Area::User => "user",
            Area::Auth => "session",
            Area::Session => "session",
            Area::Token => "API token",
            Area::Job => "job",
            Area::Audit => "audit entry",
            Area::Secret => "key of secrets",
            Area::Setting => "setting",
            Area::System => "server",
        }
    }
}

/// A failure of the engine. Each variant has one number, so that a code such as `NSB-CLIENT-002`
/// says area and kind.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 001: an input breaks a rule.
    #[error("{field}: {message}")]
    Invalid {
        /// What it was an input for.
        area: Area,
        /// Which input.
        field: &'static str,
        /// The rule that it breaks, and what would be right.
        message: String,
    },
    /// 002: it would contradict what is there.
    #[error("{message}")]
    Conflict {
        /// What it is about.
        area: Area,
        /// What is in the way.
        message: String,
        /// What to do.
        hint: String,
    },
    /// 003: it was changed since the caller read it.
    #[error("the {} was changed meanwhile; it is now at revision {current}", .area.word())]
    PreconditionFailed {
        /// What it is about.
        area: Area,
        /// Its revision now.
        current: u64,
    },
    /// 004: there is none.
    #[error("there is no {} {which:?}", .area.word())]
    NotFound {
        /// What was looked for.
        area: Area,
        /// Name or id as asked.
        which: String,
    },
    /// 005: not possible here and now.
    #[error("{message}")]
    Unavailable {
        /// What it is about.
        area: Area,
        /// Why not.
        message: String,
        /// What to do.
        hint: String,
    },
    /// 006: too many tries.
    #[error("too many tries; the next is possible in {retry_after_seconds} s")]
    TooMany {
        /// What was tried.
        area: Area,
        /// Seconds until the next try.
        retry_after_seconds: u32,
    },
    /// 010: not signed in, or not any more.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// 011: signed in, but not allowed.
    #[error("{0}")]
    Forbidden(&'static str),
    /// 020: the database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// 021: the file system failed.
    #[error("{doing} failed: {source}")]
    Io {
        /// What we were doing, with the path.
        doing: String,
        /// What the system answered.
        source: std::io::Error,
    },
    /// 029: a defect of ours.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// An input that breaks a rule.
    pub fn invalid(area: Area, field: &'static str, message: impl Into<String>) -> Self {
        Error::Invalid {
            area,
            field,
            message: message.into(),
        }
    }

    /// Something in the way, and what to do about it.
    pub fn conflict(area: Area, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Error::Conflict {
            area,
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// Nothing by that name.
    pub fn not_found(area: Area, which: impl ToString) -> Self {
        Error::NotFound {
            area,
            which: which.to_string(),
        }
    }

    /// Not possible here and now, and what to do about it.
    pub fn unavailable(area: Area, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Error::Unavailable {
            area,
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// For `map_err`: a failure of the file system while `doing`.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Error::Io { doing, source }
    }

    /// Stable code such as `NSB-CLIENT-002`.
    pub fn code(&self) -> String {
        let (area, number) = match self {
            Error::Invalid { area, .. } => (*area, 1),
            Error::Conflict { area, .. } => (*area, 2),
            Error::PreconditionFailed { area, .. } => (*area, 3),
            Error::NotFound { area, .. } => (*area, 4),
            Error::Unavailable { area, .. } => (*area, 5),
            Error::TooMany { area, .. } => (*area, 6),
            Error::Unauthorized(_) => (Area::Auth, 10),
            Error::Forbidden(_) => (Area::Auth, 11),
            Error::Store(_) => (Area::System, 20),
            Error::Io { .. } => (Area::System, 21),
            Error::Internal(_) => (Area::System, 29),
        };
        format!("NSB-{}-{number:03}", area.code())
    }

    /// As the outside sees it. Texts of the file system and the database stay inside.
    pub fn problem(&self) -> Problem {
        let (status, title, hint) = match self {
            Error::Invalid { area, .. } => (
                422,
                format!("That is not a valid {}", area.word()),
                "Correct it and try again.".to_string(),
            ),
            Error::Conflict { hint, .. } => (409, self.to_string(), hint.clone()),
            Error::PreconditionFailed { .. } => (
                412,
                self.to_string(),
                "Read it again, then repeat the change with the new ETag.".to_string(),
            ),
            Error::NotFound { area, .. } => (
                404,
                self.to_string(),
                match area {
                    Area::Version => "A version is known by its number: `nsboot image versions IMAGE` lists them.".into(),
                    area => format!(
                        "List what is there; any {} is known by its name or id.",
                        area.word()
                    ),
                },
            ),
            Error::Unavailable { hint, .. } => (503, self.to_string(), hint.clone()),
            Error::TooMany { .. } => (429, self.to_string(), "Wait, then try again.".to_string()),
            Error::Unauthorized(_) => (401, self.to_string(), "Sign in.".to_string()),
            Error::Forbidden(_) => (
                403,
                self.to_string(),
                "Ask an administrator for a higher role.".to_string(),
            ),
            Error::Store(store::Error::InUse { .. }) => (
                503,
                "Another nsboot has the data folder open".to_string(),
                "One data folder serves one nsboot.".to_string(),
            ),
            Error::Store(_) | Error::Io { .. } => (
                500,
                "The server could not read or write its data".to_string(),
                "The server's log names the file; check the disk under the data folder."
                    .to_string(),
            ),
            Error::Internal(_) => (
                500,
                "The server failed because of a defect".to_string(),
                "Please report it with the server's log of this moment.".to_string(),
            ),
        };
        let problem = Problem::new(status, &self.code(), title, hint);
        match self {
            Error::Invalid { field, message, .. } => problem.field(field, message.clone()),
            Error::TooMany {
                retry_after_seconds,
                ..
            } => Problem {
                retry_after_seconds: Some(*retry_after_seconds),
                ..problem
            },
            _ => problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_area_and_kind_and_a_problem_what_to_do() {
        for (error, code, status) in [
            (
                Error::invalid(Area::Client, "name", "x"),
                "NSB-CLIENT-001",
                422,
            ),
            (Error::conflict(Area::Image, "x", "y"), "NSB-IMAGE-002", 409),
            (
                Error::PreconditionFailed {
                    area: Area::Client,
                    current: 2,
                },
                "NSB-CLIENT-003",
                412,
            ),
            (Error::not_found(Area::Boot, "x"), "NSB-BOOT-004", 404),
            (Error::unavailable(Area::Lab, "x", "y"), "NSB-LAB-005", 503),
            (
                Error::TooMany {
                    area: Area::Auth,
                    retry_after_seconds: 3,
                },
                "NSB-AUTH-006",
                429,
            ),
            (Error::Unauthorized("x"), "NSB-AUTH-010", 401),
            (Error::Forbidden("x"), "NSB-AUTH-011", 403),
            (store::Error::Closed.into(), "NSB-SYSTEM-020", 500),
            (Error::Internal("x".into()), "NSB-SYSTEM-029", 500),
        ] {
            let problem = error.problem();
            assert_eq!((problem.code.as_str(), problem.status), (code, status));
            assert!(!problem.hint.is_empty() && !problem.title.is_empty());
        }
    }

    #[test]
    fn what_the_system_answered_stays_inside() {
        let e = Error::io("reading /secret/path")(std::io::ErrorKind::NotFound.into());
        assert!(e.to_string().contains("/secret/path"), "for the log");
        assert!(!e.problem().to_string().contains("secret"));
        let e = Error::invalid(Area::Client, "mac", "not one computer's").problem();
        assert_eq!(e.fields[0].field, "mac");
    }
}
