//! Attachments of a certificate: a scan, a signed PDF, an OFD file.
//!
//! A certificate commits to an attachment as to any field: the field's name is `@` and the attachment's name, its value
//! `<media type> <size> <BLAKE3 of the content>`. So it is shown or hidden like any field, and whoever is shown it can
//! check the content when it comes.

use std::fmt;
use std::str::FromStr;

use crate::crypto::hash::Hash;

/// Most bytes of an attachment.
pub const MAX_ATTACHMENT: u64 = 64 << 20;
/// Most attachments of a certificate.
pub const MAX_ATTACHMENTS: usize = 16;
/// What the name of an attachment's field begins with; alone it is the code, in matters and grants, of all of them.
pub const ATTACHMENT_MARK: char = '@';
/// Longest name of an attachment, in characters.
const MAX_NAME: usize = 64;

/// What is kept of an attachment in its certificate's commitment.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name.
    pub name: AttachmentName,
    /// What kind of file it is.
    pub media_type: MediaType,
    /// Bytes of the content, 1 to [`MAX_ATTACHMENT`].
    pub size: u64,
    /// BLAKE3 of the content, without a key, so that any tool can make it.
    pub content: Hash,
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attachment({}, {} bytes)", self.media_type, self.size)
    }
}

/// A field that names an attachment and does not describe one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an attachment's field: expected `@` and a name, and `<media type> <size> <BLAKE3>`")]
pub struct NotAnAttachment;

impl Attachment {
    /// Name and value of the field.
    pub fn field(&self) -> (String, String) {
        let value = format!("{} {} {}", self.media_type, self.size, self.content);
        (format!("{ATTACHMENT_MARK}{}", self.name), value)
    }

    /// The attachment that a field describes; `None` for another field.
    ///
    /// # Errors
    /// [`NotAnAttachment`] for one whose name begins like an attachment's and is not valid, or whose value has another
    /// form: there is one text for each attachment.
    pub fn of_field(name: &str, value: &str) -> Result<Option<Attachment>, NotAnAttachment> {
        let Some(name) = name.strip_prefix(ATTACHMENT_MARK) else {
            return Ok(None);
        };
        let mut parts = value.split(' ');
        let mut next = || parts.next().ok_or(NotAnAttachment);
        let (media_type, size, content) = (next()?, next()?, next()?);
        let attachment = Attachment {
            name: name.parse().map_err(|_| NotAnAttachment)?,
            media_type: media_type.parse().map_err(|_| NotAnAttachment)?,
            size: size.parse().map_err(|_| NotAnAttachment)?,
            content: content.parse().map_err(|_| NotAnAttachment)?,
        };
        let fits = (1..=MAX_ATTACHMENT).contains(&attachment.size);
        if fits && attachment.field().1 == value {
            Ok(Some(attachment))
        } else {
            Err(NotAnAttachment)
        }
    }
}

/// An attachment's name: one that is a file's name everywhere and leads to no other directory.
#[derive(serde::Serialize, serde::Deserialize, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(try_from = "String", into = "String")]
pub struct AttachmentName(String);

/// Why a text is not an attachment's name. Does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an attachment's name has 1 to 64 letters (also Chinese), digits, hyphens, underscores and full stops, and does not \
     begin with a full stop"
)]
pub struct NotAnAttachmentName;

impl AttachmentName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a name may hold this character.
    pub fn may_hold(c: char) -> bool {
        c.is_alphanumeric() || matches!(c, '-' | '_' | '.')
    }
}

impl fmt::Display for AttachmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AttachmentName {
    /// A name may be a holder's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttachmentName(…)")
    }
}

impl TryFrom<String> for AttachmentName {
    type Error = NotAnAttachmentName;

    fn try_from(text: String) -> Result<AttachmentName, NotAnAttachmentName> {
        text.parse()
    }
}

impl From<AttachmentName> for String {
    fn from(name: AttachmentName) -> String {
        name.0
    }
}

impl FromStr for AttachmentName {
    type Err = NotAnAttachmentName;

    fn from_str(text: &str) -> Result<AttachmentName, NotAnAttachmentName> {
        // Counted no further than it takes: a text from elsewhere may be long.
        let characters = text.chars().take(MAX_NAME + 1).count();
        let fits = (1..=MAX_NAME).contains(&characters);
        if fits && !text.starts_with('.') && text.chars().all(AttachmentName::may_hold) {
            Ok(AttachmentName(text.to_owned()))
        } else {
            Err(NotAnAttachmentName)
        }
    }
}

/// The kinds of file that can be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// PDF.
    Pdf,
    /// OFD, the national format for documents (GB/T 33190).
    Ofd,
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// TIFF.
    Tiff,
}

/// A media type that is not attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected application/pdf, application/ofd, image/png, image/jpeg or image/tiff")]
pub struct UnknownMediaType;

