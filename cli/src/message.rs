//! What the command itself says: what happened, and what to do about it. The sentences are in the catalogue of
//! `certmesh-text`.

use certmesh_api::coded;
use certmesh_ledger::id::{CertificateId, DepartmentCode};

coded! {
    /// What happened, and where.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Message: "command" {
        /// The node's TLS certificate is one that signs others.
        "tls-authority" TlsAuthority,
        /// No authority that is trusted here has signed it.
        "tls-unknown" TlsUnknown,
        /// It is for other hosts.
        "tls-name" TlsName { names: String },
        /// It has expired.
        "tls-expired" TlsExpired,
        /// It is not valid yet.
        "tls-early" TlsEarly,
        /// TLS was begun with something that does not speak it.
        "tls-missing" TlsMissing,
        /// Something that is not HTTP answered, as a node with TLS does.
        "tls-wanted" TlsWanted,
        /// What was named in another way than by its code.
        "meant" Meant { text: String, meant: String },
        /// A text that is neither a code nor part of a name.
        "nothing-named" NothingNamed { text: String, near: Option<String> },
        /// A text that several names hold.
        "several-named" SeveralNamed { text: String, count: usize },
        /// A definition or grant that names what does not exist.
        "names-nothing" NamesNothing,
        /// A type that no department defines.
        "no-such-type" NoSuchType { at: String, code: String, near: Option<String> },
        /// A department that is not a member.
        "no-such-department" NoSuchDepartment { at: String, code: String, near: Option<String> },
        /// A field that the types' standards do not have.
        "no-such-field" NoSuchField { at: String, code: String, near: Option<String>, fields: String },
        /// A sub-matter that no department defines.
        "no-such-matter" NoSuchMatter { at: String, code: String, near: Option<String> },
        /// What cannot be undone, for a person to confirm.
        "confirm" Confirm { what: String, certificate: String },
        /// The person did not.
        "not-confirmed" NotConfirmed,
        /// A text of another form than an identifier has.
        "not-an-identifier" NotAnIdentifier { text: String, parts: usize },
        /// Nothing where an identifier was meant.
        "no-identifier" NoIdentifier,
        /// A proof where an identifier was meant.
        "is-proof" IsProof,
        /// A holder's code that its kind does not allow.
        "holder" Holder { detail: String },
        /// A person's number where an identifier was meant.
        "is-person" IsPerson,
        /// A department's code where an identifier was meant.
        "is-department" IsDepartment { code: DepartmentCode },
        /// An identifier where a person's number was meant.
        "is-certificate" IsCertificate,
        /// A code whose form fits several kinds.
        "several-kinds" SeveralKinds,
        /// A code whose form fits no kind.
        "no-kind" NoKind,
        /// Which kind a code is taken for.
        "taken-for" TakenFor { kind: String, name: &'static str, chinese: &'static str },
        /// A table where one certificate was meant.
        "is-table" IsTable { file: String, expected: &'static str },
        /// Several fields of a request are wrong.
        "fields-wrong" FieldsWrong { count: usize },
        /// A case that is not accepted yet.
        "waits-for-grant" WaitsForGrant,
        "case-continues" CaseContinues,
    }
}

coded! {
    /// What to do about it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Advice: "advice" {
        /// Make a certificate for a server.
        "tls-authority" TlsAuthority,
        /// Trust its authority, or itself.
        "tls-unknown" TlsUnknown,
        /// Use one of its names.
        "tls-name" TlsName,
        /// Renew it.
        "tls-renew" TlsRenew,
        /// Compare the clocks.
        "tls-clock" TlsClock,
        /// Use `http://`.
        "tls-missing" TlsMissing,
        /// Use `https://`.
        "tls-wanted" TlsWanted { url: String },
        /// See which types there are.
        "types" Types,
        /// See which matters there are.
        "matters" Matters,
        /// Say which one is meant.
        "name-one" NameOne,
        /// Correct it, or insist.
        "correct-or-force" CorrectOrForce,
        /// Look for the certificates of a holder.
        "find-held" FindHeld,
        /// Look for the certificates of an issuer.
        "find-issued" FindIssued { code: DepartmentCode },
        /// Verify it.
        "verify-it" VerifyIt,
        /// Say which kind it is.
        "give-kind" GiveKind { option: &'static str },
        /// Import it.
        "import" Import,
        /// Ask its issuer for them.
        "fetch" Fetch { id: CertificateId },
        /// Give the genesis.
        "network" Network,
        /// See which versions there are.
        "versions" Versions,
        /// Replace what took its place.
        "newest" Newest,
        /// Compare it with the certificate.
        "compare" Compare,
        /// Ask for it again.
        "copies" Copies,
        /// What may have been meant.
        "did-you-mean" DidYouMean { near: String },
        /// Answer yes, or say so beforehand.
        "yes" Yes,
    }
}

#[cfg(test)]
mod tests {
    use certmesh_text::check::mismatches;

    use super::*;

    #[test]
    fn each_message_and_each_advice_has_a_text_with_its_arguments() {
        let found = [mismatches::<Message>(), mismatches::<Advice>()].concat();
        assert_eq!(found, Vec::<String>::new());
    }
}
