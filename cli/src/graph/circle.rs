//! The picture where Graphviz is not installed: types on a circle, those of a community side by side, and a curve for each
//! tie. No label can cover another, however many types there are.

use std::f64::consts::TAU;
use std::fmt::Write;

use petgraph::graph::UnGraph;
use petgraph::visit::EdgeRef;
use unicode_width::UnicodeWidthStr;

use super::TypeShown;
use super::graphml::escaped;
use super::picture::{FONTS, Legend, fill, thickness};

/// Room that a column of text takes, of which a Chinese character has two.
const COLUMN: f64 = 7.5;
/// Room for the legend.
const LEAST_WIDTH: f64 = 1000.0;
/// Distance of neighbours on the circle.
const STEP: f64 = 19.0;
const LINE: f64 = 22.0;

/// Draws the types and ties with their legend, as SVG.
pub(super) fn svg(shown: &[TypeShown], drawn: &UnGraph<String, u32>, legend: &Legend) -> String {
    let mut order: Vec<usize> = (0..shown.len()).collect();
    order.sort_by_key(|node| (shown[*node].community, *node));
    let radius = (shown.len() as f64 * STEP / TAU).max(120.0);
    let head = LINE * (legend.lines.len() + legend.communities.len() + 3) as f64;
    let longest = shown.iter().map(|kind| label(kind).width()).max();
    let reach = radius + 20.0 + longest.unwrap_or_default() as f64 * COLUMN;
    let width = (2.0 * reach).max(LEAST_WIDTH);
    let (x, y) = (width / 2.0, head + reach);
    let mut places = vec![0.0; shown.len()];
    for (place, node) in order.iter().enumerate() {
        places[*node] = TAU * place as f64 / shown.len() as f64;
    }
    let point = |angle: f64, radius: f64| (x + radius * angle.cos(), y + radius * angle.sin());
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" \
         height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"{FONTS}\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        height = head + 2.0 * reach,
    );
    for edge in drawn.edge_references() {
        let (a, b) = (edge.source().index(), edge.target().index());
        let ((ax, ay), (bx, by)) = (point(places[a], radius), point(places[b], radius));
        let colour = match shown[a].community == shown[b].community {
            true => fill(shown[a].community),
            false => "#cccccc",
        };
        put(
            &mut out,
            format_args!(
                "<path d=\"M{ax:.1} {ay:.1} Q{x:.1} {y:.1} {bx:.1} {by:.1}\" fill=\"none\" stroke=\"{colour}\" \
                 stroke-width=\"{}\"/>",
                thickness(*edge.weight())
            ),
        );
    }
    for (kind, angle) in shown.iter().zip(&places) {
        let ((dot_x, dot_y), (text_x, text_y)) =
            (point(*angle, radius), point(*angle, radius + 10.0));
        // Labels on the left half would stand on their heads.
        let (turn, anchor) = match angle.cos() < 0.0 {
            true => (angle.to_degrees() + 180.0, "end"),
            false => (angle.to_degrees(), "start"),
        };
        put(
            &mut out,
            format_args!(
                "<circle cx=\"{dot_x:.1}\" cy=\"{dot_y:.1}\" r=\"6\" fill=\"{}\" stroke=\"#666666\"/>\n\
                 <text transform=\"translate({text_x:.1} {text_y:.1}) rotate({turn:.1})\" text-anchor=\"{anchor}\" \
                 dominant-baseline=\"middle\">{}</text>",
                fill(kind.community),
                escaped(&label(kind)),
            ),
        );
    }
    put(
        &mut out,
        format_args!(
            "<text x=\"20\" y=\"32\" font-size=\"20\">{}</text>",
            escaped(&legend.title)
        ),
    );
    let mut line = 32.0;
    for text in &legend.lines {
        line += LINE;
        put(
            &mut out,
            format_args!("<text x=\"20\" y=\"{line:.0}\">{}</text>", escaped(text)),
        );
    }
    for (community, text) in &legend.communities {
        line += LINE;
        put(
            &mut out,
            format_args!(
                "<rect x=\"20\" y=\"{:.0}\" width=\"14\" height=\"14\" fill=\"{}\" stroke=\"#666666\"/>\n\
                 <text x=\"42\" y=\"{line:.0}\">{}</text>",
                line - 12.0,
                fill(*community),
                escaped(text),
            ),
        );
    }
    out.push_str("</svg>\n");
    out
}

fn label(kind: &TypeShown) -> String {
    format!("{} · {} · {}", plain(kind), kind.grade, kind.demands)
}

/// What a type is called, without what a terminal or a parser might take for something.
pub(super) fn plain(kind: &TypeShown) -> String {
    let title = kind.name.as_deref().unwrap_or(&kind.code);
    title.chars().filter(|c| !c.is_control()).collect()
}

fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{line}");
}
