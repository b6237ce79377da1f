//! Which rule judges which record.

use super::world::{World, code, root};
use crate::codec::Ascending;
use crate::genesis::{Policy, Role, Terms};
use crate::governance::*;
use crate::names::{Claim, LogId};

fn claim(n: usize, generation: u32, seq: u64, epoch: u32, height: u64) -> Claim {
    let department = code(n);
    let log = LogId {
        department,
        generation,
    };
    Claim {
        log,
        seq,
        epoch,
        height,
    }
}

/// Why something of department 4, in its first generation, counts for nothing; none if it counts.
fn why(history: &History, seq: u64, epoch: u32, height: u64) -> Option<Why> {
    match history.judge(&claim(4, 0, seq, epoch, height)) {
        Judgement::By(_) => None,
        Judgement::Nothing(why) => Some(why),
        Judgement::Early => panic!("early"),
    }
}

fn suspend(world: &mut World, size: u64) {
    let suspend = world.suspend(4, size);
    world.decide(&[suspend]).unwrap();
}

fn resume(world: &mut World) {
    let since = world.member(4).suspended_since().unwrap();
    let department = code(4);
    world
        .decide(&[Resume { department, since }.into()])
        .unwrap();
}

fn cut(world: &mut World, size: u64, why: CutReason, first_epoch: u32) {
    let position = world.position(4, size);
    let cut = Cut {
        position,
        why,
        first_epoch,
    };
    world.decide(&[cut.into()]).unwrap();
}

#[test]
fn what_names_a_height_that_is_not_known_is_early_and_nobody_s_fault() {
    let mut world = World::new(4, 1);
    world.rotate(4);
    let history = world.history();
    assert_eq!(history.judge(&claim(4, 0, 0, 1, 2)), Judgement::Early);
    assert_eq!(history.judge(&claim(99, 7, 0, 9, 2)), Judgement::Early);
    assert_eq!(why(&history, 0, 1, 1), None);
    assert_eq!(history.rules_at(2), None);
    assert_eq!(history.member_at(&code(4), 2), None);
}

#[test]
fn a_record_is_signed_by_the_key_in_force_at_the_height_that_it_names() {
    let mut world = World::new(4, 1);
    world.rotate(3);
    world.rotate(4);
    let history = world.history();
    for (epoch, height, counts) in [
        (0, 0, true),
        (0, 1, true),
        (0, 2, false),
        (1, 1, false),
        (1, 2, true),
        (2, 2, false),
        (u32::MAX, 2, false),
    ] {
        let expected = (!counts).then_some(Why::NotInForce);
        assert_eq!(
            why(&history, 5, epoch, height),
            expected,
            "{epoch} at {height}"
        );
    }
    let Judgement::By(judge) = history.judge(&claim(4, 0, 5, 1, 2)) else {
        panic!("it counts")
    };
    assert_eq!(judge.key, &world.own(4).now().public());
    assert!(!judge.needs_witnesses);
    let absent = Judgement::Nothing(Why::NotAMember(code(50)));
    assert_eq!(history.judge(&claim(50, 0, 0, 0, 0)), absent);
}

#[test]
fn an_ended_key_authorises_nothing_from_its_end_on_and_before_what_leads_to_its_root() {
    let mut world = World::new(4, 1);
    world.rotate(4);
    // Its thief still dates records back; until its end is known they count like any other.
    assert_eq!(why(&world.history(), 12, 0, 0), None);
    let end = EpochEnd {
        position: world.position(4, 10),
        epoch: 0,
        why: EndReason::Stolen,
    };
    let ended = world.ended(4, end, &[0, 1, 2]);
    world.make(vec![ended.into()]).unwrap();
    let history = world.history();
    assert_eq!(why(&history, 10, 0, 0), Some(Why::Ended(EndReason::Stolen)));
    let Judgement::By(judge) = history.judge(&claim(4, 0, 9, 0, 0)) else {
        panic!("it counts")
    };
    assert_eq!(judge.leads_to, [(10, root(10))]);
    assert!(judge.needs_witnesses);
    assert_eq!(why(&history, 10, 1, 1), None);
    let (_, why) = history.word_of(&code(4), 0, 0).unwrap();
    assert_eq!(why, Some(EndReason::Stolen));
}

