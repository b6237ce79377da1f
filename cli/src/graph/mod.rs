//! `certmesh graph`: which types are demanded together, which belong together, and which to share first (证照共现图谱).
//!
//! `cooccurrence` builds the graph, `louvain` finds communities, `grade` says what to share first; `graphml` and
//! `picture` write what other programs and people look at.

mod circle;
mod cooccurrence;
mod grade;
mod graphml;
mod louvain;
mod picture;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use certmesh_api::CatalogueView;
use clap::{Args, ValueEnum};
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;
use serde::Serialize;

use crate::args::{Global, within};
use crate::client::Client;
use crate::definitions::{self, OwnedMatter};
use crate::files::write_whole;
use crate::screen::{Screen, Tone, cell, grouped, number, printable, toned};
use crate::{Error, Outcome};
use cooccurrence::Graph;
use grade::{Grade, Whole};
use picture::Drawer;

/// Compute which certificate types matters demand together, and which to share first
///
/// Types are tied where a matter demands both; a tie weighs as many matters as do. Communities are found by the Louvain
/// method. Grades: A (share first) for a type that a fifth of the departments demand, three at least, and that goes with
/// more types than the average; B (share next) for others that three departments demand; C (share when asked) for what
/// one or two departments demand more than once; D (leave) for what is demanded once.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GraphArgs {
    /// Directory of matters; the catalogue of the node when absent
    #[arg(long, value_name = "DIR")]
    matters: Option<PathBuf>,
    /// Directory of types, for their names; the catalogue of the node when this and --matters are absent
    #[arg(long, value_name = "DIR")]
    types: Option<PathBuf>,
    /// What to write
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Format>,
    /// File to write to; standard output when absent
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "output")]
    force: bool,
    /// How many types a table or a picture shows, the most demanded of the best grades first; the others hold all
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = within(1_u16, 200))]
    top: u16,
}

const EXAMPLES: &str = "\
Examples:
  certmesh graph
  certmesh graph --matters wuhan/matters --types wuhan/types --top 20
  certmesh graph --matters wuhan/matters --types wuhan/types --format svg -o types.svg
  certmesh graph --format graphml -o types.graphml

A picture is drawn by Graphviz where its `dot` is installed, otherwise on a circle by certmesh itself.";

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// Everything.
    Json,
    /// Everything, for graph tools.
    Graphml,
    /// A picture.
    Svg,
}

/// What was found out.
#[derive(Debug, Serialize)]
struct Analysis {
    matters: usize,
    departments: usize,
    mean_degree: f64,
    algorithm: &'static str,
    modularity: f64,
    communities: Vec<CommunityShown>,
    /// How many types have each grade.
    grades: BTreeMap<Grade, usize>,
    /// Best grade first, then by demands.
    types: Vec<TypeShown>,
    edges: Vec<EdgeShown>,
}

#[derive(Debug, Serialize)]
struct CommunityShown {
    community: usize,
    types: usize,
    /// Its most demanded types.
    foremost: Vec<String>,
}

#[derive(Debug, Serialize)]
struct TypeShown {
    #[serde(skip)]
    node: NodeIndex,
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    demands: usize,
    matters: usize,
    departments: usize,
    /// Other types it is demanded with.
    degree: usize,
    /// Weight of its edges.
    strength: u64,
    /// From 1, the largest first.
    community: usize,
    grade: Grade,
    reason: String,
}

#[derive(Debug, Serialize)]
struct EdgeShown {
    a: String,
    b: String,
    /// Matters that demand both.
    weight: u32,
}

pub(crate) fn run(
    args: &GraphArgs,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let format = match (args.format, screen.json()) {
        (None, true) => Format::Json,
        (None, false) => Format::Table,
        (Some(format), json) if !json || format == Format::Json || args.output.is_some() => format,
        _ => {
            return Err(Error::Usage(
                "--json and this --format contradict each other: give one of them, or -o FILE",
            ));
        }
    };
    if format == Format::Table && args.output.is_some() {
        return Err(Error::Usage(
            "a table goes to standard output: give --format json, graphml or svg with -o",
        ));
    }
    if let Some(path) = args
        .output
        .as_ref()
        .filter(|path| !args.force && path.exists())
    {
        return Err(Error::exists(path));
    }
    let matters = definitions::matters(args.matters.as_deref(), global)?;
    let graph = cooccurrence::build(&matters, &names(args, global)?);
    let analysis = analyse(&graph, &matters);
    let document = match format {
        Format::Table => return present(&analysis, args.top, screen),
        Format::Json => {
            serde_json::to_string_pretty(&analysis).map_err(std::io::Error::from)? + "\n"
        }
        Format::Graphml => graphml::document(&analysis),
        Format::Svg => {
            let (svg, drawer) = picture::svg(&graph, &analysis, args.top.into())?;
            if drawer == Drawer::BuiltIn && !screen.json() {
                screen.note("note: Graphviz is not installed; drawn on a circle without it");
            }
            svg
        }
    };
    let shown = match format {
        Format::Svg => analysis.types.len().min(args.top.into()),
        _ => analysis.types.len(),
    };
    write(args, &document, &analysis, shown, screen)
}

fn write(
    args: &GraphArgs,
    document: &str,
    analysis: &Analysis,
    shown: usize,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let Some(path) = &args.output else {
        screen.out().write_all(document.as_bytes())?;
        return Ok(Outcome::Yes);
    };
    write_whole(
        path,
        document.as_bytes(),
        args.force,
        crate::files::Access::Everyone,
    )?;
    let (types, edges) = (analysis.types.len(), analysis.edges.len());
    if screen.json() {
        screen.print_json(&serde_json::json!({ "file": path, "types": types, "edges": edges }))?;
    } else {
        let done = screen.paint(Tone::Good, "WRITTEN");
        screen.line(format!(
            "{done}  {} ({} types, {edges} edges)",
            path.display(),
            of_all(shown, types)
        ))?;
    }
    Ok(Outcome::Yes)
}

