//! A persistent hash table: a copy shares what it has in common with the original, and a step copies only the
//! path to what it changes.
//!
//! A trie of sixteen-way branches over the bits of a 64-bit hash, highest first, with small leaves that hold the
//! full hash beside each value. At a million values that is four branches, of which all but the last are few
//! enough to stay in the processor's cache, then one leaf and the value: as many cache misses as a plain hash
//! table has. A step copies four branches of sixteen pointers and one leaf.
//!
//! Nodes that no other copy shares are changed in place, so that loading many values does not copy at all.

use std::iter::once;
use std::sync::Arc;

/// Values that are found by a hash, and told apart by a predicate of the caller's.
#[derive(Debug, Clone)]
pub(super) struct Trie<V> {
    root: Node<V>,
}

#[derive(Debug)]
enum Node<V> {
    Leaf(Arc<[Entry<V>]>),
    Branch(Arc<[Node<V>; FANOUT]>),
}

/// A value with its hash.
#[derive(Debug, Clone)]
pub(super) struct Entry<V> {
    hash: u64,
    /// Always there, but while the entry is being moved to another leaf.
    value: Option<V>,
}

const BITS: u32 = 4;
const FANOUT: usize = 1 << BITS;

/// A leaf of more than this many is split, unless the bits of the hash are used up.
const MAX_LEAF: usize = 24;

/// Leaves below one branch of no more than this many together are joined. Well below `MAX_LEAF`, so that taking
/// and putting back one value does not split and join in turns.
const JOINED: usize = 8;

impl<V> Clone for Node<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(entries) => Self::Leaf(Arc::clone(entries)),
            Self::Branch(children) => Self::Branch(Arc::clone(children)),
        }
    }
}

impl<V> Default for Node<V> {
    fn default() -> Self {
        Self::Leaf(Arc::default())
    }
}

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

/// Which child of a branch at this depth a hash belongs to; `None` below the last depth.
fn slot(hash: u64, depth: u32) -> Option<usize> {
    let shift = u64::BITS.checked_sub((depth + 1) * BITS)?;
    Some((hash >> shift) as usize % FANOUT)
}

impl<V: Clone> Trie<V> {
    /// The value of this hash that `is_it`.
    pub(super) fn get(&self, hash: u64, is_it: impl Fn(&V) -> bool) -> Option<&V> {
        let mut node = &self.root;
        let mut bits = hash;
        loop {
            match node {
                Node::Branch(children) => {
                    node = &children[(bits >> (u64::BITS - BITS)) as usize];
                    bits <<= BITS;
                }
                Node::Leaf(entries) => {
                    return entries
                        .iter()
                        .filter(|entry| entry.hash == hash)
                        .find_map(|entry| entry.value.as_ref().filter(|value| is_it(value)));
                }
            }
        }
    }

    /// Adds a value. The caller has made sure that it is not there yet.
    pub(super) fn insert(&mut self, hash: u64, value: V) {
        let mut node = &mut self.root;
        let mut depth = 0;
        let entry = Entry::new(hash, value);
        loop {
            match node {
                Node::Branch(children) => {
                    node = &mut Arc::make_mut(children)[slot(hash, depth).unwrap_or_default()];
                    depth += 1;
                }
                Node::Leaf(entries) if entries.len() < MAX_LEAF || slot(hash, depth).is_none() => {
                    *entries = match Arc::get_mut(entries) {
                        Some(own) => own.iter_mut().map(Entry::take).chain(once(entry)).collect(),
                        None => entries.iter().cloned().chain(once(entry)).collect(),
                    };
                    return;
                }
                Node::Leaf(entries) => {
                    let mut groups: [Vec<Entry<V>>; FANOUT] = std::array::from_fn(|_| Vec::new());
                    let mut group = |entry: Entry<V>| {
                        groups[slot(entry.hash, depth).unwrap_or_default()].push(entry);
                    };
                    match Arc::get_mut(entries) {
                        Some(own) => own.iter_mut().map(Entry::take).for_each(&mut group),
                        None => entries.iter().cloned().for_each(&mut group),
                    }
                    *node = Node::Branch(Arc::new(groups.map(|group| Node::Leaf(group.into()))));
                }
            }
        }
    }

    /// Adds many values, which costs far less than one after the other; whether it did. It
    /// does not when it comes upon two hashes that are the same, be it of the same value twice or of two values:
    /// the caller has to tell, and the trie is of no more use.
    pub(super) fn extend(&mut self, mut entries: Vec<Entry<V>>) -> bool {
        entries.sort_unstable_by_key(|entry| entry.hash);
        all_differ(&entries) && self.root.extend(&mut entries, 0)
    }

