//! A picture of the graph's most demanded types: DOT by petgraph, drawn by Graphviz where it is installed, otherwise by
//! the crate `layout-rs`.
//!
//! Everything at once would be a black ball, so the edges drawn are those that tie types closest for how common both
//! are (Salton's cosine: matters with both, over the root of the product of matters with either): a forest that holds
//! together what can be, and then the strongest others.

use std::cmp::Ordering;
use std::io::Write;
use std::process::{Command, Stdio};

use layout::backends::svg::SVGWriter;
use layout::gv::{DotParser, GraphBuilder};
use petgraph::algo::min_spanning_tree;
use petgraph::data::Element;
use petgraph::dot::{Config, Dot, RankDir};
use petgraph::graph::{NodeIndex, UnGraph};
use petgraph::visit::EdgeRef;

use super::cooccurrence::Graph;
use super::{Analysis, TypeShown};
use crate::Error;

/// Edges drawn, for each type.
const EDGES_EACH: usize = 2;
/// Fonts that have Chinese, by system.
const FONTS: &str = "Noto Sans CJK SC, Source Han Sans SC, Microsoft YaHei, PingFang SC, WenQuanYi Micro Hei, sans-serif";
/// Fills of communities, the largest first; those beyond have the last.
const FILLS: [&str; 10] = [
    "#a6cee3", "#fdbf6f", "#b2df8a", "#fb9a99", "#cab2d6", "#ffff99", "#ccebc5", "#fddaec",
    "#e5d8bd", "#dddddd",
];

/// What drew a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drawer {
    /// Graphviz's `dot`.
    Graphviz,
    /// The crate.
    BuiltIn,
}

/// How close two types are, larger being closer; ordered the other way round, since what petgraph finds is a minimum.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tie {
    cosine: f64,
    weight: u32,
}

impl PartialOrd for Tie {
    fn partial_cmp(&self, other: &Tie) -> Option<Ordering> {
        other.cosine.partial_cmp(&self.cosine)
    }
}

/// Draws the first `most` types of the analysis as SVG.
///
/// # Errors
/// [`Error::Drawing`] when there is nothing to draw, and when what is installed as `dot` fails.
pub(super) fn svg(
    graph: &Graph,
    analysis: &Analysis,
    most: usize,
) -> Result<(String, Drawer), Error> {
    if analysis.types.is_empty() {
        // The crate does not draw what is empty either.
        return Err(Error::Drawing("no matter demands a certificate".to_owned()));
    }
    let dot = dot(graph, analysis, most);
    match by_graphviz(&dot)? {
        Some(svg) => Ok((svg, Drawer::Graphviz)),
        None => Ok((built_in(&dot)?, Drawer::BuiltIn)),
    }
}

/// The picture's graph in Graphviz's language.
fn dot(graph: &Graph, analysis: &Analysis, most: usize) -> String {
    let shown = &analysis.types[..most.min(analysis.types.len())];
    let drawn = chosen(graph, shown);
    let fill = |node: NodeIndex| FILLS[(shown[node.index()].community - 1).min(FILLS.len() - 1)];
    let edge = |_: &UnGraph<String, u32>, edge: petgraph::graph::EdgeReference<'_, u32>| {
        format!("penwidth=\"{}\"", 1 + edge.weight().ilog2())
    };
    let node = |_: &UnGraph<String, u32>, (node, _): (NodeIndex, &String)| {
        format!("fillcolor=\"{}\"", fill(node))
    };
    let config = [
        Config::EdgeNoLabel,
        Config::GraphContentOnly,
        Config::RankDir(RankDir::LR),
    ];
    let content = Dot::with_attr_getters(&drawn, &config, &edge, &node);
    format!(
        "graph {{\n    graph [layout=\"fdp\" overlap=\"false\" splines=\"true\" K=\"1.1\" fontname=\"{FONTS}\"];\n    node [shape=\"box\" style=\"filled\" fontsize=\"14\" fontname=\"{FONTS}\"];\n    edge [color=\"gray\"];\n{content}}}\n"
    )
}

