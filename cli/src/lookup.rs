//! Types, matters and departments by what people type: a code, or part of a name.

use certmesh_api::{CatalogueView, LogView, Matters, NodeStatus};
use certmesh_ledger::id::{MatterCode, TypeCode};
use certmesh_text::{closest, say};

use crate::Error;
use crate::client::Client;
use crate::message::{Advice, Message};
use crate::names::named;
use crate::screen::Screen;

/// Most candidates that are listed.
const LISTED: usize = 8;
/// Most candidates that are named as what may have been meant.
const NEAR: usize = 3;

/// What can be meant: a code with the name that people know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) code: String,
    pub(crate) name: String,
}

impl Known {
    pub(crate) fn new(code: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            name: name.into(),
        }
    }

    fn shown(&self) -> String {
        named(&self.code, Some(&self.name))
    }
}

/// The types that the node knows.
pub(crate) fn types(client: &Client) -> Result<Vec<Known>, Error> {
    let catalogue: CatalogueView = client.get_list("/v1/catalogue")?;
    let types = catalogue.types.into_iter();
    Ok(types
        .map(|kind| Known::new(kind.code, kind.name.unwrap_or_default()))
        .collect())
}

/// The members of the network.
pub(crate) fn departments(client: &Client) -> Result<Vec<Known>, Error> {
    let logs: Vec<LogView> = client.get("/v1/logs")?.parse()?;
    let logs = logs.into_iter();
    Ok(logs
        .map(|log| Known::new(log.department, log.name))
        .collect())
}

/// Those whose name holds the text; one whose code or whole name is the text stands for itself.
pub(crate) fn matching<'k>(text: &str, known: &'k [Known]) -> Vec<&'k Known> {
    let text = text.trim().to_lowercase();
    let whole = |one: &&Known| one.code.to_lowercase() == text || one.name.to_lowercase() == text;
    let exact: Vec<&Known> = known.iter().filter(whole).collect();
    if !exact.is_empty() || text.is_empty() {
        return exact;
    }
    let part = |one: &&Known| one.name.to_lowercase().contains(&text);
    known.iter().filter(part).collect()
}

/// `; did you mean …?` with what the text may be a typing error or a part of; nothing where that can't be guessed.
pub(crate) fn near(text: &str, known: &[Known]) -> Option<String> {
    let mut found = matching(text, known);
    if found.is_empty() {
        let codes = closest(text, known.iter().map(|one| &*one.code));
        let names = closest(text, known.iter().map(|one| &*one.name));
        let close = |one: &&Known| codes.contains(&&*one.code) || names.contains(&&*one.name);
        found = known.iter().filter(close).collect();
    }
    let shown: Vec<String> = found.iter().take(NEAR).map(|one| one.shown()).collect();
    (!shown.is_empty()).then(|| shown.join(", "))
}

/// The type that is meant by its code or by part of its name. A code is taken as it is: the node says whether it exists.
///
/// # Errors
/// [`Error::Said`] with the candidates when several types or none may be meant.
pub(crate) fn type_code(text: &str, client: &Client, screen: &mut Screen) -> Result<String, Error> {
    if text.parse::<TypeCode>().is_ok() {
        return Ok(text.to_owned());
    }
    one_of(text, &types(client)?, Advice::Types, screen)
}

/// The code of the one that is meant by its code or by part of its name; where its name was given, a note says which it is.
///
/// # Errors
/// As [`type_code`].
pub(crate) fn one_of(
    text: &str,
    known: &[Known],
    advice: Advice,
    screen: &mut Screen,
) -> Result<String, Error> {
    let found = the_one(text, known, &matching(text, known), advice)?;
    Ok(noted(text, found, screen))
}

/// The code of what a text means; a note says which it is, unless the text is its code.
fn noted(text: &str, meant: &Known, screen: &mut Screen) -> String {
    if meant.code != text {
        screen.note(&say(&Message::Meant {
            text: text.to_owned(),
            meant: meant.shown(),
        }));
    }
    meant.code.clone()
}

/// A type that the node does not know, or a version of it, with what may have been meant.
pub(crate) fn unknown_type(error: Error, code: &str, client: &Client) -> Error {
    if !error.is_not_found() {
        return error;
    }
    let known = types(client).unwrap_or_default();
    if known.iter().any(|kind| kind.code == code) {
        return error.advised(Advice::Versions);
    }
    match near(code, &known) {
        Some(near) => error.advised(Advice::DidYouMean { near }),
        None => error.advised(Advice::Types),
    }
}

/// The one candidate.
fn the_one<'k>(
    text: &str,
    known: &[Known],
    found: &[&'k Known],
    advice: Advice,
) -> Result<&'k Known, Error> {
    let text = text.to_owned();
    match found {
        [only] => Ok(only),
        [] => Err(Error::said(
            Message::NothingNamed {
                near: near(&text, known),
                text,
            },
            advice,
        )),
        several => {
            let listed = several.iter().take(LISTED).map(|one| one.shown());
            let count = several.len();
            let what = Message::SeveralNamed { text, count };
            Err(Error::listed(what, listed.collect(), Advice::NameOne))
        }
    }
}