impl MediaType {
    /// Every kind.
    pub const ALL: [MediaType; 5] = [
        MediaType::Pdf,
        MediaType::Ofd,
        MediaType::Png,
        MediaType::Jpeg,
        MediaType::Tiff,
    ];
    /// This many bytes of a file show whether it [fits](MediaType::fits).
    pub const TELLING: usize = 8;

    /// Its name, as HTTP has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            MediaType::Pdf => "application/pdf",
            MediaType::Ofd => "application/ofd",
            MediaType::Png => "image/png",
            MediaType::Jpeg => "image/jpeg",
            MediaType::Tiff => "image/tiff",
        }
    }

    /// How names of such files end, without the full stop.
    pub const fn extensions(self) -> &'static [&'static str] {
        match self {
            MediaType::Pdf => &["pdf"],
            MediaType::Ofd => &["ofd"],
            MediaType::Png => &["png"],
            MediaType::Jpeg => &["jpg", "jpeg"],
            MediaType::Tiff => &["tif", "tiff"],
        }
    }

    /// Whether a file that begins like this can be of the kind.
    pub fn fits(self, beginning: &[u8]) -> bool {
        let begins: &[&[u8]] = match self {
            MediaType::Pdf => &[b"%PDF-"],
            // A package of files, as ZIP has them.
            MediaType::Ofd => &[b"PK\x03\x04"],
            MediaType::Png => &[b"\x89PNG\r\n\x1a\n"],
            MediaType::Jpeg => &[b"\xff\xd8\xff"],
            // Either order of bytes, with places of 32 bits or of 64.
            MediaType::Tiff => &[b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"],
        };
        begins.iter().any(|begin| beginning.starts_with(begin))
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MediaType {
    type Err = UnknownMediaType;

    fn from_str(text: &str) -> Result<MediaType, UnknownMediaType> {
        let mut all = MediaType::ALL.into_iter();
        all.find(|kind| kind.as_str() == text)
            .ok_or(UnknownMediaType)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hash::{Purpose, hash};

    #[test]
    fn an_attachment_has_one_text_and_is_read_back_from_it_alone() {
        let attachment = Attachment {
            name: "营业执照-1.pdf".parse().unwrap(),
            media_type: MediaType::Pdf,
            size: 3_145_728,
            content: hash(Purpose::File, b"x"),
        };
        let (name, value) = attachment.field();
        assert_eq!(name, "@营业执照-1.pdf");
        assert_eq!(
            Attachment::of_field(&name, &value),
            Ok(Some(attachment.clone()))
        );
        assert_eq!(Attachment::of_field("ZZMC", &value), Ok(None));
        let digits = attachment.content.to_string();
        for wrong in [
            String::new(),
            value.to_uppercase(),
            format!("{value} "),
            format!(" {value}"),
            value.replace(' ', "  "),
            value.replace("3145728", "03145728"),
            value.replace("3145728", "+3145728"),
            value.replace("3145728", "0"),
            value.replace("3145728", "67108865"),
            value.replace("application/pdf", "text/html"),
            format!("application/pdf 1 {}", digits.to_uppercase()),
            format!("application/pdf 1 {}", &digits[1..]),
        ] {
            assert_eq!(
                Attachment::of_field(&name, &wrong),
                Err(NotAnAttachment),
                "{wrong}"
            );
        }
        assert_eq!(Attachment::of_field("@", &value), Err(NotAnAttachment));
        assert_eq!(Attachment::of_field("@a/b", &value), Err(NotAnAttachment));
        assert!(!format!("{attachment:?}").contains("营业执照"));
    }

    #[test]
    fn a_name_is_a_file_s_name_everywhere() {
        let longest = "证".repeat(64);
        for good in ["a", "1", "身份证_正面.jpg", "a..b", "-x", &longest] {
            assert!(good.parse::<AttachmentName>().is_ok(), "{good}");
        }
        let longer = "证".repeat(65);
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "a\\b",
            "a b",
            "a\0",
            "a:b",
            "a\u{202e}b",
            "~",
            "@a",
            &longer,
        ] {
            assert!(bad.parse::<AttachmentName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_media_type_is_recognised_by_the_first_bytes() {
        let beginnings: [(&[u8], MediaType); 6] = [
            (b"%PDF-1.7", MediaType::Pdf),
            (b"PK\x03\x04\x14\0\0\0", MediaType::Ofd),
            (b"\x89PNG\r\n\x1a\n", MediaType::Png),
            (b"\xff\xd8\xff\xe0", MediaType::Jpeg),
            (b"II*\0", MediaType::Tiff),
            (b"MM\0*", MediaType::Tiff),
        ];
        for (beginning, kind) in beginnings {
            for other in MediaType::ALL {
                assert_eq!(other.fits(beginning), other == kind, "{kind} {other}");
            }
        }
        for kind in MediaType::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert!(!kind.fits(b"") && !kind.fits(b"GIF89a"));
        }
    }
}