/// The types shown, each by its label, with the edges to draw.
fn chosen(graph: &Graph, shown: &[TypeShown]) -> UnGraph<String, u32> {
    let mut all: UnGraph<String, Tie> = UnGraph::default();
    // Of no use to a drawing, and a terminal or a parser might take them for something.
    let plain = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
    for kind in shown {
        let title = plain(kind.name.as_deref().unwrap_or(&kind.code));
        all.add_node(format!("{title}\n{} · {}\n", kind.grade, kind.demands));
    }
    for (a, kind) in shown.iter().enumerate() {
        for (b, other) in shown.iter().enumerate().skip(a + 1) {
            if let Some(edge) = graph.find_edge(kind.node, other.node) {
                let weight = graph[edge];
                let cosine =
                    f64::from(weight) / (kind.matters as f64 * other.matters as f64).sqrt();
                all.add_edge(NodeIndex::new(a), NodeIndex::new(b), Tie { cosine, weight });
            }
        }
    }
    let mut ties: Vec<(usize, usize, Tie)> = Vec::new();
    let mut drawn: UnGraph<String, u32> = UnGraph::default();
    for element in min_spanning_tree(&all) {
        match element {
            Element::Node { weight } => drop(drawn.add_node(weight)),
            Element::Edge {
                source,
                target,
                weight,
            } => ties.push((source.min(target), source.max(target), weight)),
        }
    }
    let mut others: Vec<_> = all
        .edge_references()
        .map(|edge| (edge.source().index(), edge.target().index(), *edge.weight()))
        .filter(|(a, b, _)| !ties.iter().any(|(c, d, _)| (a, b) == (c, d)))
        .collect();
    others.sort_by(|(a, b, tie), (c, d, other)| {
        let closest = tie.partial_cmp(other).unwrap_or(Ordering::Equal);
        closest.then((a, b).cmp(&(c, d)))
    });
    let room = (shown.len() * EDGES_EACH).saturating_sub(ties.len());
    ties.extend(others.into_iter().take(room));
    ties.sort_by_key(|(a, b, _)| (*a, *b));
    for (a, b, tie) in ties {
        drawn.add_edge(NodeIndex::new(a), NodeIndex::new(b), tie.weight);
    }
    drawn
}

/// The picture by Graphviz; `None` where it is not installed.
fn by_graphviz(dot: &str) -> Result<Option<String>, Error> {
    let failed = |why: String| Error::Drawing(why);
    let started = Command::new("dot")
        .arg("-Tsvg")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error.to_string())),
    };
    // It reads everything before it writes, so neither waits for the other.
    let fed = child
        .stdin
        .take()
        .map(|mut input| input.write_all(dot.as_bytes()));
    let output = child
        .wait_with_output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() || !matches!(fed, Some(Ok(()))) {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("{}: {}", output.status, said.trim())));
    }
    String::from_utf8(output.stdout)
        .map(Some)
        .map_err(|_| failed("its picture is not UTF-8".to_owned()))
}

/// The picture by the crate.
fn built_in(dot: &str) -> Result<String, Error> {
    let graph = DotParser::new(dot).process().map_err(Error::Drawing)?;
    let mut builder = GraphBuilder::new();
    builder.visit_graph(&graph);
    let mut writer = SVGWriter::new();
    builder.get().do_it(false, false, false, &mut writer);
    // Its own font has no Chinese.
    Ok(writer.finalize().replace("Times, serif", FONTS))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::analyse;
    use super::super::cooccurrence::{build, tests::matter};
    use super::*;

    fn analysed(matters: &[(&str, &[&str])], names: &[(&str, &str)]) -> (Graph, Analysis) {
        let matters: Vec<_> = matters
            .iter()
            .map(|(by, demands)| matter(by, demands))
            .collect();
        let names = names
            .iter()
            .map(|(code, name)| ((*code).to_owned(), (*name).to_owned()))
            .collect::<BTreeMap<_, _>>();
        let graph = build(&matters, &names);
        let analysis = analyse(&graph, &matters);
        (graph, analysis)
    }

    #[test]
    fn the_built_in_drawing_shows_every_label_once_and_is_the_same_every_time() {
        let matters: &[(&str, &[&str])] = &[
            ("x", &["A", "B", "C"]),
            ("y", &["A", "B"]),
            ("z", &["D", "A"]),
            ("z", &["E"]),
        ];
        let (graph, analysis) = analysed(matters, &[("A", "居民身份证"), ("B", "a<b \"c\" \\n")]);
        let dot = dot(&graph, &analysis, 10);
        let svg = built_in(&dot).unwrap();
        assert_eq!(svg.matches("居民身份证").count(), 1, "{svg}");
        assert!(
            svg.contains("a&lt;b &quot;c&quot; \\n") && svg.contains("Noto Sans CJK"),
            "{svg}"
        );
        assert_eq!(built_in(&dot).unwrap(), svg);
    }

    #[test]
    fn pictures_of_one_and_many_types_can_be_drawn_and_of_none_there_is_no_picture() {
        let (graph, analysis) = analysed(&[], &[]);
        assert!(matches!(svg(&graph, &analysis, 10), Err(Error::Drawing(_))));
        let (graph, analysis) = analysed(&[("x", &["A"])], &[]);
        built_in(&dot(&graph, &analysis, 10)).unwrap();
        let all: Vec<String> = (0..60).map(|n| format!("T{n:02}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let (graph, analysis) = analysed(&[("x", &all)], &[]);
        let dot = dot(&graph, &analysis, 50);
        assert_eq!(dot.matches(" -- ").count(), 100);
        built_in(&dot).unwrap();
    }
}