    /// Puts another value in the place of the one of this hash that `is_it`, and gives back the former; `None`,
    /// and nothing is changed, when there is none.
    pub(super) fn replace(&mut self, hash: u64, value: V, is_it: impl Fn(&V) -> bool) -> Option<V> {
        self.get(hash, &is_it)?;
        let mut node = &mut self.root;
        let mut depth = 0;
        loop {
            match node {
                Node::Branch(children) => {
                    node = &mut Arc::make_mut(children)[slot(hash, depth).unwrap_or_default()];
                    depth += 1;
                }
                Node::Leaf(entries) => {
                    let entry = Arc::make_mut(entries).iter_mut().find(|entry| entry.is(hash, &is_it))?;
                    return entry.value.replace(value);
                }
            }
        }
    }

    /// Takes out the value of this hash that `is_it`; `None`, and nothing is changed, when there is none.
    pub(super) fn remove(&mut self, hash: u64, is_it: impl Fn(&V) -> bool) -> Option<V> {
        let removed = self.get(hash, &is_it)?.clone();
        self.root.remove(hash, 0, &is_it);
        Some(removed)
    }
}

/// Whether no two hashes are the same, of entries in the order of their hashes.
fn all_differ<V>(entries: &[Entry<V>]) -> bool {
    entries.windows(2).all(|two| two[0].hash != two[1].hash)
}

/// Takes off the front what belongs to one child, of entries in the order of their hashes.
fn take_slot<'a, V>(entries: &mut &'a mut [Entry<V>], child: usize, depth: u32) -> &'a mut [Entry<V>] {
    let end = entries.partition_point(|entry| slot(entry.hash, depth) <= Some(child));
    let (these, rest) = std::mem::take(entries).split_at_mut(end);
    *entries = rest;
    these
}

impl<V: Clone> Node<V> {
    /// The same nodes that adding one after the other gives. The entries are in the order of their hashes.
    fn of(mut entries: &mut [Entry<V>], depth: u32) -> Self {
        if entries.len() <= MAX_LEAF || slot(0, depth).is_none() {
            return Self::Leaf(entries.iter_mut().map(Entry::take).collect());
        }
        let children = |child| Self::of(take_slot(&mut entries, child, depth), depth + 1);
        Self::Branch(Arc::new(std::array::from_fn(children)))
    }

    /// As [`Trie::extend`]; the entries are in the order of their hashes, which differ.
    fn extend(&mut self, mut entries: &mut [Entry<V>], depth: u32) -> bool {
        match self {
            _ if entries.is_empty() => true,
            Self::Branch(children) => Arc::make_mut(children)
                .iter_mut()
                .enumerate()
                .all(|(i, child)| child.extend(take_slot(&mut entries, i, depth), depth + 1)),
            Self::Leaf(here) if here.is_empty() => {
                *self = Self::of(entries, depth);
                true
            }
            Self::Leaf(here) => {
                let mut all = taken(here);
                all.extend(entries.iter_mut().map(Entry::take));
                all.sort_unstable_by_key(|entry| entry.hash);
                let differ = all_differ(&all);
                *self = Self::of(&mut all, depth);
                differ
            }
        }
    }

    fn remove(&mut self, hash: u64, depth: u32, is_it: &impl Fn(&V) -> bool) {
        match self {
            Self::Leaf(entries) => {
                let Some(at) = entries.iter().position(|entry| entry.is(hash, is_it)) else { return };
                *entries = match Arc::get_mut(entries) {
                    Some(own) => {
                        let (before, after) = own.split_at_mut(at);
                        before.iter_mut().chain(&mut after[1..]).map(Entry::take).collect()
                    }
                    None => entries[..at].iter().chain(&entries[at + 1..]).cloned().collect(),
                };
            }
            Self::Branch(children) => {
                let children = Arc::make_mut(children);
                children[slot(hash, depth).unwrap_or_default()].remove(hash, depth + 1, is_it);
                if let Some(joined) = joined(children) {
                    *self = Self::Leaf(joined);
                }
            }
        }
    }
}

/// The entries of all children, if they are leaves and few.
fn joined<V: Clone>(children: &[Node<V>]) -> Option<Arc<[Entry<V>]>> {
    let mut all = Vec::new();
    for child in children {
        match child {
            Node::Leaf(entries) if all.len() + entries.len() <= JOINED => all.extend(entries.iter().cloned()),
            _ => return None,
        }
    }
    Some(all.into())
}

/// The entries of a leaf that is about to be replaced: moved if no other copy shares it.
fn taken<V: Clone>(leaf: &mut Arc<[Entry<V>]>) -> Vec<Entry<V>> {
    match Arc::get_mut(leaf) {
        Some(own) => own.iter_mut().map(Entry::take).collect(),
        None => leaf.to_vec(),
    }
}

impl<V> Entry<V> {
    pub(super) fn new(hash: u64, value: V) -> Self {
        Self { hash, value: Some(value) }
    }

    fn is(&self, hash: u64, is_it: impl Fn(&V) -> bool) -> bool {
        self.hash == hash && self.value.as_ref().is_some_and(is_it)
    }

