//! The forms of identifiers, codes, days and hashes, as the OpenAPI document gives them: one schema each, which fields refer to
//! with `value_type`.
//!
//! In Rust these are texts: who reads a message needs no more, and who checks one parses it into the ledger's type. A pattern
//! here is the canonical form; what a check character has to be, only the ledger says.

use utoipa::openapi::schema::{
    AdditionalProperties, KnownFormat, ObjectBuilder, SchemaFormat, Type,
};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// What a text must look like.
struct Form {
    about: &'static str,
    pattern: Option<&'static str>,
    /// Fewest and most characters.
    length: Option<(usize, usize)>,
    format: Option<KnownFormat>,
    example: Option<&'static str>,
}

impl Form {
    fn schema(self) -> RefOr<Schema> {
        let mut text = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(self.about.trim()))
            .pattern(self.pattern)
            .format(self.format.map(SchemaFormat::KnownFormat))
            .examples(self.example);
        if let Some((least, most)) = self.length {
            text = text.min_length(Some(least)).max_length(Some(most));
        }
        text.into()
    }
}

macro_rules! department {
    () => {
        "[0-9A-HJ-NP-RTUWXY]{2}[0-9]{6}[0-9A-HJ-NP-RTUWXY]{10}"
    };
}

macro_rules! matter_code {
    () => {
        "[A-Za-z0-9._-]{1,64}"
    };
}

macro_rules! forms {
    ($(#[doc = $about:literal] $name:ident { $($part:ident: $value:expr),* $(,)? })+) => {$(
        #[doc = $about]
        pub enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                Form { $($part: $value,)* ..Form { about: $about, pattern: None, length: None, format: None, example: None } }
                    .schema()
            }
        }

        impl ToSchema for $name {}
    )+};
}

forms! {
    /// A certificate's identifier (ZZBS, GB/T 36904) in its canonical form: root, type, issuer, serial number, version, check character.
    CertificateId {
        pattern: Some(concat!(
            r"^1\.2\.156\.3005\.2\.", department!(), r"[0-9]{3}\.(", department!(),
            r"|[0-9]{6})\.[0-9A-Z]{1,40}\.[0-9]{3}\.[0-9A-Z]$"
        )),
        example: Some("1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"),
    }
    /// A department's unified social credit code (GB 32100).
    DepartmentCode {
        pattern: Some(concat!("^", department!(), "$")),
        example: Some("11430000006122244L"),
    }
    /// Code of a certificate type (ZZLXDM): the defining authority's code and its number for the type.
    TypeCode {
        pattern: Some(concat!("^", department!(), "[0-9]{3}$")),
        example: Some("11100000000013338W011"),
    }
    /// An issuer's own serial number.
    Serial {
        pattern: Some("^[0-9A-Z]{1,40}$"),
        example: Some("20230000403"),
    }
    /// A department's code for a matter or a sub-matter.
    MatterCode {
        pattern: Some(concat!("^", matter_code!(), "$")),
        example: Some("SL-001"),
    }
    /// A sub-matter: department, matter, sub-matter.
    MatterRef {
        pattern: Some(concat!("^", department!(), "/", matter_code!(), "/", matter_code!(), "$")),
        example: Some("11430000006122244L/SL-001/01"),
    }
    /// A matter as `[department/]matter[/sub-matter]`: this department's where none is named, and its only sub-matter.
    MatterName {
        pattern: Some(concat!("^(", department!(), "/)?", matter_code!(), "(/", matter_code!(), ")?$")),
        example: Some("SL-001/01"),
    }
    /// A day in China Standard Time, of the years 1900 to 2999.
    Date {
        pattern: Some("^(19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}$"),
        format: Some(KnownFormat::Date),
        example: Some("2026-01-01"),
    }
    /// A hash of 32 bytes in lower-case hexadecimal.
    Hash {
        pattern: Some("^[0-9a-f]{64}$"),
        example: Some("54272472b0f1b7b8d4f8f6a7c2f0a3a1e7258afe0d4b5c6978f00112233445aa"),
    }
    /// A holder's code (CZZTDM). Never stored or logged.
    HolderCode {
        length: Some((1, 64)),
        example: Some("11330105002500287C"),
    }
    /// Code of a field, such as `ZZMC`.
    FieldCode {
        length: Some((1, 64)),
        example: Some("ZZMC"),
    }
    /// What something is for, in words: at most 512 bytes of UTF-8.
    Purpose {
        length: Some((1, 512)),
        example: Some("food business licence, case 2026-17"),
    }
    /// A particular in words that don't name the holder: at most 512 bytes of UTF-8.
    Remark {
        length: Some((0, 512)),
        example: Some("obtained with a forged application"),
    }
    /// Where a list continues, as the page before gave it.
    Cursor {
        length: Some((1, 512)),
    }
    /// What an issue request names an uploaded file by.
    UploadToken {
        length: Some((1, 4096)),
    }
    /// A libp2p peer identity.
    PeerId {
        pattern: Some("^[1-9A-HJ-NP-Za-km-z]{40,64}$"),
        example: Some("12D3KooWGjMRmvXH2nVhJ1r2o6iXhHc1N1jHkY6yzJ8q1dM5uYpR"),
    }
    /// How long certificates may run: `any`, `long-term`, or the most as a number of days, months or years.
    ValidityRule {
        pattern: Some("^(any|long-term|[0-9]{1,5} (day|month|year)s?)$"),
        example: Some("10 years"),
    }
    /// The role of members that a grant is for: `issue`, or `define:` and the code of an authority.
    GranteeRole {
        pattern: Some(concat!("^(issue|define:", department!(), ")$")),
        example: Some("issue"),
    }
    /// Names a request: sent again with the same content, it is carried out once.
    IdempotencyKey {
        pattern: Some("^[!-~]{1,255}$"),
        example: Some("licence-2026000001"),
    }
    /// Name of an attachment: letters (also Chinese), digits, hyphens, underscores and full stops.
    AttachmentName {
        pattern: Some("^[^.]"),
        length: Some((1, 64)),
        example: Some("licence.pdf"),
    }
}

/// Bytes as they are: a file, a proof bundle, lines of JSON.
pub enum Binary {}

impl PartialSchema for Binary {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .into()
    }
}

impl ToSchema for Binary {}

/// A map of names to texts, at most this many.
fn texts_by_name(about: &'static str, most: usize, value: RefOr<Schema>) -> RefOr<Schema> {
    ObjectBuilder::new()
        .description(Some(about))
        .max_properties(Some(most))
        .additional_properties(Some(AdditionalProperties::RefOr(value)))
        .into()
}

/// The fields of a certificate, by code; with its attachments at most 64.
pub enum FieldValues {}

impl PartialSchema for FieldValues {
    fn schema() -> RefOr<Schema> {
        let value = ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(4096));
        let about = "A certificate's fields by code, each at most 4,096 bytes of UTF-8.";
        texts_by_name(about, 64, value.into())
    }
}

impl ToSchema for FieldValues {}

/// Uploaded files, by the names that a certificate's attachments get.
pub enum UploadsByName {}

impl PartialSchema for UploadsByName {
    fn schema() -> RefOr<Schema> {
        let about = "By an attachment's name, the `upload` that its file was answered with.";
        texts_by_name(about, 16, Ref::from_schema_name("UploadToken").into())
    }
}

impl ToSchema for UploadsByName {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((UploadToken::name().into_owned(), UploadToken::schema()));
    }
}