/// Asks about a matter: by `[department/]matter[/sub-matter]` in codes as the node takes it; where the text is of another
/// form or the node does not know the matter, by parts of the names of matter and sub-matter.
///
/// # Errors
/// What is answered; as [`type_code`] where no name fits.
pub(crate) fn with_matter<T>(
    text: &str,
    client: &Client,
    screen: &mut Screen,
    mut ask: impl FnMut(&str) -> Result<T, Error>,
) -> Result<T, Error> {
    if !text
        .split('/')
        .all(|part| part.parse::<MatterCode>().is_ok())
    {
        let meant = matter(text, client, screen)?;
        return ask(&meant);
    }
    match ask(text) {
        Err(unknown) if unknown.is_not_found() => match matter(text, client, screen) {
            Ok(meant) if meant != text => ask(&meant),
            Err(several @ Error::Listed { .. }) => Err(several),
            // The node's own words, with what may have been meant.
            Err(Error::Said(nothing, _)) => Err(unknown.advised(match *nothing {
                Message::NothingNamed {
                    near: Some(near), ..
                } => Advice::DidYouMean { near },
                _ => Advice::Matters,
            })),
            _ => Err(unknown.advised(Advice::Matters)),
        },
        answer => answer,
    }
}

/// The sub-matter that is meant by parts of names.
fn matter(text: &str, client: &Client, screen: &mut Screen) -> Result<String, Error> {
    let matters: Matters = client.get_list("/v1/matters")?;
    let own: NodeStatus = client.get("/v1/status")?.parse()?;
    let known = parts(&matters);
    let mut found: Vec<&Part> = known.iter().filter(|part| part.is_meant(text)).collect();
    // Where nothing else is named, a department means its own matters.
    if found.iter().any(|part| part.department == own.department) {
        found.retain(|part| part.department == own.department);
    }
    let all: Vec<Known> = known.iter().map(Part::known).collect();
    let found: Vec<Known> = found.into_iter().map(Part::known).collect();
    let one = the_one(
        text,
        &all,
        &found.iter().collect::<Vec<_>>(),
        Advice::Matters,
    )?;
    Ok(noted(text, one, screen))
}

/// A sub-matter with the names on the way to it.
struct Part {
    department: String,
    matter: Known,
    part: Known,
}

fn parts(matters: &Matters) -> Vec<Part> {
    let mut found = Vec::new();
    for one in &matters.matters {
        for part in &one.definition.sub {
            found.push(Part {
                department: one.department.clone(),
                matter: Known::new(&*one.definition.code, &*one.definition.name),
                part: Known::new(&*part.code, &*part.name),
            });
        }
    }
    found
}

impl Part {
    /// Whether a text names it: the matter, the sub-matter, or both with a slash between them, by code or part of a name.
    fn is_meant(&self, text: &str) -> bool {
        let named =
            |text: &str, known: &Known| !matching(text, std::slice::from_ref(known)).is_empty();
        match text.split_once('/') {
            Some((matter, part)) => named(matter, &self.matter) && named(part, &self.part),
            None => named(text, &self.matter) || named(text, &self.part),
        }
    }

    fn known(&self) -> Known {
        let (department, matter, part) = (&self.department, &self.matter, &self.part);
        Known {
            code: format!("{department}/{}/{}", matter.code, part.code),
            name: match matter.name == part.name {
                true => matter.name.clone(),
                false => format!("{} {}", matter.name, part.name),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<Known> {
        vec![
            Known::new("11100000000013338W011", "道路运输经营许可证"),
            Known::new("11100000000013338W012", "道路运输证"),
            Known::new("11100000MB03271699022", "营业执照"),
            Known::new("11100000MB03271699023", "Business licence (branch)"),
        ]
    }

    fn codes(text: &str) -> Vec<String> {
        let known = known();
        let found = matching(text, &known).into_iter();
        found.map(|one| one.code[18..].to_owned()).collect()
    }

    #[test]
    fn part_of_a_name_means_all_that_have_it_and_a_whole_name_itself() {
        assert_eq!(codes("执照"), ["022"]);
        assert_eq!(codes("道路运输"), ["011", "012"]);
        assert_eq!(codes("道路运输证"), ["012"]);
        assert_eq!(codes("business LICENCE"), ["023"]);
        assert_eq!(codes("11100000000013338W012"), ["012"]);
        assert_eq!(codes("驾驶证"), Vec::<String>::new());
        assert_eq!(codes(" "), Vec::<String>::new());
    }

    #[test]
    fn what_was_probably_meant_is_named_and_nothing_where_nobody_can_guess() {
        let shown = near("11100000MB03271699024", &known()).unwrap();
        assert!(
            shown.contains("营业执照 (11100000MB03271699022)"),
            "{shown}"
        );
        let shown = near("营业热照", &known()).unwrap();
        assert!(shown.contains("营业执照"), "{shown}");
        assert_eq!(near("驾驶证", &known()), None);
    }

    #[test]
    fn a_matter_is_meant_by_its_name_its_part_or_both() {
        let part = Part {
            department: "11430000006122244L".to_owned(),
            matter: Known::new("SL-001", "企业设立登记"),
            part: Known::new("01", "有限责任公司设立"),
        };
        for text in [
            "设立登记",
            "有限责任",
            "SL-001",
            "企业设立登记/01",
            "SL-001/有限",
        ] {
            assert!(part.is_meant(text), "{text}");
        }
        for text in ["注销", "企业设立登记/02", "SL-002"] {
            assert!(!part.is_meant(text), "{text}");
        }
        assert_eq!(
            part.known(),
            Known::new(
                "11430000006122244L/SL-001/01",
                "企业设立登记 有限责任公司设立"
            )
        );
    }
}
