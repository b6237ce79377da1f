//! Holds the catalogue's texts against the codes of a family, for the tests of the crates that declare them.

use std::collections::{BTreeMap, BTreeSet};

use certmesh_api::Coded;
use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};
use fluent_syntax::parser;

use crate::catalogue::SOURCES;

/// What a message shows: arguments, and other messages.
#[derive(Default)]
pub(crate) struct Shows<'s> {
    pub(crate) args: BTreeSet<&'s str>,
    pub(crate) messages: BTreeSet<&'s str>,
}

impl<'s> Shows<'s> {
    fn pattern(&mut self, pattern: &Pattern<&'s str>) {
        for element in &pattern.elements {
            if let PatternElement::Placeable { expression } = element {
                self.expression(expression);
            }
        }
    }

    fn expression(&mut self, expression: &Expression<&'s str>) {
        match expression {
            Expression::Inline(inline) => self.inline(inline),
            Expression::Select { selector, variants } => {
                self.inline(selector);
                variants
                    .iter()
                    .for_each(|variant| self.pattern(&variant.value));
            }
        }
    }

    fn inline(&mut self, expression: &InlineExpression<&'s str>) {
        match expression {
            InlineExpression::VariableReference { id } => drop(self.args.insert(id.name)),
            InlineExpression::MessageReference { id, .. } => drop(self.messages.insert(id.name)),
            InlineExpression::Placeable { expression } => self.expression(expression),
            _ => {}
        }
    }
}

/// The messages of a file, by their ids.
pub(crate) fn messages(source: &str) -> BTreeMap<&str, Shows<'_>> {
    let resource = parser::parse(source).unwrap_or_else(|(readable, _)| readable);
    let mut found = BTreeMap::new();
    for entry in &resource.body {
        if let Entry::Message(message) = entry {
            let mut shows = Shows::default();
            message.value.iter().for_each(|value| shows.pattern(value));
            found.insert(message.id.name, shows);
        }
    }
    found
}

/// The arguments that a message needs, also in the messages that are part of it.
pub(crate) fn needed<'s>(id: &str, all: &BTreeMap<&'s str, Shows<'s>>) -> BTreeSet<&'s str> {
    let (mut args, mut seen, mut open) = (BTreeSet::new(), BTreeSet::new(), vec![id]);
    while let Some(id) = open.pop() {
        if let Some(shows) = all.get(id).filter(|_| seen.insert(id.to_owned())) {
            args.extend(&shows.args);
            open.extend(&shows.messages);
        }
    }
    args
}

/// Where the texts of a family and its codes differ, in every language: codes without a text, texts without a code, and
/// texts that show other arguments than their code has.
#[doc(hidden)]
pub fn mismatches<C: Coded>() -> Vec<String> {
    let mut found = Vec::new();
    for (language, source) in SOURCES {
        let all = messages(source);
        let mut wanted = BTreeSet::new();
        for (code, args) in C::CODES {
            let id = format!("{}-{code}", C::FAMILY);
            let args: BTreeSet<&str> = args.iter().copied().collect();
            let needed = needed(&id, &all);
            if !all.contains_key(&*id) {
                found.push(format!("{language}: {id}: no text"));
            } else if needed != args {
                found.push(format!("{language}: {id}: shows {needed:?}, has {args:?}"));
            }
            if !wanted.insert(id.clone()) {
                found.push(format!("{id}: the code of two"));
            }
        }
        let family = format!("{}-", C::FAMILY);
        for id in all.keys().filter(|id| id.starts_with(&family)) {
            if !wanted.contains(*id) {
                found.push(format!("{language}: {id}: no code"));
            }
        }
    }
    found
}
