//! The 328 matters with their 784 sub-matters and 2,699 demands.

use std::collections::BTreeSet;

use super::dice::{Dice, share_out};
use super::kinds::Kind;
use super::known_types::INSTEAD;
use super::offices::{CITY, DISTRICTS};
use certmesh_api::{MatterRequest, RequirementView, SubMatterView};

/// Matters of the data set.
pub(super) const MATTERS: usize = 328;
/// Their sub-matters.
pub(super) const SUB_MATTERS: usize = 784;
/// What they demand.
pub(super) const DEMANDS: usize = 2_699;

/// Matters of each district's bureau; the rest are the city's departments'.
const PER_DISTRICT: usize = 3;
/// Most demands of a sub-matter.
const MOST_DEMANDS: usize = 14;

const ACTIONS: [&str; 8] = [
    "设立审批",
    "许可",
    "备案",
    "变更审批",
    "延续审批",
    "年度审验",
    "资格认定",
    "登记",
];
const SUBS: [&str; 8] = [
    "首次申请",
    "变更",
    "延续",
    "补办",
    "注销",
    "个人申请",
    "单位申请",
    "委托办理",
];
/// What districts decide: the department of the city that sets the rules, and the topic.
const DISTRICT_TOPICS: [(&str, &str); 9] = [
    ("工商行政管理局", "个体工商户开业"),
    ("食品药品监督管理局", "小餐饮经营"),
    ("卫生和计划生育委员会", "公共场所卫生"),
    ("城市管理委员会", "门店招牌设置"),
    ("民政局", "社会救助"),
    ("人力资源和社会保障局", "就业援助"),
    ("教育局", "民办培训机构"),
    ("残疾人联合会", "残疾人补贴"),
    ("城乡建设委员会", "小型工程施工"),
];

/// A matter of the data set.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    /// Place of its department.
    pub(super) department: usize,
    /// Its definition.
    pub(super) definition: MatterRequest,
}

/// A sub-matter while its demands are drawn.
struct Draft {
    matter: usize,
    /// Place of the department whose types it is about.
    theme: usize,
    /// How many demands it gets.
    size: usize,
    /// Places of the types it demands.
    demands: Vec<usize>,
}

impl Draft {
    fn takes(&self, kind: usize) -> bool {
        self.demands.len() < self.size && !self.demands.contains(&kind)
    }
}

/// All matters, by department.
pub(super) fn all(seed: u64, kinds: &[Kind]) -> Vec<Planned> {
    let mut matters = outlines(seed);
    let mut drafts = drafts(seed, &matters);
    place_each_type_once(seed, kinds, &mut drafts);
    fill(seed, kinds, &mut drafts);
    for draft in &drafts {
        let (matter, _) = &mut matters[draft.matter];
        let part = matter.definition.sub.len();
        let mut dice = Dice::new(seed, "requires", &[draft.matter as u64, part as u64]);
        let requires = draft
            .demands
            .iter()
            .map(|place| requirement(kinds, *place, &draft.demands, &mut dice))
            .collect();
        matter.definition.sub.push(SubMatterView {
            code: format!("{:02}", part + 1),
            name: format!("{}（{}）", matter.definition.name, SUBS[part % SUBS.len()]),
            requires,
        });
    }
    matters.into_iter().map(|(planned, _)| planned).collect()
}