#[test]
fn from_the_position_of_a_suspension_on_no_older_height_helps() {
    let mut world = World::new(4, 1);
    suspend(&mut world, 20);
    let suspended = Some(Why::Suspended(code(4)));
    let while_suspended = world.history();
    assert_eq!(why(&while_suspended, 19, 0, 0), None);
    assert_eq!(why(&while_suspended, 19, 0, 1), suspended);
    assert_eq!(why(&while_suspended, 20, 0, 0), suspended);
    assert!(while_suspended.word_of(&code(4), 0, 1).is_none());
    resume(&mut world);
    let resumed = world.history();
    // It goes on in the next generation of its log, behind what counts. Of the one before nothing beyond does.
    let void = Some(Why::Void(GenerationEnd::Suspended));
    for (height, expected) in [(0, void), (1, void), (2, Some(Why::Generation))] {
        assert_eq!(why(&resumed, 20, 0, height), expected, "{height}");
    }
    assert_eq!(why(&resumed, 19, 0, 0), None);
    let of_next = |height| resumed.judge(&claim(4, 1, 20, 0, height));
    assert!(matches!(of_next(2), Judgement::By(_)));
    for height in [0, 1] {
        let generation = Judgement::Nothing(Why::Generation);
        assert_eq!(of_next(height), generation, "dated back");
    }
    assert_eq!(resumed.marked_below(claim(4, 1, 0, 0, 0).log, 30), None);
    // A cut while it was suspended has settled where it goes on.
    let mut world = World::new(4, 1);
    suspend(&mut world, 20);
    cut(&mut world, 15, CutReason::Forked, 0);
    resume(&mut world);
    let history = world.history();
    let log = claim(4, 2, 0, 0, 0).log;
    assert_eq!(history.present_log(&code(4)), log);
    assert_eq!(history.beginning(log).unwrap().size, 15);
    let while_suspended = history.judge(&claim(4, 1, 15, 0, 2));
    let void = Why::Void(GenerationEnd::Suspended);
    assert_eq!(while_suspended, Judgement::Nothing(void));
}

#[test]
fn only_what_may_void_changes_of_certificates_keeps_them_from_being_proved() {
    let mut world = World::new(4, 1);
    let log = world.member(4).log();
    let role = Role::Define(code(60));
    let change = |give: &[Role], take: &[Role], position| {
        Action::from(ChangeRoles {
            department: code(4),
            give: Ascending::new(give.to_vec()).unwrap(),
            take: Ascending::new(take.to_vec()).unwrap(),
            position,
        })
    };
    let position = world.position(4, 7);
    world.decide(&[change(&[role], &[], None)]).unwrap();
    world
        .decide(&[change(&[], &[role], Some(position))])
        .unwrap();
    assert_eq!(world.history().marked_below(log, 8), None);
    world
        .decide(&[change(&[], &[Role::Issue], Some(position))])
        .unwrap();
    assert_eq!(world.history().marked_below(log, 8), Some(7));
    assert_eq!(world.history().marked_below(log, 7), None);
    world.decide(&[change(&[Role::Issue], &[], None)]).unwrap();
    assert_eq!(world.history().marked_below(log, 8), Some(7));
}

