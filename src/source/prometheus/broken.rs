//! What went wrong with a request.

use reqwest::StatusCode;

use super::address::{AddressRefused, Reach, Unresolved};
use super::decode::{DecodeError, decode};
use crate::core::Failure;
use crate::source::failure::{chain, quote};
use crate::source::{Cause, Fault};

/// What ended a connection, or kept it from being made.
pub fn broken(error: &reqwest::Error) -> Fault {
    let mut found = Cause::Unreachable;
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(refused) = inner.downcast_ref::<AddressRefused>() {
            return Failure::refused(refused.to_string()).because(Cause::AddressRefused);
        }
        let io = inner.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused) {
            found = Cause::ConnectionRefused;
        } else if inner.is::<rustls::Error>() {
            found = Cause::TlsFailed;
        } else if inner.is::<Unresolved>() {
            found = Cause::NameNotResolved;
        }
        // An I/O error passes over what it wraps when it is asked for its source.
        cause = match io.and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => inner.source(),
        };
    }
    Failure::unreachable(quote(&chain(error))).because(found)
}

/// What an answer with an error status means.
pub fn rejected(status: StatusCode, body: &[u8], reach: &Reach) -> Fault {
    let said = match decode(body) {
        Err(DecodeError::Server(said)) => said,
        // A tenant chose the address: what is not a Prometheus's own error may be anybody's, and must not be read out to the tenant.
        _ if *reach != Reach::Everywhere => String::new(),
        // A page of a proxy in between says nothing that helps.
        _ => match std::str::from_utf8(body) {
            Ok(text) if !text.trim_start().starts_with(['<', '{']) => text.to_owned(),
            _ => String::new(),
        },
    };
    let said = quote(&said);
    let message = if said.is_empty() { status.to_string() } else { format!("{status}: {said}") };
    if status.is_server_error() {
        Failure::unreachable(message).because(Cause::ServerError)
    } else if status.is_redirection() {
        Failure::refused(format!("{message}: redirects are not followed; give the final address")).because(Cause::Redirected)
    } else {
        Failure::refused(message).because(match status {
            StatusCode::UNAUTHORIZED => Cause::Unauthorized,
            StatusCode::FORBIDDEN => Cause::Forbidden,
            // Nothing of a Prometheus is there.
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Cause::InvalidAnswer,
            StatusCode::TOO_MANY_REQUESTS => Cause::TooManyRequests,
            StatusCode::PAYLOAD_TOO_LARGE => Cause::TooManySeries,
            _ => Cause::QueryRefused,
        })
    }
}
