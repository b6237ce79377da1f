//! The graph itself: a node a type that is demanded, an edge where matters demand both, as heavy as there are such
//! matters.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::graph::{NodeIndex, UnGraph};

use crate::definitions::OwnedMatter;

/// A type that matters demand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Demanded {
    /// Type code.
    pub(super) code: String,
    /// Name, where it is known.
    pub(super) name: Option<String>,
    /// Demands that it meets, alone or as one of several.
    pub(super) demands: usize,
    /// Matters with such a demand.
    pub(super) matters: usize,
    /// Departments with such a matter.
    pub(super) departments: usize,
}

impl Demanded {
    /// Its name, or its code where it has none.
    pub(super) fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.code)
    }
}

/// Types by code, edges by the codes of both ends.
pub(super) type Graph = UnGraph<Demanded, u32>;

/// Builds the graph. Types that only meet the same single demand of a matter, either the one or the other, are not
/// demanded together there.
pub(super) fn build(matters: &[OwnedMatter], names: &BTreeMap<String, String>) -> Graph {
    let mut found: BTreeMap<&str, (Demanded, BTreeSet<&str>)> = BTreeMap::new();
    let mut weights: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for matter in matters {
        let demanded = demands_by_type(matter);
        for (code, demands) in &demanded {
            let (kind, departments) = found.entry(code).or_default();
            kind.demands += demands.len();
            kind.matters += 1;
            departments.insert(&matter.department);
        }
        let types: Vec<_> = demanded.iter().collect();
        for (i, (a, of_a)) in types.iter().enumerate() {
            for (b, of_b) in &types[i + 1..] {
                if of_a.len() > 1 || of_a != of_b {
                    *weights.entry((a, b)).or_default() += 1;
                }
            }
        }
    }
    let mut graph = Graph::default();
    let mut places: BTreeMap<&str, NodeIndex> = BTreeMap::new();
    for (code, (mut kind, departments)) in found {
        kind.code = code.to_owned();
        kind.name = names.get(code).cloned();
        kind.departments = departments.len();
        places.insert(code, graph.add_node(kind));
    }
    for ((a, b), weight) in weights {
        graph.add_edge(places[a], places[b], weight);
    }
    graph
}

/// For each type that a matter demands, the places of the demands it meets.
fn demands_by_type(matter: &OwnedMatter) -> BTreeMap<&str, BTreeSet<usize>> {
    let subs = matter.definition.sub.iter();
    let demands = subs.flat_map(|sub| &sub.requires).enumerate();
    let mut by_type: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (place, demand) in demands {
        for code in &demand.types {
            by_type.entry(code).or_default().insert(place);
        }
    }
    by_type
}

#[cfg(test)]
pub(super) mod tests {
    use certmesh_api::MatterRequest;
    use certmesh_api::RequirementView;
    use certmesh_api::SubMatterView;

    use super::*;

    /// A matter of a department with one sub-matter; `A|B` is a demand that either meets.
    pub(in super::super) fn matter(department: &str, demands: &[&str]) -> OwnedMatter {
        let demand = |text: &&str| RequirementView {
            types: text.split('|').map(str::to_owned).collect(),
            fields: Vec::new(),
        };
        let sub = SubMatterView {
            code: "1".to_owned(),
            name: "a".to_owned(),
            requires: demands.iter().map(demand).collect(),
        };
        OwnedMatter {
            department: department.to_owned(),
            definition: MatterRequest {
                code: "1".to_owned(),
                name: "a".to_owned(),
                sub: vec![sub],
            },
        }
    }

    fn edges(graph: &Graph) -> Vec<(String, String, u32)> {
        graph
            .edge_references()
            .map(|edge| {
                use petgraph::visit::EdgeRef;
                let title = |node: NodeIndex| graph[node].title().to_owned();
                (title(edge.source()), title(edge.target()), *edge.weight())
            })
            .collect()
    }

    #[test]
    fn an_edge_weighs_as_many_matters_as_demand_both_types() {
        let matters = [
            matter("x", &["A", "B", "A"]),
            matter("y", &["B", "A"]),
            matter("y", &["C"]),
        ];
        let graph = build(
            &matters,
            &BTreeMap::from([("C".to_owned(), "丙".to_owned())]),
        );
        assert_eq!(edges(&graph), [("A".to_owned(), "B".to_owned(), 2)]);
        let a = &graph[NodeIndex::new(0)];
        assert_eq!((a.demands, a.matters, a.departments), (3, 2, 2));
        assert_eq!(graph[NodeIndex::new(2)].title(), "丙");
    }

    #[test]
    fn alternatives_are_not_demanded_together_unless_another_demand_asks_for_one_of_them() {
        let one = build(&[matter("x", &["A|B", "C"])], &BTreeMap::new());
        let found: Vec<_> = edges(&one).into_iter().map(|(a, b, _)| a + &b).collect();
        assert_eq!(found, ["AC", "BC"]);
        let two = build(&[matter("x", &["A|B", "B"])], &BTreeMap::new());
        assert_eq!(two.edge_count(), 1);
    }
}