/// `40 of 664`, or the number alone where nothing is left out.
fn of_all(shown: usize, all: usize) -> String {
    match shown < all {
        true => format!("{} of {}", grouped(shown as u64), grouped(all as u64)),
        false => grouped(all as u64),
    }
}

/// Names of types, where available: a directory of matters is looked at without a node.
fn names(args: &GraphArgs, global: &Global) -> Result<BTreeMap<String, String>, Error> {
    if let Some(dir) = &args.types {
        let types = definitions::types(dir)?;
        return Ok(types
            .into_iter()
            .map(|kind| (kind.code, kind.name))
            .collect());
    }
    if args.matters.is_some() {
        return Ok(BTreeMap::new());
    }
    let catalogue: CatalogueView = Client::new(global)?.get_list("/v1/catalogue")?;
    let named = catalogue.types.into_iter();
    Ok(named
        .filter_map(|kind| Some((kind.code, kind.name?)))
        .collect())
}

fn analyse(graph: &Graph, matters: &[OwnedMatter]) -> Analysis {
    let found = louvain::communities(graph);
    let departments: BTreeSet<&str> = matters
        .iter()
        .map(|matter| matter.department.as_str())
        .collect();
    let whole = Whole {
        departments: departments.len(),
        mean_degree: 2.0 * graph.edge_count() as f64 / graph.node_count().max(1) as f64,
    };
    let shown = |node: NodeIndex| {
        let kind = &graph[node];
        let degree = graph.edges(node).count();
        let (grade, reason) = grade::grade(kind, degree, whole);
        TypeShown {
            node,
            code: kind.code.clone(),
            name: kind.name.clone(),
            demands: kind.demands,
            matters: kind.matters,
            departments: kind.departments,
            degree,
            strength: graph
                .edges(node)
                .map(|edge| u64::from(*edge.weight()))
                .sum(),
            community: found.of[node.index()] + 1,
            grade,
            reason,
        }
    };
    let mut types: Vec<TypeShown> = graph.node_indices().map(shown).collect();
    types.sort_by(|a, b| (a.grade, b.demands, &a.code).cmp(&(b.grade, a.demands, &b.code)));
    let community = |number: usize| {
        let members = types.iter().filter(|kind| kind.community == number);
        let mut members: Vec<&TypeShown> = members.collect();
        members.sort_by_key(|kind| std::cmp::Reverse(kind.demands));
        CommunityShown {
            community: number,
            types: members.len(),
            foremost: members
                .iter()
                .take(3)
                .map(|kind| graph[kind.node].title().to_owned())
                .collect(),
        }
    };
    let edge = |edge: petgraph::graph::EdgeReference<'_, u32>| EdgeShown {
        a: graph[edge.source()].code.clone(),
        b: graph[edge.target()].code.clone(),
        weight: *edge.weight(),
    };
    let graded = |grade: Grade| {
        (
            grade,
            types.iter().filter(|kind| kind.grade == grade).count(),
        )
    };
    Analysis {
        matters: matters.len(),
        departments: whole.departments,
        mean_degree: whole.mean_degree,
        algorithm: "Louvain",
        modularity: found.modularity,
        communities: (1..=found.count).map(community).collect(),
        grades: Grade::ALL.into_iter().map(graded).collect(),
        edges: graph.edge_references().map(edge).collect(),
        types,
    }
}

fn present(analysis: &Analysis, top: u16, screen: &mut Screen) -> Result<Outcome, Error> {
    let count = |count: usize| grouped(count as u64);
    screen.field(
        "matters",
        format!(
            "{} of {} departments",
            count(analysis.matters),
            count(analysis.departments)
        ),
    )?;
    screen.field(
        "types",
        format!(
            "{}, each demanded with {:.1} others on average",
            count(analysis.types.len()),
            analysis.mean_degree
        ),
    )?;
    screen.field("ties", count(analysis.edges.len()))?;
    screen.field(
        "communities",
        format!(
            "{} by the Louvain method, modularity {:.3}",
            count(analysis.communities.len()),
            analysis.modularity
        ),
    )?;
    for grade in Grade::ALL {
        let types = analysis.grades.get(&grade).copied().unwrap_or_default();
        screen.field(
            &format!("grade {grade}"),
            format!("{:>5}  {}", count(types), grade.advice()),
        )?;
    }
    screen.line("")?;
    let rows = analysis.types.iter().take(top.into()).map(|kind| {
        let tone = match kind.grade {
            Grade::A => Tone::Good,
            Grade::B => Tone::Strong,
            Grade::C => Tone::Doubt,
            Grade::D => Tone::Faint,
        };
        vec![
            toned(tone, kind.grade.to_string()),
            cell(printable(kind.name.as_deref().unwrap_or(&kind.code))),
            number(kind.demands as u64),
            number(kind.departments as u64),
            number(kind.degree as u64),
            number(kind.strength),
            number(kind.community as u64),
            cell(&kind.reason),
        ]
    });
    let header = [
        "GRADE",
        "TYPE",
        "DEMANDS",
        "DEPARTMENTS",
        "DEGREE",
        "WEIGHT",
        "COMMUNITY",
        "REASON",
    ];
    screen.table(&header, &[0, 1], rows.collect())?;
    let rest = analysis.types.len().saturating_sub(top.into());
    if rest > 0 {
        screen.line(format!(
            "{} types; --top shows more, --format json all",
            of_all(analysis.types.len() - rest, analysis.types.len())
        ))?;
    }
    Ok(Outcome::Yes)
}
