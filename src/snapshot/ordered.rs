//! A persistent ordered set: what listings walk along.
//!
//! A B+ tree whose nodes are shared between copies; a step copies one node of each level. Nodes that no other
//! copy shares are changed in place.

use std::sync::Arc;

/// Keys in order.
#[derive(Debug, Clone)]
pub(super) struct OrderedSet<K> {
    root: Node<K>,
    len: usize,
}

#[derive(Debug)]
enum Node<K> {
    /// Keys, in order.
    Leaf(Arc<Vec<K>>),
    /// Children, in order, each with its least key or a lower bound of it. Never empty.
    Branch(Arc<Vec<(K, Node<K>)>>),
}

/// The most keys of a leaf. Copying one is copying memory.
const MAX_KEYS: usize = 128;

/// The most children of a branch. Copying one is counting a reference for each child, mostly of nodes that are not
/// in the processor's cache, and so costs far more than a leaf does.
const MAX_CHILDREN: usize = 16;

impl<K> Clone for Node<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(keys) => Self::Leaf(Arc::clone(keys)),
            Self::Branch(children) => Self::Branch(Arc::clone(children)),
        }
    }
}

impl<K> Default for OrderedSet<K> {
    fn default() -> Self {
        Self { root: Node::Leaf(Arc::default()), len: 0 }
    }
}

impl<K: Ord + Copy> OrderedSet<K> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a key; whether it was new.
    pub(super) fn insert(&mut self, key: K) -> bool {
        let (is_new, split) = self.root.insert(key);
        if let Some(right) = split {
            let left = std::mem::replace(&mut self.root, Node::Leaf(Arc::default()));
            // The least key of the left is not asked for: nothing comes before it.
            self.root = Node::Branch(Arc::new(vec![(key, left), right]));
        }
        self.len += usize::from(is_new);
        is_new
    }

    /// Takes out a key; whether it was there.
    pub(super) fn remove(&mut self, key: &K) -> bool {
        let was_there = self.root.remove(key);
        if let Node::Branch(children) = &self.root
            && let [(_, only)] = children.as_slice()
        {
            self.root = only.clone();
        }
        self.len -= usize::from(was_there);
        was_there
    }

    /// The keys after this one, or all, in order.
    pub(super) fn after(&self, key: Option<&K>) -> Iter<'_, K> {
        let mut iter = Iter { branches: Vec::new(), leaf: [].iter() };
        iter.descend(&self.root, key);
        iter
    }
}

/// The child that a key belongs to.
fn child<K: Ord>(children: &[(K, Node<K>)], key: &K) -> usize {
    // The first child takes what is less than every bound, so that its own bound is never asked for.
    children.partition_point(|(least, _)| least <= key).saturating_sub(1).min(children.len() - 1)
}

impl<K: Ord + Copy> Node<K> {
    /// Whether the key is new, and the right half if the node had to be split.
    fn insert(&mut self, key: K) -> (bool, Option<(K, Self)>) {
        match self {
            Self::Leaf(keys) => {
                let Err(at) = keys.binary_search(&key) else { return (false, None) };
                let keys = Arc::make_mut(keys);
                keys.insert(at, key);
                (true, split(keys, at, MAX_KEYS).map(|right| (right[0], Self::Leaf(Arc::new(right)))))
            }
            Self::Branch(children) => {
                let at = child(children, &key);
                let children = Arc::make_mut(children);
                let (is_new, right) = children[at].1.insert(key);
                let Some(right) = right else { return (is_new, None) };
                children.insert(at + 1, right);
                let right = split(children, at + 1, MAX_CHILDREN)
                    .map(|right| (right[0].0, Self::Branch(Arc::new(right))));
                (is_new, right)
            }
        }
    }

