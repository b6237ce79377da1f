//! Changing what was issued: statuses, and fields erased.

use certmesh_ledger::record::{CertificateErased, StatusChanged};
use futures::future::BoxFuture;

use super::{Appended, PeerService, Refusal, RetryKey};
use crate::peer::writer::Append;

/// Changing certificates of this department.
pub(crate) trait Change {
    /// Appends a status change.
    fn change_status(
        &self,
        change: StatusChanged,
        retry: Option<RetryKey>,
    ) -> BoxFuture<'static, Result<Appended, Refusal>>;

    /// Destroys the fields of a certificate and records that it was done.
    fn erase(&self, erasure: CertificateErased) -> BoxFuture<'static, Result<Appended, Refusal>>;
}

impl Change for PeerService {
    fn change_status(
        &self,
        change: StatusChanged,
        retry: Option<RetryKey>,
    ) -> BoxFuture<'static, Result<Appended, Refusal>> {
        self.append_one(Append::Change(change), retry)
    }

    fn erase(&self, erasure: CertificateErased) -> BoxFuture<'static, Result<Appended, Refusal>> {
        self.append_one(Append::Erase(erasure), None)
    }
}
