//! The certificates: how many of which type by whom, and each of them as a function of its number, so that any number
//! of them takes no memory.

use std::collections::BTreeMap;

use certmesh_api::{Holder, IssueRequest};
use certmesh_ledger::id::{CertificateId, Date, IdError, IssuerCode};

use super::dice::{Dice, share_out};
use super::holders::{Somebody, organisation, person};
use super::kinds::{Kind, Who};
use super::offices::{CITY, DISTRICTS, Office};

/// 2012-09-01 in days since 1970, and the days until 2017-10-15: the time the study counts.
const FIRST_DAY: i32 = 15_584;
const DAYS: u64 = 1_870;
/// Percent of a type's certificates that the city issues where districts issue it too.
const BY_CITY: u64 = 12;
/// Steps through the people that meet all of them, whatever their number; the first that does is taken.
const STEPS: [u64; 4] = [7_919, 104_729, 15_485_863, 1];

/// How many people and organisations there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Population {
    people: u64,
    organisations: u64,
}

/// The certificates of a type by a department.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    /// Place of the department that issues them.
    pub(super) issuer: usize,
    /// Place of their type.
    pub(super) kind: usize,
    /// How many.
    pub(super) count: u64,
}

/// All streams with at least one certificate, by issuer and type; `total` certificates together.
pub(super) fn streams(total: u64, kinds: &[Kind]) -> Vec<Stream> {
    let mut streams = Vec::new();
    let mut weights = Vec::new();
    for (kind, of) in kinds.iter().enumerate() {
        let mut add = |issuer: usize, weight: u64| {
            streams.push(Stream {
                issuer,
                kind,
                count: 0,
            });
            weights.push(weight);
        };
        let weight = of.certificates * 1_000;
        if of.districts {
            let all: u64 = DISTRICTS.iter().map(|(_, _, share)| share).sum();
            add(of.department, weight * BY_CITY / 100);
            for (place, (_, _, share)) in DISTRICTS.iter().enumerate() {
                add(
                    CITY.len() + place,
                    weight * (100 - BY_CITY) / 100 * share / all,
                );
            }
        } else {
            add(of.department, weight);
        }
    }
    for (stream, count) in streams.iter_mut().zip(share_out(total, &weights)) {
        stream.count = count;
    }
    streams.retain(|stream| stream.count > 0);
    streams.sort_by_key(|stream| (stream.issuer, stream.kind));
    streams
}

impl Population {
    /// As many people as there are identity cards and organisations as there are business licences, and at least a few.
    pub(super) fn of(streams: &[Stream], kinds: &[Kind]) -> Population {
        let all = |name: &str| {
            let of_kind = streams
                .iter()
                .filter(|stream| kinds[stream.kind].name == name);
            of_kind.map(|stream| stream.count).sum::<u64>()
        };
        Population {
            people: all("居民身份证").max(200),
            organisations: all("营业执照").max(100),
        }
    }
}

/// A certificate before it takes a shape: a row for the API, or one of an old table.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    /// The issuer's serial number.
    pub(super) serial: String,
    /// Whom it is about.
    pub(super) holder: Somebody,
    /// First day of validity, the day it was issued.
    pub(super) first: Date,
    /// Last day; `None` without end.
    pub(super) last: Option<Date>,
    /// Fields by code.
    pub(super) fields: BTreeMap<String, String>,
}

/// Makes the certificates of one stream.
pub(super) struct Maker<'a> {
    seed: u64,
    stream: &'a Stream,
    kind: &'a Kind,
    issuer: &'a Office,
    population: Population,
}