#[test]
fn a_role_that_was_taken_is_not_used_by_naming_an_older_height() {
    let mut world = World::new(4, 1);
    let role = Role::Issue;
    let one = || Ascending::new(vec![role]).unwrap();
    let take = ChangeRoles {
        department: code(4),
        give: Ascending::default(),
        take: one(),
        position: Some(world.position(4, 7)),
    };
    world.decide(&[take.clone().into()]).unwrap();
    let give = ChangeRoles {
        give: one(),
        take: Ascending::default(),
        position: None,
        ..take
    };
    world.decide(&[give.into()]).unwrap();
    let history = world.history();
    let has = |seq, height| match history.judge(&claim(4, 0, seq, 0, height)) {
        Judgement::By(judge) => judge.has_role(role),
        other => panic!("{other:?}"),
    };
    assert!(has(6, 0));
    assert!(!has(7, 0));
    assert!(!has(7, 1));
    assert!(has(7, 2));
    // Dated back it stays wrong, though the role came back and something else was decided since.
    let position = world.position(4, 7);
    let other = Role::Define(code(60));
    let change = |give: &[Role], take: &[Role], position| ChangeRoles {
        department: code(4),
        give: Ascending::new(give.to_vec()).unwrap(),
        take: Ascending::new(take.to_vec()).unwrap(),
        position,
    };
    world.decide(&[change(&[other], &[], None).into()]).unwrap();
    world
        .decide(&[change(&[], &[other], Some(position)).into()])
        .unwrap();
    suspend(&mut world, 9);
    resume(&mut world);
    let later = world.history();
    let Judgement::By(judge) = later.judge(&claim(4, 0, 7, 0, 0)) else {
        panic!("it counts, for what needs no role")
    };
    assert!(!judge.has_role(role));
    let void = Some(Why::Void(GenerationEnd::Suspended));
    assert_eq!(why(&later, 9, 0, 0), void);
    assert!(history.had_role(&code(4), role, 0));
    assert!(!history.had_role(&code(4), role, 1));
}

#[test]
fn a_cut_voids_what_is_beyond_it_and_the_next_generation_has_living_keys_alone() {
    let mut world = World::new(4, 1);
    world.rotate(4);
    cut(&mut world, 10, CutReason::Compromised, 2);
    let history_now = world.history();
    let void = Some(Why::Void(GenerationEnd::Cut(CutReason::Compromised)));
    assert_eq!(why(&history_now, 10, 1, 1), void);
    assert_eq!(why(&history_now, 9, 1, 1), None);
    // The old generation as of a height at which it had ended, and the next one as of one at which it hadn't begun.
    assert_eq!(why(&history_now, 9, 1, 2), Some(Why::Generation));
    let next =
        |history: &History, epoch, height| match history.judge(&claim(4, 1, 10, epoch, height)) {
            Judgement::By(_) => None,
            Judgement::Nothing(why) => Some(why),
            Judgement::Early => panic!("early"),
        };
    assert_eq!(next(&history_now, 1, 1), Some(Why::Generation));
    for epoch in [0, 1, 2] {
        assert_eq!(next(&history_now, epoch, 2), Some(Why::NotInForce));
    }
    world.rotate(4);
    let rotated = world.history();
    assert_eq!(next(&rotated, 2, 3), None);
    assert_eq!(next(&rotated, 1, 3), Some(Why::NotInForce));
    // Bare words of a key that was stolen need witnesses now, wherever they stand.
    let Judgement::By(judge) = rotated.judge(&claim(4, 0, 9, 0, 0)) else {
        panic!("it counts")
    };
    assert!(judge.needs_witnesses);
    assert!(judge.leads_to.contains(&(10, root(10))));
}

#[test]
fn what_was_there_before_a_removal_keeps_its_judge_and_nothing_after_it_has_one() {
    let mut world = World::new(4, 1);
    suspend(&mut world, 20);
    let remove = Remove {
        position: world.position(4, 25),
        since: 1,
        successor: None,
    };
    world.decide(&[remove.into()]).unwrap();
    let removed = world.history();
    assert_eq!(why(&removed, 19, 0, 0), None);
    assert_eq!(why(&removed, 22, 0, 0), Some(Why::Suspended(code(4))));
    let void = Some(Why::Void(GenerationEnd::Removed));
    assert_eq!(why(&removed, 25, 0, 0), void);
    assert_eq!(why(&removed, 19, 0, 2), Some(Why::NotAMember(code(4))));
    assert_eq!(removed.changes_statuses(&code(4)), None);
    assert_eq!(removed.changes_statuses(&code(1)), Some(code(1)));
    assert_eq!(removed.changes_statuses(&code(9)), None);
    // Again a member, in the next generation; what it was judged by stays.
    let admit = world.admit(4, false);
    world.decide(&[admit]).unwrap();
    let again = world.history();
    assert_eq!(why(&again, 19, 0, 0), None);
    assert_eq!(why(&again, 25, 0, 0), void);
    assert_eq!(why(&again, 25, 1, 3), Some(Why::Generation));
    let next = again.judge(&claim(4, 1, 25, 1, 3));
    assert!(matches!(next, Judgement::By(_)), "{next:?}");
    assert_eq!(again.changes_statuses(&code(4)), Some(code(4)));
}

