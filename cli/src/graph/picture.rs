//! A picture of the graph's most demanded types: DOT by petgraph, drawn by Graphviz where it is installed, otherwise on a
//! circle.
//!
//! Everything at once would be a black ball, so the edges drawn are those that tie types closest for how common both
//! are (Salton's cosine: matters with both, over the root of the product of matters with either): a forest that holds
//! together what can be, and then the strongest others.

use std::cmp::Ordering;
use std::io::Write;
use std::process::{Command, Stdio};

use petgraph::algo::min_spanning_tree;
use petgraph::data::Element;
use petgraph::dot::{Config, Dot, RankDir};
use petgraph::graph::{NodeIndex, UnGraph};
use petgraph::visit::EdgeRef;

use super::cooccurrence::Graph;
use super::graphml::escaped;
use super::{Analysis, TypeShown, circle, of_all};
use crate::Error;

/// Edges drawn, for each type.
const EDGES_EACH: usize = 2;
/// Fonts that have Chinese, by system.
pub(super) const FONTS: &str = "Noto Sans CJK SC, Source Han Sans SC, Microsoft YaHei, PingFang SC, WenQuanYi Micro Hei, sans-serif";
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
    /// [`circle`].
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
        return Err(Error::Drawing("no matter demands a certificate".to_owned()));
    }
    let shown = &analysis.types[..most.min(analysis.types.len())];
    let drawn = chosen(graph, shown);
    let legend = Legend::of(analysis, shown);
    match by_graphviz(&dot(shown, &drawn, &legend))? {
        Some(svg) => Ok((svg, Drawer::Graphviz)),
        None => Ok((circle::svg(shown, &drawn, &legend), Drawer::BuiltIn)),
    }
}

/// What a picture says about itself.
pub(super) struct Legend {
    /// What it shows, and how much of all.
    pub(super) title: String,
    /// How to read it.
    pub(super) lines: Vec<String>,
    /// The communities in it that have a colour of their own, and one line for the others.
    pub(super) communities: Vec<(usize, String)>,
}

impl Legend {
    fn of(analysis: &Analysis, shown: &[TypeShown]) -> Legend {
        let count = of_all(shown.len(), analysis.types.len());
        let title = format!(
            "证照共现图谱: {count} types that {} matters of {} departments demand",
            analysis.matters, analysis.departments
        );
        let lines = [
            "each type with its grade and how often it is demanded; A share first, B share next, C share when asked, D leave",
            "a line ties types that a matter demands together, a thick one those that many do; the closest ties are drawn",
            "colours are communities, each with its most demanded types:",
        ];
        let drawn = |number: usize| shown.iter().any(|kind| kind.community == number);
        let all = analysis
            .communities
            .iter()
            .filter(|one| drawn(one.community));
        let (own, others): (Vec<_>, Vec<_>) = all.partition(|one| one.community < FILLS.len());
        let mut communities: Vec<(usize, String)> = own
            .into_iter()
            .map(|one| (one.community, one.foremost.join(", ")))
            .collect();
        if let [first, ..] = others.as_slice() {
            communities.push((
                first.community,
                format!("{} smaller communities", others.len()),
            ));
        }
        Legend {
            title,
            lines: lines.map(str::to_owned).to_vec(),
            communities,
        }
    }
}

/// The colour of a community.
pub(super) fn fill(community: usize) -> &'static str {
    FILLS[(community - 1).min(FILLS.len() - 1)]
}

/// How thick a tie of this weight is drawn.
pub(super) fn thickness(weight: u32) -> u32 {
    1 + weight.ilog2()
}

/// The picture's graph in Graphviz's language.
fn dot(shown: &[TypeShown], drawn: &UnGraph<String, u32>, legend: &Legend) -> String {
    let edge = |_: &UnGraph<String, u32>, edge: petgraph::graph::EdgeReference<'_, u32>| {
        format!("penwidth=\"{}\"", thickness(*edge.weight()))
    };
    let node = |_: &UnGraph<String, u32>, (node, _): (NodeIndex, &String)| {
        format!("fillcolor=\"{}\"", fill(shown[node.index()].community))
    };
    let config = [
        Config::EdgeNoLabel,
        Config::GraphContentOnly,
        Config::RankDir(RankDir::LR),
    ];
    let content = Dot::with_attr_getters(drawn, &config, &edge, &node);
    let label = label(legend);
    format!(
        "graph {{\n    graph [layout=\"fdp\" overlap=\"false\" splines=\"true\" K=\"1.1\" fontname=\"{FONTS}\" labelloc=\"t\" \
         labeljust=\"l\" label=<{label}>];\n    node [shape=\"box\" style=\"filled\" fontsize=\"14\" fontname=\"{FONTS}\"];\n    \
         edge [color=\"gray\"];\n{content}}}\n"
    )
}