/// Matters without sub-matters, each with the department it is about.
fn outlines(seed: u64) -> Vec<(Planned, usize)> {
    let mut dice = Dice::new(seed, "matters", &[]);
    let weights: Vec<u64> = CITY.iter().map(|_| 3 + dice.skewed(12)).collect();
    let of_city = MATTERS - PER_DISTRICT * DISTRICTS.len();
    // A matter each first, so that every department has one.
    let more = share_out((of_city - CITY.len()) as u64, &weights);
    let mut outlines = Vec::with_capacity(MATTERS);
    for (department, more) in more.into_iter().enumerate() {
        for number in 0..=more as usize {
            // Four topics with eight actions each; none has more matters than that.
            let topic = CITY[department].1[number % 4];
            let action = ACTIONS[(number / 4 + number) % ACTIONS.len()];
            // A few are about what another department certifies.
            let theme = if dice.percent(15) {
                dice.index(CITY.len())
            } else {
                department
            };
            let name = format!("{topic}{action}");
            outlines.push((outline(department, number, name), theme));
        }
    }
    for district in 0..DISTRICTS.len() {
        for number in 0..PER_DISTRICT {
            let (of, topic) = DISTRICT_TOPICS[(district + number * 4) % DISTRICT_TOPICS.len()];
            let name = format!("{topic}{}", ACTIONS[(district + number) % ACTIONS.len()]);
            let theme = super::offices::place_of(of);
            outlines.push((outline(CITY.len() + district, number, name), theme));
        }
    }
    outlines
}

fn outline(department: usize, number: usize, name: String) -> Planned {
    Planned {
        department,
        definition: MatterRequest {
            code: format!("SL-{department:02}-{:03}", number + 1),
            name,
            sub: Vec::new(),
        },
    }
}

/// Sub-matters with the number of demands of each: one at least, and exactly as many together as there are to be.
fn drafts(seed: u64, matters: &[(Planned, usize)]) -> Vec<Draft> {
    let mut dice = Dice::new(seed, "sub-matters", &[]);
    let mut parts = vec![1; matters.len()];
    let mut left = SUB_MATTERS - matters.len();
    while left > 0 {
        let matter = dice.skewed(matters.len() as u64) as usize;
        // The largest departments come anywhere in the list: spread by a step that meets every place.
        let matter = matter * 101 % matters.len();
        if parts[matter] < SUBS.len() {
            parts[matter] += 1;
            left -= 1;
        }
    }
    let mut drafts = Vec::with_capacity(SUB_MATTERS);
    for (matter, ((_, theme), parts)) in matters.iter().zip(parts).enumerate() {
        drafts.extend((0..parts).map(|_| Draft {
            matter,
            theme: *theme,
            size: 1,
            demands: Vec::new(),
        }));
    }
    let mut left = DEMANDS - drafts.len();
    while left > 0 {
        let place = dice.skewed(drafts.len() as u64) as usize * 233 % drafts.len();
        if drafts[place].size < MOST_DEMANDS {
            drafts[place].size += 1;
            left -= 1;
        }
    }
    drafts
}

/// Every type is demanded somewhere, half of them by a matter of their own department.
fn place_each_type_once(seed: u64, kinds: &[Kind], drafts: &mut [Draft]) {
    for (place, kind) in kinds.iter().enumerate() {
        let mut dice = Dice::new(seed, "first demand", &[place as u64]);
        let at_home = dice.percent(50);
        let first = dice.index(drafts.len());
        let order = || (0..drafts.len()).map(|step| (first + step) % drafts.len());
        let home = order()
            .find(|at| at_home && drafts[*at].theme == kind.department && drafts[*at].takes(place));
        let chosen = home.or_else(|| order().find(|at| drafts[*at].takes(place)));
        // There are four times as many demands as types.
        if let Some(chosen) = chosen {
            drafts[chosen].demands.push(place);
        }
    }
}

/// The other demands: what everybody demands, what the same matter demands already, what its department certifies.
fn fill(seed: u64, kinds: &[Kind], drafts: &mut [Draft]) {
    let weights: Vec<u64> = kinds.iter().map(|kind| kind.demand).collect();
    let of_department: Vec<Vec<usize>> = (0..CITY.len())
        .map(|department| {
            let own = kinds.iter().enumerate();
            own.filter(|(_, kind)| kind.department == department)
                .map(|(place, _)| place)
                .collect()
        })
        .collect();
    let mut pool: BTreeSet<usize> = BTreeSet::new();
    let mut pool_of = usize::MAX;
    for (at, draft) in drafts.iter_mut().enumerate() {
        if draft.matter != pool_of {
            pool.clear();
            pool_of = draft.matter;
        }
        let mut dice = Dice::new(seed, "demands", &[at as u64]);
        let own = &of_department[draft.theme];
        pool.extend(&draft.demands);
        while draft.demands.len() < draft.size {
            let kind = match dice.below(100) {
                0..45 => dice.weighted(&weights),
                45..75 if !pool.is_empty() => {
                    let nth = dice.index(pool.len());
                    pool.iter().nth(nth).copied().unwrap_or_default()
                }
                _ => own[dice.skewed(own.len() as u64) as usize],
            };
            if draft.takes(kind) {
                draft.demands.push(kind);
                pool.insert(kind);
            }
        }
        draft.demands.sort_unstable();
    }
}