/// Suspends a department and removes it.
fn remove(world: &mut World, n: usize, successor: Option<usize>) -> Result<(), ActionFault> {
    if world.member(n).is_active() {
        let suspend = world.suspend(n, 0);
        world.decide(&[suspend]).unwrap();
    }
    let remove = Remove {
        position: world.position(n, 0),
        since: world.member(n).suspended_since().unwrap(),
        successor: successor.map(code),
    };
    let decision = world.decision(&[remove.clone().into()]);
    if world.holds(&decision.into()) {
        world.decide(&[remove.into()]).unwrap();
        return Ok(());
    }
    Err(world.refused(remove.into()))
}

#[test]
fn certificates_of_a_removed_successor_go_to_its_own_and_end_with_one_that_has_none() {
    let mut world = World::new(4, 4);
    for (n, successor) in [(4, Some(5)), (5, Some(6)), (6, None)] {
        remove(&mut world, n, successor).unwrap();
        let expected = successor.map(code);
        for gone in 4..=n {
            assert_eq!(world.history().changes_statuses(&code(gone)), expected);
        }
    }
    let history = world.history();
    let codes = |n: &[usize]| -> Vec<_> { n.iter().map(|n| code(*n)).collect() };
    assert_eq!(history.way(&code(4)), codes(&[4, 5, 6]));
    assert_eq!(history.way(&code(6)), codes(&[6]));
    assert_eq!(history.way(&code(7)), codes(&[7]));
    assert_eq!(history.way(&code(70)), []);
    // Two blocks each: suspended by the first, removed by the second.
    let changed = [4, 4, 5, 5, 6, 6].map(|n| Some(code(n)));
    for (height, expected) in changed.into_iter().chain([None, None]).enumerate() {
        let height = height as u64;
        assert_eq!(history.changed_statuses(&code(4), height), expected);
        for by in 4..8 {
            let inherited = by != 4 && expected == Some(code(by));
            assert_eq!(history.inherited(&code(4), &code(by), height), inherited);
        }
    }
}

#[test]
fn a_department_with_a_successor_is_not_admitted_again_and_one_without_is() {
    let mut world = World::new(4, 2);
    remove(&mut world, 4, Some(5)).unwrap();
    let admit = world.admit(4, false);
    let succeeded = ActionFault::Succeeded {
        department: code(4),
        successor: code(5),
    };
    assert_eq!(world.refused(admit), succeeded);
    // Whoever comes back without one has what it changed before.
    remove(&mut world, 5, None).unwrap();
    assert_eq!(world.history().changes_statuses(&code(4)), None);
    let admit = world.admit(5, false);
    world.decide(&[admit]).unwrap();
    assert_eq!(world.history().changes_statuses(&code(4)), Some(code(5)));
    let admit = world.admit(4, false);
    assert_eq!(world.refused(admit), succeeded);
}

#[test]
fn certificates_go_through_no_more_successors_than_a_proof_shows() {
    let mut world = World::new(4, MAX_SUCCESSORS + 4);
    let last = 4 + MAX_SUCCESSORS;
    for n in 4..last {
        remove(&mut world, n, Some(n + 1)).unwrap();
    }
    assert_eq!(world.history().way(&code(4)).len(), MAX_SUCCESSORS + 1);
    let too_many = ActionFault::TooManySuccessors(code(last));
    assert_eq!(remove(&mut world, last, Some(last + 1)), Err(too_many));
    remove(&mut world, last, None).unwrap();
    // Others' ways are as long as they are.
    remove(&mut world, last + 1, Some(last + 2)).unwrap();
}

