//! Attachments of certificates: files that go to a node before their certificate is issued, and come back from it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use certmesh_api::{AttachmentView, CertificateFields, Uploaded};
use certmesh_ledger::crypto::hash::Hash;
use certmesh_ledger::id::CertificateId;
use certmesh_ledger::record::{
    ATTACHMENT_MARK, Attachment, AttachmentName, MAX_ATTACHMENT, MAX_ATTACHMENTS, MediaType,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::client::{Client, segment};
use crate::retry::Retry;
use crate::screen::{Screen, Tone, counted, grouped, printable};
use crate::{Error, Outcome, files};

/// Progress of shorter files would only flicker.
const LARGE: u64 = 4 << 20;

/// A file that can be attached.
pub(crate) struct Attaching {
    path: PathBuf,
    name: AttachmentName,
    media_type: MediaType,
    size: u64,
}

/// Checks all files before anything is sent; every fault is reported.
pub(crate) fn look(paths: &[PathBuf], screen: &mut Screen) -> Result<Vec<Attaching>, Error> {
    let mut faults = Vec::new();
    let mut found: Vec<Attaching> = Vec::with_capacity(paths.len());
    for path in paths {
        match Attaching::look(path, screen) {
            Ok(file) if found.iter().any(|other| other.name == file.name) => {
                let name = printable(file.name.as_str());
                faults.push(format!("{}: another file is named {name}", path.display()));
            }
            Ok(file) => found.push(file),
            Err(fault) => faults.push(format!("{}: {fault}", path.display())),
        }
    }
    if paths.len() > MAX_ATTACHMENTS {
        let count = paths.len();
        faults.push(format!(
            "{count} files are given, a certificate has at most {MAX_ATTACHMENTS}"
        ));
    }
    if faults.is_empty() {
        Ok(found)
    } else {
        let what = "these files cannot be attached";
        Err(Error::Faults { what, faults })
    }
}

impl Attaching {
    fn look(path: &Path, screen: &mut Screen) -> Result<Attaching, String> {
        let said = |error: io::Error| error.to_string();
        let file = File::open(path).map_err(said)?;
        let metadata = file.metadata().map_err(said)?;
        if !metadata.is_file() {
            return Err("is not a file".to_owned());
        }
        let size = metadata.len();
        if size > MAX_ATTACHMENT {
            return Err(format!(
                "has {} bytes, at most {} are allowed",
                grouped(size),
                grouped(MAX_ATTACHMENT)
            ));
        }
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let extension = extension.to_ascii_lowercase();
        let mut kinds = MediaType::ALL.into_iter();
        let media_type = kinds
            .find(|kind| kind.extensions().contains(&&*extension))
            .ok_or("its name must end in .pdf, .ofd, .png, .jpg, .jpeg, .tif or .tiff")?;
        let mut beginning = Vec::with_capacity(MediaType::TELLING);
        let telling = MediaType::TELLING as u64;
        let read = file.take(telling).read_to_end(&mut beginning);
        read.map_err(said)?;
        if !media_type.fits(&beginning) {
            return Err(format!(
                "does not begin as a file of type {media_type} does"
            ));
        }
        let given = path.file_name().unwrap_or_default().to_string_lossy();
        let cleaned = cleaned(&given);
        let name = cleaned.parse().map_err(|error| format!("{error}"))?;
        if cleaned != given {
            screen.note(&format!(
                "note: {} is attached as {cleaned}: names hold only letters, digits, - _ and .",
                printable(&given)
            ));
        }
        Ok(Attaching {
            path: path.to_owned(),
            name,
            media_type,
            size,
        })
    }

    fn send(&self, client: &Client, screen: &Screen) -> Result<Uploaded, Error> {
        const PATH: &str = "/v1/attachments";
        let file = File::open(&self.path).map_err(|error| Error::read(&self.path, error))?;
        let bar = progress(self.size, &self.name, screen);
        let mut reader = Hashed::new(bar.wrap_read(file.take(self.size)));
        let answer = client.upload(PATH, self.media_type.as_str(), self.size, &mut reader);
        bar.finish_and_clear();
        let uploaded: Uploaded = answer?.parse()?;
        if (uploaded.size, &uploaded.content) != (self.size, &reader.hash().to_string()) {
            return Err(client.bad_answer(PATH, "the file arrived otherwise than it was sent"));
        }
        Ok(uploaded)
    }
}

/// A file's name as an attachment can have it.
fn cleaned(name: &str) -> String {
    let replaced = |(at, c): (usize, char)| {
        let fits = AttachmentName::may_hold(c) && !(at == 0 && c == '.');
        if fits { c } else { '_' }
    };
    name.chars().enumerate().map(replaced).collect()
}

/// What was uploaded, by the attachments' names.
#[derive(Default)]
pub(crate) struct Sent {
    /// What the request names the uploads by.
    pub(crate) tokens: BTreeMap<String, String>,
    /// What they are: the same whenever the same files are sent.
    pub(crate) contents: BTreeMap<String, String>,
}

/// Uploads the files, each again if the connection breaks.
pub(crate) fn send(
    client: &Client,
    attaching: &[Attaching],
    screen: &mut Screen,
) -> Result<Sent, Error> {
    let mut sent = Sent::default();
    for file in attaching {
        let mut retry = Retry::short();
        let uploaded = loop {
            match file.send(client, screen) {
                Err(error) if retry.again(&error) => retry.wait(),
                result => break result?,
            }
        };
        let name = file.name.to_string();
        let content = format!("{} {}", uploaded.media_type, uploaded.content);
        sent.contents.insert(name.clone(), content);
        sent.tokens.insert(name, uploaded.upload);
    }
    Ok(sent)
}

/// An attachment that was saved.
#[derive(Serialize)]
struct Saved {
    #[serde(flatten)]
    attachment: AttachmentView,
    file: PathBuf,
}

/// Saves all attachments of a certificate in a directory; what is there already is left as it is.
pub(crate) fn save(
    client: &Client,
    id: &CertificateId,
    directory: &Path,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let of = format!("/v1/certificates/{}", segment(id.as_str()));
    let fields: CertificateFields = client.get(&format!("{of}/fields"))?.parse()?;
    save_from(client, &of, fields.attachments, directory, screen)
}

/// Saves attachments of what an address of the API is about.
pub(crate) fn save_from(
    client: &Client,
    of: &str,
    attachments: Vec<AttachmentView>,
    directory: &Path,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let mut wanted = Vec::with_capacity(attachments.len());
    for view in attachments {
        let field = format!("{ATTACHMENT_MARK}{}", view.name);
        let value = format!("{} {} {}", view.media_type, view.size, view.content);
        // A name that leads elsewhere is not a valid name.
        let Ok(Some(attachment)) = Attachment::of_field(&field, &value) else {
            return Err(client.bad_answer(of, "an invalid attachment"));
        };
        let target = directory.join(attachment.name.as_str());
        if target.symlink_metadata().is_ok() {
            return Err(Error::exists(&target));
        }
        wanted.push((view, attachment, target));
    }
    if !directory.is_dir() {
        files::private_directory(directory)?;
    }
    let mut saved = Vec::with_capacity(wanted.len());
    for (view, attachment, file) in wanted {
        fetch(client, of, &attachment, &file, screen)?;
        saved.push(Saved {
            attachment: view,
            file,
        });
    }
    if screen.json() {
        let about = of.rsplit('/').next();
        let answer = serde_json::json!({ "id": about, "attachments": saved });
        screen.print_json(&answer)?;
        return Ok(Outcome::Yes);
    }
    for Saved { attachment, file } in &saved {
        let done = screen.paint(Tone::Good, "SAVED");
        let size = counted(attachment.size, "byte");
        screen.line(format!("{done}  {}, {size}", file.display()))?;
    }
    if saved.is_empty() {
        screen.line("there are no attachments")?;
    }
    Ok(Outcome::Yes)
}

/// Writes an attachment to a file that only its owner can read, whole and as the certificate says it is, or not at all.
fn fetch(
    client: &Client,
    of: &str,
    attachment: &Attachment,
    target: &Path,
    screen: &Screen,
) -> Result<(), Error> {
    let failed = |error: io::Error| Error::write(target, error);
    let name = segment(attachment.name.as_str());
    let path = format!("{of}/attachments/{name}");
    let answer = client.get_stream(&path)?;
    let bar = progress(attachment.size, &attachment.name, screen);
    let mut reader = Hashed::new(bar.wrap_read(answer.take(attachment.size + 1)));
    let directory = files::directory_of(target);
    let mut file = tempfile::NamedTempFile::new_in(&directory).map_err(failed)?;
    let mut piece = vec![0; 1 << 16];
    let mut size = 0;
    loop {
        let read = reader.read(&mut piece);
        let read = read.map_err(|error| client.broken(&path, error))?;
        if read == 0 {
            break;
        }
        size += read as u64;
        file.write_all(&piece[..read]).map_err(failed)?;
    }
    bar.finish_and_clear();
    if (size, reader.hash()) != (attachment.size, attachment.content) {
        let detail = "the file is not the one the certificate commits to";
        return Err(client.bad_answer(&path, detail));
    }
    file.as_file().sync_all().map_err(failed)?;
    match file.persist_noclobber(target) {
        Ok(_) => files::sync_directory(&directory),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(Error::exists(target))
        }
        Err(error) => Err(failed(error.error)),
    }
}

