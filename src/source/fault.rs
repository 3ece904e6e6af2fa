//! Why a server cannot be asked or gives no answer, finer than a signal's failure needs it.

use crate::core::{Failure, FailureKind};

/// What is wrong, as the reason of a `MetricSource`'s condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The object says something impossible.
    InvalidSpec,
    /// A Secret that it names does not exist.
    SecretNotFound,
    /// The Secret has no such key.
    SecretKeyNotFound,
    /// The controller may not read the Secret.
    SecretForbidden,
    /// A `ConfigMap` that it names does not exist.
    ConfigMapNotFound,
    /// The `ConfigMap` has no such key.
    ConfigMapKeyNotFound,
    /// The controller may not read the `ConfigMap`.
    ConfigMapForbidden,
    /// A token, password or header that cannot be sent.
    InvalidCredentials,
    /// A certificate or key that cannot be read.
    InvalidCertificate,
    /// The address is one that a tenant's source must not lead to.
    AddressRefused,
    /// The host's name leads nowhere.
    NameNotResolved,
    /// Nobody listens.
    ConnectionRefused,
    /// No trust, or no common language.
    TlsFailed,
    /// No answer in time.
    Timeout,
    /// Status 401.
    Unauthorized,
    /// Status 403.
    Forbidden,
    /// Status 3xx; redirects are not followed.
    Redirected,
    /// Status 5xx.
    ServerError,
    /// The server took the query and said no.
    QueryRefused,
    /// Status 429: the server wants to be asked less often.
    TooManyRequests,
    /// More series than a query may give.
    TooManySeries,
    /// The answer is not one of a Prometheus.
    InvalidAnswer,
    /// Any other way to get no answer.
    Unreachable,
}

/// A failure and its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub cause: Cause,
    /// What it means for a signal.
    pub failure: Failure,
}

// === impl Cause ===

impl Cause {
    /// As Kubernetes writes reasons.
    pub const fn word(self) -> &'static str {
        match self {
            Self::InvalidSpec => "InvalidSpec",
            Self::SecretNotFound => "SecretNotFound",
            Self::SecretKeyNotFound => "SecretKeyNotFound",
            Self::SecretForbidden => "SecretForbidden",
            Self::ConfigMapNotFound => "ConfigMapNotFound",
            Self::ConfigMapKeyNotFound => "ConfigMapKeyNotFound",
            Self::ConfigMapForbidden => "ConfigMapForbidden",
            Self::InvalidCredentials => "InvalidCredentials",
            Self::InvalidCertificate => "InvalidCertificate",
            Self::AddressRefused => "AddressRefused",
            Self::NameNotResolved => "NameNotResolved",
            Self::ConnectionRefused => "ConnectionRefused",
            Self::TlsFailed => "TLSFailed",
            Self::Timeout => "Timeout",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::Redirected => "Redirected",
            Self::ServerError => "ServerError",
            Self::QueryRefused => "QueryRefused",
            Self::TooManyRequests => "TooManyRequests",
            Self::TooManySeries => "TooManySeries",
            Self::InvalidAnswer => "InvalidAnswer",
            Self::Unreachable => "Unreachable",
        }
    }

    /// The same question may be answered later.
    pub const fn is_passing(self) -> bool {
        matches!(
            self,
            Self::NameNotResolved | Self::ConnectionRefused | Self::Timeout | Self::ServerError | Self::TooManyRequests | Self::Unreachable
        )
    }

    /// The fault is the query's: the server is there and answers.
    pub const fn is_of_query(self) -> bool {
        matches!(self, Self::QueryRefused | Self::TooManyRequests | Self::TooManySeries)
    }

    /// The server does not let us in: its Secret may have been changed.
    pub const fn is_of_login(self) -> bool {
        matches!(self, Self::Unauthorized | Self::Forbidden)
    }
}

// === impl Fault ===

impl Fault {
    /// The same with `what: ` in front.
    pub(super) fn of(&self, what: &str) -> Self {
        Self { cause: self.cause, failure: self.failure.of(what) }
    }
}

/// Where nobody knows better, the cause is as coarse as the failure.
impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        let cause = match failure.kind {
            FailureKind::Unreachable => Cause::Unreachable,
            FailureKind::Refused => Cause::QueryRefused,
            FailureKind::Empty | FailureKind::Invalid => Cause::InvalidAnswer,
        };
        Self { cause, failure }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        fault.failure
    }
}

impl Failure {
    /// Names the cause.
    pub(super) const fn because(self, cause: Cause) -> Fault {
        Fault { cause, failure: self }
    }
}