#[test]
fn every_height_is_answered_as_it_was_when_it_was_the_last() {
    let mut world = World::new(4, 2);
    let mut states = vec![world.state.clone()];
    let step = |world: &mut World, actions: &[Action], states: &mut Vec<State>| {
        world.decide(actions).unwrap();
        states.push(world.state.clone());
    };
    let admit = world.admit(8, true);
    step(&mut world, &[admit], &mut states);
    let suspend = world.suspend(3, 4);
    step(&mut world, &[suspend], &mut states);
    world.rotate(2);
    states.push(world.state.clone());
    let department = code(5);
    let govern = Govern {
        department,
        governs: true,
    };
    step(&mut world, &[govern.into()], &mut states);
    let before = world.state.policy().clone();
    let after = Policy::new(Terms {
        fresh_ms: 61_000,
        ..before.clone().into()
    });
    let policy = ReplacePolicy {
        before,
        after: after.unwrap(),
    };
    step(&mut world, &[policy.into()], &mut states);
    let history = world.history();
    for (height, state) in states.iter().enumerate() {
        let height = height as u64;
        assert!(history.members_at(height).eq(state.members()));
        assert!(history.governors_at(height).eq(state.governors()));
        assert_eq!(history.head_at(height), Some(state.head()));
        let rules = history.rules_at(height).unwrap();
        assert_eq!(&rules.policy, state.policy());
        assert_eq!(rules.version, state.version());
    }
    assert_eq!(history.head_at(states.len() as u64), None);
}

#[test]
fn whoever_holds_connections_or_logs_open_learns_whom_a_block_is_about() {
    let mut world = World::new(4, 2);
    let mut history = History::begin(&world.genesis);
    let mut changes = |world: &World| history.extend(world.blocks.last().unwrap()).unwrap();
    world.rotate(4);
    assert_eq!(changes(&world).departments, [code(4)].into());
    let end = EpochEnd {
        position: world.position(4, 3),
        epoch: 0,
        why: EndReason::Rotated,
    };
    // Nothing of the member itself changes here, but how its log is judged does.
    let ended = world.ended(4, end, &[0, 1, 2]);
    world.make(vec![ended.into()]).unwrap();
    let changed = changes(&world);
    assert_eq!(changed.departments, [code(4)].into());
    assert!(!changed.rules);
    world.decide(&[RaiseVersion { after: 2 }.into()]).unwrap();
    let changed = changes(&world);
    assert!(changed.rules && changed.departments.is_empty());
}

#[test]
fn what_names_a_height_of_a_later_version_is_early_and_what_names_one_before_is_judged_as_ever() {
    let mut world = World::new(4, 1);
    world.rotate(4);
    world.decide(&[RaiseVersion { after: 2 }.into()]).unwrap();
    let history = world.history();
    assert_eq!((history.height(), history.readable_height()), (2, 1));
    assert_eq!(history.judge(&claim(4, 0, 0, 1, 2)), Judgement::Early);
    assert_eq!(why(&history, 0, 1, 1), None);
    assert_eq!(why(&history, 0, 0, 1), Some(Why::NotInForce));
}

#[test]
fn a_role_that_is_taken_of_a_suspended_member_takes_nothing_else() {
    let mut world = World::new(4, 1);
    suspend(&mut world, 10);
    let take = ChangeRoles {
        department: code(4),
        give: Ascending::default(),
        take: Ascending::new(vec![Role::Issue]).unwrap(),
        position: Some(world.position(4, 8)),
    };
    world.decide(&[take.into()]).unwrap();
    let history = world.history();
    let has_role = |seq| match history.judge(&claim(4, 0, seq, 0, 0)) {
        Judgement::By(judge) => judge.has_role(Role::Issue),
        other => panic!("{other:?}"),
    };
    // What stands before the suspension counts; what needs the role does up to where that was taken.
    assert_eq!([7, 8, 9].map(has_role), [true, false, false]);
    assert_eq!(why(&history, 10, 0, 0), Some(Why::Suspended(code(4))));
}