/// One demand: a type, now and then with others that meet it as well, and the fields that are needed of it.
fn requirement(
    kinds: &[Kind],
    place: usize,
    demands: &[usize],
    dice: &mut Dice,
) -> RequirementView {
    let kind = &kinds[place];
    let mut types = vec![kind.code.to_string()];
    let instead = INSTEAD.iter().find(|(name, _)| *name == kind.name);
    if let Some((_, others)) = instead
        && dice.percent(15)
    {
        let other = |name: &&str| kinds.iter().position(|kind| kind.name == **name);
        let others = others.iter().filter_map(other);
        types.extend(
            others
                .filter(|other| !demands.contains(other))
                .map(|other| kinds[other].code.to_string()),
        );
    }
    let mut fields = vec!["ZZBH".to_owned()];
    // Fields that every one of the types has.
    for code in ["ZZMC", "CZZT", "ZZBFRQ"] {
        if dice.percent(35) {
            fields.push(code.to_owned());
        }
    }
    if types.len() == 1 {
        let own = kind.fields.iter().map(|(code, _, _)| (*code).to_owned());
        fields.extend(own.filter(|_| dice.percent(50)));
    }
    RequirementView { types, fields }
}

#[cfg(test)]
mod tests {
    use super::super::{kinds, offices};
    use super::*;

    #[test]
    fn the_study_s_figures_come_out_for_any_seed_and_every_matter_passes_the_check() {
        let offices = offices::all().unwrap();
        for seed in [0, 1, 2, 99, u64::MAX] {
            let kinds = kinds::all(seed, &offices).unwrap();
            let matters = all(seed, &kinds);
            assert_eq!(matters.len(), MATTERS);
            let mut codes = BTreeSet::new();
            for matter in &matters {
                matter.definition.check().unwrap();
                assert!(codes.insert((matter.department, matter.definition.code.clone())));
            }
            let departments: BTreeSet<usize> = matters.iter().map(|m| m.department).collect();
            assert_eq!(departments.len(), offices.len());
            let subs: Vec<&SubMatterView> =
                matters.iter().flat_map(|m| &m.definition.sub).collect();
            assert_eq!(subs.len(), SUB_MATTERS);
            let demands: Vec<&RequirementView> = subs.iter().flat_map(|s| &s.requires).collect();
            assert_eq!(demands.len(), DEMANDS);
            let types: BTreeSet<&String> = demands.iter().flat_map(|d| &d.types).collect();
            assert_eq!(types.len(), kinds::TYPES);
            assert!(demands.iter().any(|demand| demand.types.len() > 1));
        }
    }

    #[test]
    fn a_few_types_are_demanded_very_often_and_most_seldom() {
        let offices = offices::all().unwrap();
        let kinds = kinds::all(0, &offices).unwrap();
        let matters = all(0, &kinds);
        let demanded = |kind: &Kind| {
            let code = kind.code.to_string();
            let subs = matters.iter().flat_map(|matter| &matter.definition.sub);
            let demands = subs.flat_map(|sub| &sub.requires);
            demands.filter(|demand| demand.types[0] == code).count()
        };
        let mut counts: Vec<usize> = kinds.iter().map(demanded).collect();
        assert!(counts[0] > 100, "identity card: {}", counts[0]);
        counts.sort_unstable();
        assert!(
            counts[kinds.len() / 2] <= 3,
            "median {}",
            counts[kinds.len() / 2]
        );
    }
}
