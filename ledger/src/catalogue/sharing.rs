//! Who may see which fields of a certificate: decided from records alone, so that the issuer that answers and the
//! department that would ask reach the same result.

use crate::codec::Text;
use crate::governance::Member;
use crate::id::{Date, DepartmentCode, TypeCode};
use crate::membership::Membership;
use crate::record::{
    Basis, CertificateIssued, GrantMade, Grantee, MatterDefined, MatterRef, Rule, SharingClass,
};

/// The right to see fields of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// What it rests on.
    pub basis: Basis,
    /// Codes of the fields.
    pub fields: Vec<Text<64>>,
}

/// The rule by which nothing may be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The asker is not a member.
    NotAMember(DepartmentCode),
    /// Nobody defined the matter.
    UnknownMatter(MatterRef),
    /// The matter is another department's.
    OthersMatter(MatterRef),
    /// The matter does not require the type.
    NotRequired {
        /// The matter.
        matter: MatterRef,
        /// The type.
        type_code: TypeCode,
    },
    /// The certificate is not shared.
    NotShared,
    /// The certificate is shared on conditions, and no grant in force fits.
    NoGrant {
        /// Who asks.
        asker: DepartmentCode,
        /// For which matter.
        matter: MatterRef,
    },
}

impl Denial {
    /// The rule, as receipts name it; `None` where no member asks, for then nothing is recorded.
    pub fn rule(&self) -> Option<Rule> {
        match self {
            Denial::NotAMember(_) => None,
            Denial::UnknownMatter(_) => Some(Rule::UnknownMatter),
            Denial::OthersMatter(_) => Some(Rule::OthersMatter),
            Denial::NotRequired { .. } => Some(Rule::NotRequired),
            Denial::NotShared => Some(Rule::NotShared),
            Denial::NoGrant { .. } => Some(Rule::NoGrant),
        }
    }
}

/// Who asks for what.
pub(super) struct Request<'a> {
    pub(super) asker: &'a DepartmentCode,
    pub(super) matter: &'a MatterRef,
    /// The matter's definition, when there is one.
    pub(super) definition: Option<&'a MatterDefined>,
    pub(super) on: Date,
}

/// The fields of a certificate that may be seen, as far as the matter needs them. `grants` are those in force in the
/// log the certificate is in, by their positions.
///
/// # Errors
/// [`Denial`] names the rule; what no rule allows is denied.
pub(super) fn access(
    members: &Membership,
    issuer: &DepartmentCode,
    grants: impl Iterator<Item = (u64, GrantMade)>,
    certificate: &CertificateIssued,
    request: &Request<'_>,
) -> Result<Access, Denial> {
    let (asker, matter, on) = (request.asker, request.matter, request.on);
    let member = members.member(asker).filter(|member| member.is_active());
    // A suspended one couldn't even write down what it was shown.
    let member = member.ok_or(Denial::NotAMember(*asker))?;
    if matter.department != *asker {
        return Err(Denial::OthersMatter(matter.clone()));
    }
    let part = request
        .definition
        .and_then(|definition| definition.part(&matter.part))
        .ok_or_else(|| Denial::UnknownMatter(matter.clone()))?;
    let type_code = certificate.id.type_code();
    if !part.requires_type(&type_code) {
        return Err(Denial::NotRequired {
            matter: matter.clone(),
            type_code,
        });
    }
    let needed = part.required(&type_code);
    if issuer == asker {
        return Ok(Access {
            basis: Basis::Own,
            fields: needed,
        });
    }
    match certificate.sharing {
        SharingClass::NotShared => Err(Denial::NotShared),
        SharingClass::Unconditional => Ok(Access {
            basis: Basis::Unconditional,
            fields: needed,
        }),
        SharingClass::Conditional => {
            let best = grants
                .filter(|(_, grant)| covers(grant, &member, &type_code, matter, on))
                .map(|(seq, grant)| Access {
                    basis: Basis::Grant(seq),
                    fields: granted(&grant, &needed),
                })
                // Of several the one that shows most; of those the oldest.
                .reduce(|best, next| {
                    if next.fields.len() > best.fields.len() {
                        next
                    } else {
                        best
                    }
                });
            best.ok_or_else(|| Denial::NoGrant {
                asker: *asker,
                matter: matter.clone(),
            })
        }
    }
}

fn covers(
    grant: &GrantMade,
    member: &Member,
    type_code: &TypeCode,
    matter: &MatterRef,
    on: Date,
) -> bool {
    let to = match &grant.to {
        Grantee::Department(code) => *code == member.code,
        Grantee::Role(role) => member.roles.contains(role),
    };
    to && grant.type_code == *type_code
        && (grant.matters.is_empty() || grant.matters.contains(matter))
        && grant.until.is_none_or(|until| on <= until)
}

fn granted(grant: &GrantMade, needed: &[Text<64>]) -> Vec<Text<64>> {
    needed
        .iter()
        .filter(|field| grant.fields.is_empty() || grant.fields.contains(field))
        .cloned()
        .collect()
}

#[cfg(test)]
#[path = "sharing_tests.rs"]
mod tests;