/// The legend as Graphviz's label of the whole, a table in HTML.
fn label(legend: &Legend) -> String {
    let mut rows = format!(
        "<TR><TD COLSPAN=\"2\" ALIGN=\"LEFT\"><FONT POINT-SIZE=\"20\">{}</FONT></TD></TR>",
        escaped(&legend.title)
    );
    for line in &legend.lines {
        rows.push_str(&format!(
            "<TR><TD COLSPAN=\"2\" ALIGN=\"LEFT\">{}</TD></TR>",
            escaped(line)
        ));
    }
    for (community, text) in &legend.communities {
        rows.push_str(&format!(
            "<TR><TD BGCOLOR=\"{}\" WIDTH=\"14\"></TD><TD ALIGN=\"LEFT\">{}</TD></TR>",
            fill(*community),
            escaped(text)
        ));
    }
    format!("<TABLE BORDER=\"0\" CELLSPACING=\"2\">{rows}</TABLE>")
}

/// The types shown, each by its label, with the edges to draw.
fn chosen(graph: &Graph, shown: &[TypeShown]) -> UnGraph<String, u32> {
    let mut all: UnGraph<String, Tie> = UnGraph::default();
    for kind in shown {
        let title = circle::plain(kind);
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

    fn drawn(graph: &Graph, analysis: &Analysis, most: usize) -> (String, String) {
        let shown = &analysis.types[..most.min(analysis.types.len())];
        let (drawn, legend) = (chosen(graph, shown), Legend::of(analysis, shown));
        let dot = dot(shown, &drawn, &legend);
        (circle::svg(shown, &drawn, &legend), dot)
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
        let (svg, _) = drawn(&graph, &analysis, 10);
        assert_eq!(svg.matches(">居民身份证 · ").count(), 1, "{svg}");
        assert!(
            svg.contains("a&lt;b &quot;c&quot; \\n") && svg.contains("Noto Sans CJK"),
            "{svg}"
        );
        assert_eq!(drawn(&graph, &analysis, 10).0, svg);
    }

    #[test]
    fn a_picture_says_how_much_of_all_it_shows_and_how_to_read_it() {
        let matters: &[(&str, &[&str])] = &[("x", &["A", "B", "C"]), ("y", &["A", "B"])];
        let (graph, analysis) = analysed(matters, &[("A", "居民身份证")]);
        let (svg, dot) = drawn(&graph, &analysis, 2);
        for picture in [svg, dot] {
            for text in [
                "证照共现图谱: 2 of 3 types",
                "2 matters",
                "A share first",
                "communities",
            ] {
                assert!(picture.contains(text), "{text}: {picture}");
            }
        }
    }

    #[test]
    fn labels_of_many_types_do_not_stand_on_each_other() {
        let all: Vec<String> = (0..60).map(|n| format!("T{n:02}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let (graph, analysis) = analysed(&[("x", &all)], &[]);
        let (svg, dot) = drawn(&graph, &analysis, 50);
        assert_eq!(dot.matches(" -- ").count(), 100);
        assert_eq!(svg.matches("<path ").count(), 100);
        let of = |part: &str| -> Vec<f64> {
            let (x, y) = part.split_once(')').unwrap().0.split_once(' ').unwrap();
            vec![x.parse().unwrap(), y.parse().unwrap()]
        };
        let places: Vec<Vec<f64>> = svg.split("translate(").skip(1).map(of).collect();
        assert_eq!(places.len(), 50);
        for (n, a) in places.iter().enumerate() {
            for b in &places[..n] {
                assert!((a[0] - b[0]).hypot(a[1] - b[1]) > 14.0, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn pictures_of_one_type_can_be_drawn_and_of_none_there_is_no_picture() {
        let (graph, analysis) = analysed(&[], &[]);
        assert!(matches!(svg(&graph, &analysis, 10), Err(Error::Drawing(_))));
        let (graph, analysis) = analysed(&[("x", &["A"])], &[]);
        assert_eq!(
            drawn(&graph, &analysis, 10).0.matches("<circle ").count(),
            1
        );
    }
}