/// Shows an attachment among the fields of its certificate.
pub(crate) fn show(view: &AttachmentView, screen: &mut Screen) -> Result<(), Error> {
    let size = counted(view.size, "byte");
    let (name, kind) = (printable(&view.name), printable(view.media_type.as_str()));
    screen.field("attachment", format!("{name} ({kind}, {size})"))?;
    screen.field("", printable(&view.content))
}

fn progress(size: u64, name: &AttachmentName, screen: &Screen) -> ProgressBar {
    let target = if screen.shows_progress() && size >= LARGE {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(size), target);
    // The template is a constant; should it ever be refused, the plain bar serves.
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}  {msg}")
    {
        bar.set_style(style);
    }
    bar.set_message(printable(name.as_str()));
    bar
}

/// Hashes what is read.
struct Hashed<R> {
    reader: R,
    hasher: blake3::Hasher,
}

impl<R: Read> Hashed<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            hasher: blake3::Hasher::new(),
        }
    }

    fn hash(&self) -> Hash {
        Hash::from_bytes(*self.hasher.finalize().as_bytes())
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_s_name_becomes_one_that_an_attachment_can_have() {
        for (given, expected) in [
            ("执照.pdf", "执照.pdf"),
            ("scan (1).pdf", "scan__1_.pdf"),
            (".hidden.png", "_hidden.png"),
            ("a:b\u{202e}.ofd", "a_b_.ofd"),
        ] {
            assert_eq!(cleaned(given), expected);
            assert!(cleaned(given).parse::<AttachmentName>().is_ok());
        }
    }
}
