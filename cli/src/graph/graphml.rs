//! GraphML, for Gephi, yEd, Cytoscape, networkx and igraph.
//!
//! Written here: the crate there is for petgraph gives every attribute as text, and tools then do not take weights for
//! numbers.

use std::fmt::Write;

use super::Analysis;

/// Attributes: of what, name, GraphML type.
const KEYS: [(&str, &str, &str); 11] = [
    ("node", "code", "string"),
    ("node", "label", "string"),
    ("node", "demands", "int"),
    ("node", "matters", "int"),
    ("node", "departments", "int"),
    ("node", "degree", "int"),
    ("node", "strength", "int"),
    ("node", "community", "int"),
    ("node", "grade", "string"),
    ("node", "reason", "string"),
    ("edge", "weight", "int"),
];

/// The whole graph as a document.
pub(super) fn document(analysis: &Analysis) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n",
    );
    for (of, name, data) in KEYS {
        put(
            &mut out,
            format_args!(
                "  <key id=\"{name}\" for=\"{of}\" attr.name=\"{name}\" attr.type=\"{data}\"/>"
            ),
        );
    }
    put(
        &mut out,
        format_args!("  <graph id=\"types\" edgedefault=\"undirected\">"),
    );
    for kind in &analysis.types {
        put(
            &mut out,
            format_args!("    <node id=\"{}\">", escaped(&kind.code)),
        );
        for (name, value) in [
            ("code", kind.code.clone()),
            (
                "label",
                kind.name.clone().unwrap_or_else(|| kind.code.clone()),
            ),
            ("demands", kind.demands.to_string()),
            ("matters", kind.matters.to_string()),
            ("departments", kind.departments.to_string()),
            ("degree", kind.degree.to_string()),
            ("strength", kind.strength.to_string()),
            ("community", kind.community.to_string()),
            ("grade", kind.grade.to_string()),
            ("reason", kind.reason.clone()),
        ] {
            put(
                &mut out,
                format_args!("      <data key=\"{name}\">{}</data>", escaped(&value)),
            );
        }
        put(&mut out, format_args!("    </node>"));
    }
    for edge in &analysis.edges {
        put(
            &mut out,
            format_args!(
                "    <edge source=\"{}\" target=\"{}\"><data key=\"weight\">{}</data></edge>",
                escaped(&edge.a),
                escaped(&edge.b),
                edge.weight
            ),
        );
    }
    out.push_str("  </graph>\n</graphml>\n");
    out
}

fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{line}");
}

/// Text as XML takes it; XML 1.0 has no way to write control characters.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_break_out_of_its_element() {
        assert_eq!(escaped("a<b>\"&\u{1}证"), "a&lt;b&gt;&quot;&amp;\u{FFFD}证");
    }
}
