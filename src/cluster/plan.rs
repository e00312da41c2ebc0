//! Who shall run which shard? As evenly as can be, with as few moves as that takes.
//! Pure: every member makes the same plan of the same view. Imports nothing of the crate.

use std::collections::{BTreeMap, BTreeSet};

/// Who lives, and who owns what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    pub(super) members: BTreeSet<String>,
    pub(super) owners: BTreeMap<u32, String>,
}

/// What one member has to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Todo {
    /// Nobody runs these, and they are this member's to claim.
    pub(super) claim: Vec<u32>,
    /// These are more than its share.
    pub(super) release: Vec<u32>,
    /// They own something and are not known to live: it is theirs until that is known to be so.
    /// Who has just joined may not have seen all the others yet.
    pub(super) ask: BTreeSet<String>,
}

impl View {
    /// A member is known to be gone: what it owned is free.
    pub(super) fn forget(&mut self, member: &str) {
        self.members.remove(member);
        self.owners.retain(|_, owner| owner != member);
    }

    /// What `me` has to do, of `total` items in all, so that in the end all are run and nobody has
    /// more than one above another.
    ///
    /// Nothing moves from a member that has no more than its share, and what has no owner goes to
    /// those who have least of theirs.
    pub(super) fn todo(&self, total: u32, me: &str) -> Todo {
        if !self.members.contains(me) {
            return Todo::default();
        }
        let mut held: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for member in &self.members {
            held.insert(member, Vec::new());
        }
        let mut free = Vec::new();
        let mut todo = Todo::default();
        for item in 0..total {
            let owner = self.owners.get(&item);
            match owner.map(|owner| (owner, held.get_mut(owner.as_str()))) {
                Some((_, Some(items))) => items.push(item),
                Some((owner, None)) => drop(todo.ask.insert(owner.clone())),
                None => free.push(item),
            }
        }
        // Those who have most may keep one more than the others: so they need not move it.
        let mut ranked: Vec<(&str, Vec<u32>)> = held.into_iter().collect();
        ranked.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then(a.0.cmp(b.0)));
        let count = ranked.len().max(1);
        let (each, more) = (total as usize / count, total as usize % count);
        for (rank, (member, items)) in ranked.into_iter().enumerate() {
            let share = each + usize::from(rank < more);
            let missing = share.saturating_sub(items.len()).min(free.len());
            let dealt: Vec<u32> = free.drain(..missing).collect();
            if member == me {
                todo.claim = dealt;
                todo.release = items.into_iter().skip(share).collect();
            }
        }
        todo
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::{Todo, View};

    fn view(members: &[&str], owners: &[(u32, &str)]) -> View {
        View {
            members: members.iter().map(|name| (*name).to_owned()).collect(),
            owners: (owners.iter())
                .map(|(item, owner)| (*item, (*owner).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn one_member_has_all_and_who_does_not_live_has_nothing() {
        let mut alone = view(&["a"], &[(1, "gone")]);
        alone.forget("gone");
        assert_eq!(alone.todo(3, "a").claim, [0, 1, 2]);
        assert_eq!(alone.todo(3, "gone"), Todo::default());
        assert_eq!(view(&[], &[]).todo(3, "a"), Todo::default());
    }

    #[test]
    fn what_an_unknown_member_owns_is_not_free_before_it_is_known_to_be_gone() {
        let mut view = view(&["a"], &[(0, "a"), (1, "b")]);
        let todo = view.todo(3, "a");
        assert_eq!((todo.claim, todo.ask), (vec![2], ["b".to_owned()].into()));
        view.forget("b");
        let todo = view.todo(3, "a");
        assert_eq!((todo.claim, todo.ask), (vec![1, 2], [].into()));
    }

    #[test]
    fn who_joins_waits_until_others_have_released_their_surplus() {
        let mut view = view(&["a", "b"], &[(0, "a"), (1, "a"), (2, "a")]);
        assert_eq!(view.todo(3, "b"), Todo::default());
        assert_eq!(view.todo(3, "a").release, [2]);
        view.owners.remove(&2);
        assert_eq!(view.todo(3, "a"), Todo::default());
        assert_eq!(view.todo(3, "b").claim, [2]);
    }

    /// How many items each member has, the fewest and the most.
    fn spread(view: &View) -> (usize, usize) {
        let count = |member: &String| {
            let theirs = view.owners.values().filter(|owner| *owner == member);
            theirs.count()
        };
        let counts: Vec<_> = view.members.iter().map(count).collect();
        let (min, max) = (counts.iter().min(), counts.iter().max());
        (*min.unwrap_or(&0), *max.unwrap_or(&0))
    }

    /// Everybody acts in an order by chance, each on what is so by then; how many items moved away
    /// from a member that lives.
    fn settle(rng: &mut Rng, view: &mut View, total: u32) -> usize {
        let mut moved = 0;
        for _ in 0..100 {
            let before = view.clone();
            let mut members: Vec<_> = view.members.iter().cloned().collect();
            rng.shuffle(&mut members);
            for member in members {
                let todo = view.todo(total, &member);
                for item in todo.release {
                    view.owners.remove(&item);
                    moved += 1;
                }
                for item in todo.claim {
                    let owner = view.owners.insert(item, member.clone());
                    let stolen = owner.filter(|owner| view.members.contains(owner));
                    assert_eq!(stolen, None, "claimed from one that lives");
                }
            }
            if *view == before {
                return moved;
            }
        }
        panic!("never settles: {view:?}");
    }

    /// Goal: after any joins, leaves and deaths all items are run, evenly, and no more moved than
    /// evenness needs. Method: chance by seed; what it needs is counted without the plan.
    #[test]
    fn after_any_change_all_is_run_evenly_and_moves_as_little_as_possible() {
        for seed in 0..300 {
            let mut rng = Rng::with_seed(seed);
            let total = rng.u32(1..100);
            let mut view = View::default();
            for step in 0..30 {
                for _ in 0..rng.u32(1..4) {
                    let name = format!("m{}", rng.u32(0..12));
                    if view.members.contains(&name) {
                        view.forget(&name);
                    } else {
                        view.members.insert(name);
                    }
                }
                if view.members.is_empty() {
                    continue;
                }
                let members = view.members.len();
                let share = (total as usize).div_ceil(members);
                let each = total as usize / members;
                let held = |member: &String| {
                    let theirs = view.owners.values().filter(|owner| *owner == member);
                    theirs.count()
                };
                let mut counts: Vec<_> = view.members.iter().map(held).collect();
                counts.sort_unstable_by(|a, b| b.cmp(a));
                let more = total as usize % members;
                let needed: usize = (counts.iter().enumerate())
                    .map(|(rank, count)| {
                        count.saturating_sub(if rank < more { share } else { each })
                    })
                    .sum();
                let moved = settle(&mut rng, &mut view, total);
                assert_eq!(moved, needed, "seed {seed} step {step}");
                let all = (0..total).all(|item| {
                    let owner = view.owners.get(&item);
                    owner.is_some_and(|owner| view.members.contains(owner))
                });
                assert!(all, "seed {seed} step {step}: {view:?}");
                let (min, max) = spread(&view);
                assert!(max - min <= 1, "seed {seed} step {step}: {min} to {max}");
            }
        }
    }
}
