//! The catalogue: the sentence of each code, in Fluent.
//!
//! Another language is one more file beside `en.ftl` and its line in [`SOURCES`]; the tests hold every file against the
//! codes.

use std::sync::LazyLock;

use certmesh_api::{Arg, Coded};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

/// Each language's tag and file; the first is the one that is shown.
pub(crate) const SOURCES: [(&str, &str); 1] = [("en", include_str!("en.ftl"))];

static SHOWN: LazyLock<Catalogue> = LazyLock::new(|| {
    let (language, source) = SOURCES[0];
    Catalogue::read(language, source).0
});

/// `a, b and c`.
pub fn all_of<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    match items.split_last() {
        Some((last, first)) if !first.is_empty() => say(&super::Frame::And {
            first: first.join(", "),
            last: last.clone(),
        }),
        _ => items.concat(),
    }
}

/// `a, b and 3 more`: the first few, so many at most, and how many there are beside them.
pub fn few(items: &[String], most: usize) -> String {
    let first = items[..items.len().min(most)].join(", ");
    match items.len().saturating_sub(most) {
        0 => first,
        count => say(&super::Frame::Few { first, count }),
    }
}

/// The sentence of a code with its arguments.
pub fn say<C: Coded>(what: &C) -> String {
    SHOWN.say(what)
}

pub(crate) struct Catalogue(FluentBundle<FluentResource>);

impl Catalogue {
    /// Reads a file, with what is wrong with it: nothing, as the tests show of each.
    pub(crate) fn read(language: &str, source: &str) -> (Self, Vec<String>) {
        let mut wrong = Vec::new();
        let resource = FluentResource::try_new(source.to_owned());
        let resource = resource.unwrap_or_else(|(readable, errors)| {
            wrong.extend(errors.iter().map(ToString::to_string));
            readable
        });
        // Plurals follow the language; texts that no tag names follow none.
        let mut bundle = FluentBundle::new_concurrent(language.parse().into_iter().collect());
        // The marks would steer terminals; what is shown goes through `one_line` anyway.
        bundle.set_use_isolating(false);
        if let Err(errors) = bundle.add_resource(resource) {
            wrong.extend(errors.iter().map(ToString::to_string));
        }
        (Self(bundle), wrong)
    }

    fn say<C: Coded>(&self, what: &C) -> String {
        let args = what.args().into_iter();
        let args = args.map(|(name, arg)| (name, self.value(arg))).collect();
        let id = format!("{}-{}", C::FAMILY, what.code());
        self.render(&id, &args).0
    }

    fn value(&self, arg: Arg) -> FluentValue<'static> {
        match arg {
            Arg::Number(number) => number.into(),
            Arg::Text(text) => text.into(),
            Arg::List(items) => self.choices(&items).into(),
            // What texts ask for to leave something out.
            Arg::Absent => "none".into(),
        }
    }

    /// `a, b or c`.
    fn choices(&self, items: &[String]) -> String {
        match items {
            [first @ .., last] if !first.is_empty() => self.say(&super::Frame::Or {
                first: first.join(", "),
                last: last.clone(),
            }),
            items => items.concat(),
        }
    }

    /// A message, and what was wrong with it. One that is missing shows its id.
    pub(crate) fn render(&self, id: &str, args: &FluentArgs<'_>) -> (String, Vec<String>) {
        let Some(pattern) = self.0.get_message(id).and_then(|message| message.value()) else {
            return (id.to_owned(), vec![format!("{id}: no such text")]);
        };
        let mut errors = Vec::new();
        let text = self.0.format_pattern(pattern, Some(args), &mut errors);
        (
            text.into_owned(),
            errors.iter().map(ToString::to_string).collect(),
        )
    }
}