    fn remove(&mut self, key: &K) -> bool {
        match self {
            Self::Leaf(keys) => {
                let Ok(at) = keys.binary_search(key) else { return false };
                Arc::make_mut(keys).remove(at);
                true
            }
            Self::Branch(children) => {
                let at = child(children, key);
                let children = Arc::make_mut(children);
                let was_there = children[at].1.remove(key);
                if children[at].1.len() == 0 && children.len() > 1 {
                    children.remove(at);
                } else if children[at].1.len() < children[at].1.most() / 4 && children.len() > 1 {
                    let left = at.saturating_sub(1);
                    if children[left].1.len() + children[left + 1].1.len() <= children[left].1.most() / 2 {
                        let (_, right) = children.remove(left + 1);
                        children[left].1.append(right);
                    }
                }
                was_there
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Leaf(keys) => keys.len(),
            Self::Branch(children) => children.len(),
        }
    }

    fn most(&self) -> usize {
        match self {
            Self::Leaf(_) => MAX_KEYS,
            Self::Branch(_) => MAX_CHILDREN,
        }
    }

    /// Takes in the next node of the same level.
    fn append(&mut self, right: Self) {
        match (self, right) {
            (Self::Leaf(keys), Self::Leaf(more)) => Arc::make_mut(keys).extend_from_slice(&more),
            (Self::Branch(children), Self::Branch(more)) => Arc::make_mut(children).extend_from_slice(&more),
            _ => unreachable!("all leaves of a B+ tree are on one level"),
        }
    }
}

impl<K: Clone> Clone for Iter<'_, K> {
    fn clone(&self) -> Self {
        Self { branches: self.branches.clone(), leaf: self.leaf.clone() }
    }
}

/// Halves what has become too long, and gives the right half. What grows at its end, as time-ordered keys do, is
/// left full instead.
fn split<T>(items: &mut Vec<T>, inserted_at: usize, most: usize) -> Option<Vec<T>> {
    if items.len() <= most {
        return None;
    }
    let at = if inserted_at == most { most } else { most / 2 };
    let right = items.split_off(at);
    items.shrink_to_fit();
    Some(right)
}

/// Keys in order.
#[derive(Debug)]
pub(super) struct Iter<'a, K> {
    branches: Vec<std::slice::Iter<'a, (K, Node<K>)>>,
    leaf: std::slice::Iter<'a, K>,
}

impl<'a, K: Ord> Iter<'a, K> {
    /// Goes down to the first key after this one.
    fn descend(&mut self, mut node: &'a Node<K>, after: Option<&K>) {
        loop {
            match node {
                Node::Leaf(keys) => {
                    self.leaf =
                        keys[after.map_or(0, |key| keys.partition_point(|other| other <= key))..].iter();
                    return;
                }
                Node::Branch(children) => {
                    let mut rest = children[after.map_or(0, |key| child(children, key))..].iter();
                    let Some((_, next)) = rest.next() else { return };
                    self.branches.push(rest);
                    node = next;
                }
            }
        }
    }
}

impl<'a, K: Ord> Iterator for Iter<'a, K> {
    type Item = &'a K;

    fn next(&mut self) -> Option<&'a K> {
        loop {
            if let Some(key) = self.leaf.next() {
                return Some(key);
            }
            match self.branches.last_mut()?.next() {
                Some((_, node)) => self.descend(node, None),
                None => {
                    self.branches.pop();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn keys_in_rising_order_fill_their_nodes() {
        let mut set = OrderedSet::default();
        for key in 0..10_000 {
            set.insert(key);
        }
        let Node::Branch(children) = &set.root else { panic!("one node for 10,000 keys") };
        let Node::Branch(leaves) = &children[0].1 else { panic!("two levels for 10,000 keys") };
        assert!(leaves.iter().all(|(_, leaf)| leaf.len() == MAX_KEYS));
    }

    proptest! {
        #[test]
        fn behaves_as_a_set_and_never_changes_a_copy(
            steps in prop::collection::vec((0_u8..8, 0_u16..1000), 1..1500),
            remove_all in any::<bool>(),
        ) {
            let mut set = OrderedSet::default();
            let mut model = BTreeSet::new();
            let mut versions = Vec::new();
            let all = (0..1000).filter(|_| remove_all).map(|key| (5, key));
            for (what, key) in steps.into_iter().chain(all) {
                match what {
                    0..5 => prop_assert_eq!(set.insert(key), model.insert(key)),
                    5..7 => prop_assert_eq!(set.remove(&key), model.remove(&key)),
                    _ => versions.push((set.clone(), model.clone())),
                }
            }
            versions.push((set, model));
            for (set, model) in versions {
                prop_assert_eq!(set.len(), model.len());
                prop_assert!(set.after(None).eq(model.iter()));
                for key in [0, 1, 37, 500, 998, 999] {
                    prop_assert!(set.after(Some(&key)).eq(model.range(key + 1..)));
                }
            }
        }
    }
}