    fn take(&mut self) -> Self {
        Self { hash: self.hash, value: self.value.take() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn a_node_is_two_words() {
        assert_eq!(size_of::<Node<Arc<String>>>(), 16);
        assert_eq!(size_of::<Entry<Arc<String>>>(), 16);
    }

    #[test]
    fn values_whose_hashes_are_all_the_same_are_told_apart() {
        let mut trie = Trie::default();
        for i in 0..100 {
            trie.insert(7, Arc::new(i));
        }
        for i in 0..100 {
            assert_eq!(trie.get(7, |v| **v == i), Some(&Arc::new(i)));
        }
        for i in 0..100 {
            assert_eq!(trie.remove(7, |v| **v == i), Some(Arc::new(i)));
            assert_eq!(trie.get(7, |v| **v == i), None);
        }
    }

    #[test]
    fn a_removed_crowd_leaves_no_branches() {
        let mut trie = Trie::default();
        for i in 0..10_000_u64 {
            trie.insert(i.wrapping_mul(0x9e37_79b9_7f4a_7c15), i);
        }
        for i in 0..10_000_u64 {
            trie.remove(i.wrapping_mul(0x9e37_79b9_7f4a_7c15), |v| *v == i);
        }
        assert!(matches!(&trie.root, Node::Leaf(entries) if entries.is_empty()));
    }

    /// How many entries each leaf has, in the order of their hashes.
    fn leaves<V>(node: &Node<V>) -> Vec<usize> {
        match node {
            Node::Leaf(entries) => vec![entries.len()],
            Node::Branch(children) => children.iter().flat_map(leaves).collect(),
        }
    }

    #[test]
    fn many_at_once_make_the_nodes_that_one_after_the_other_make() {
        let hash = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut one_by_one = Trie::default();
        (0..20_000).for_each(|i| one_by_one.insert(hash(i), i));
        for first in [0, 1, 20, 5_000, 20_000] {
            let mut at_once = Trie::default();
            let entries = |numbers: std::ops::Range<u64>| numbers.map(|i| Entry::new(hash(i), i)).collect();
            assert!(at_once.extend(entries(0..first)));
            assert!(at_once.extend(entries(first..20_000)));
            assert_eq!(leaves(&at_once.root), leaves(&one_by_one.root));
        }
    }

    proptest! {
        /// Against a plain map, with few distinct hashes so that they collide at every depth; and every former
        /// version stays as it was.
        #[test]
        fn behaves_as_a_map_and_never_changes_a_copy(steps in prop::collection::vec((0_u8..5, 0_u16..400), 1..400)) {
            let hash = |key: u16| u64::from(key % 97).wrapping_mul(0x0101_0101_0000_0100) | u64::from(key % 3);
            let mut trie: Trie<(u16, usize)> = Trie::default();
            let mut model: BTreeMap<u16, usize> = BTreeMap::new();
            let mut versions = Vec::new();
            for (i, (what, key)) in steps.into_iter().enumerate() {
                let is_it = |value: &(u16, usize)| value.0 == key;
                match what {
                    0 | 1 if !model.contains_key(&key) => {
                        model.insert(key, i);
                        trie.insert(hash(key), (key, i));
                    }
                    0 | 1 => {
                        let former = model.insert(key, i);
                        prop_assert_eq!(trie.replace(hash(key), (key, i), is_it).map(|v| v.1), former);
                    }
                    3 => {
                        let added: Vec<u16> = (key..key + 30).filter(|key| !model.contains_key(key)).collect();
                        let differ = |keys: &[u16]| {
                            let hashes: BTreeSet<u64> = keys.iter().map(|key| hash(*key)).collect();
                            hashes.len() == keys.len()
                        };
                        let here: Vec<u16> = model.keys().copied().collect();
                        let clash = !differ(&added)
                            || added.iter().any(|key| here.iter().any(|other| hash(*other) == hash(*key)));
                        let mut extended = trie.clone();
                        let entries = added.iter().map(|key| Entry::new(hash(*key), (*key, i))).collect();
                        let extends = extended.extend(entries);
                        // Two that are here already may have the same hash, and then it can be either.
                        let fits = if extends { !clash } else { clash || !differ(&here) };
                        prop_assert!(fits);
                        if extends {
                            versions.push((std::mem::replace(&mut trie, extended), model.clone()));
                            model.extend(added.into_iter().map(|key| (key, i)));
                        }
                    }
                    2 => prop_assert_eq!(trie.remove(hash(key), is_it).map(|v| v.1), model.remove(&key)),
                    _ => versions.push((trie.clone(), model.clone())),
                }
            }
            versions.push((trie, model));
            for (trie, model) in versions {
                for key in 0..400 {
                    let got = trie.get(hash(key), |value| value.0 == key).map(|value| value.1);
                    prop_assert_eq!(got, model.get(&key).copied());
                }
            }
        }
    }
}