impl<'a> Maker<'a> {
    /// For a stream of these departments and types.
    pub(super) fn new(
        seed: u64,
        stream: &'a Stream,
        kinds: &'a [Kind],
        offices: &'a [Office],
        population: Population,
    ) -> Maker<'a> {
        Maker {
            seed,
            stream,
            kind: &kinds[stream.kind],
            issuer: &offices[stream.issuer],
            population,
        }
    }

    /// One certificate. Numbers from the stream's count on give certificates that are in no stream.
    pub(super) fn certificate(&self, number: u64) -> Certificate {
        let place = [self.stream.issuer as u64, self.stream.kind as u64, number];
        let mut dice = Dice::new(self.seed, "certificate", &place);
        // More of them every year: the latest third of the days has most.
        let day = FIRST_DAY + (DAYS - 1 - dice.skewed(DAYS)) as i32;
        let first = Date::from_days(day).expect("days between 2012 and 2017");
        let holder = self.holder(number, &mut dice);
        let year = first.to_string()[..4].parse().unwrap_or_default();
        let mut fields = BTreeMap::from([
            ("ZZMC".to_owned(), self.kind.name.clone()),
            (
                "ZZBH".to_owned(),
                self.kind.number(year, number, &holder.code),
            ),
            ("CZZT".to_owned(), holder.name.clone()),
            ("ZZBFJG".to_owned(), self.issuer.name.clone()),
            ("ZZBFRQ".to_owned(), first.to_string()),
        ]);
        fields.extend(self.kind.draw_fields(&mut dice));
        Certificate {
            serial: format!("{year}{number:09}"),
            holder,
            first,
            last: self.kind.last_day(first, &mut dice),
            fields,
        }
    }

    fn holder(&self, number: u64, dice: &mut Dice) -> Somebody {
        let is_person = match self.kind.who {
            Who::Person => true,
            Who::Organisation => false,
            Who::Anyone => dice.percent(70),
        };
        let among = if is_person {
            self.population.people
        } else {
            self.population.organisations
        };
        // What all of them have, each has once; of the rest a few have many and many a few.
        let whose = if self.stream.count * 2 > among {
            let step = STEPS.iter().find(|step| among % **step != 0);
            (u128::from(number) * u128::from(*step.unwrap_or(&1)) % u128::from(among)) as u64
        } else {
            dice.skewed(among)
        };
        if is_person {
            person(whose)
        } else {
            organisation(whose)
        }
    }

    /// One certificate as the API takes it.
    ///
    /// # Errors
    /// [`IdError`] never in practice: serials are short digits.
    pub(super) fn row(&self, number: u64) -> Result<IssueRequest, IdError> {
        let made = self.certificate(number);
        let issuer = IssuerCode::from(self.issuer.code);
        let id = CertificateId::new(self.kind.code, issuer, &made.serial, 1)?;
        Ok(IssueRequest {
            id: Some(id.to_string()),
            holder: Some(Holder {
                kind: made.holder.kind.into(),
                code: made.holder.code,
            }),
            valid_from: Some(made.first.to_string()),
            valid_until: made.last.map(|day| day.to_string()),
            fields: made.fields,
            ..IssueRequest::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use certmesh_api::draft::Draft;
    use certmesh_ledger::catalogue::{Proposed, Standard};

    use super::super::{kinds, offices};
    use super::*;

    #[test]
    fn every_certificate_passes_the_api_s_check_and_meets_its_type_s_standard() {
        let offices = offices::all().unwrap();
        let kinds = kinds::all(5, &offices).unwrap();
        let standards: Vec<Standard> = kinds
            .iter()
            .map(|kind| {
                Standard::new(Arc::new(kind.definition(&offices).check().unwrap()))
                    .unwrap_or_else(|faults| panic!("{faults:?}"))
            })
            .collect();
        let streams = streams(7_512, &kinds);
        assert_eq!(
            streams.iter().map(|stream| stream.count).sum::<u64>(),
            7_512
        );
        let population = Population::of(&streams, &kinds);
        let mut seen = BTreeSet::new();
        for stream in &streams {
            let maker = Maker::new(5, stream, &kinds, &offices, population);
            let department = offices[stream.issuer].code;
            for number in 0..stream.count {
                let draft = Draft::check(maker.row(number).unwrap(), &department).unwrap();
                assert!(draft.warnings.is_empty(), "{:?}", draft.warnings);
                assert!(draft.id.issuer().names(&department));
                assert_eq!(draft.id.type_code(), kinds[stream.kind].code);
                let proposed = Proposed {
                    department,
                    holder_kind: draft.holder_kind,
                    validity: draft.validity,
                    fields: &draft.fields,
                };
                assert_eq!(standards[stream.kind].departures(&proposed), []);
                assert!(seen.insert(draft.id.to_string()));
            }
        }
        assert_eq!(seen.len(), 7_512);
    }

    #[test]
    fn a_few_departments_issue_most_and_each_person_has_one_identity_card() {
        let offices = offices::all().unwrap();
        let kinds = kinds::all(0, &offices).unwrap();
        let streams = streams(20_000, &kinds);
        let mut by_issuer = vec![0; offices.len()];
        for stream in &streams {
            by_issuer[stream.issuer] += stream.count;
        }
        by_issuer.sort_unstable();
        let top: u64 = by_issuer.iter().rev().take(5).sum();
        assert!(top > 10_000, "{top}");
        let population = Population::of(&streams, &kinds);
        let cards = streams
            .iter()
            .find(|s| kinds[s.kind].name == "居民身份证")
            .unwrap();
        let maker = Maker::new(0, cards, &kinds, &offices, population);
        let holders: BTreeSet<String> = (0..cards.count)
            .map(|number| maker.certificate(number).holder.code)
            .collect();
        assert_eq!(holders.len() as u64, cards.count);
    }
}
