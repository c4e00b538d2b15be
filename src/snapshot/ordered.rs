//! A persistent ordered set: what listings walk along.
//!
//! A B+ tree whose nodes are shared between copies; a step copies one node of each level. Nodes that no other
//! copy shares are changed in place.

use std::sync::Arc;

/// Keys in order: at most `KEYS` in a leaf, at most `CHILDREN` below a branch.
///
/// Copying a leaf is copying memory. Copying a branch is counting a reference for each child, mostly of nodes that
/// are not in the processor's cache, and so costs far more. Hence wide leaves and narrow branches.
#[derive(Debug, Clone)]
pub(super) struct OrderedSet<K, const KEYS: usize = 128, const CHILDREN: usize = 16> {
    root: Node<K, KEYS, CHILDREN>,
    len: usize,
}

type Child<K, const KEYS: usize, const CHILDREN: usize> = (K, Node<K, KEYS, CHILDREN>);

#[derive(Debug)]
enum Node<K, const KEYS: usize, const CHILDREN: usize> {
    /// Keys, in order.
    Leaf(Arc<Vec<K>>),
    /// Children, in order, each with a bound: no key below the child is less, and every key below the child before
    /// it is. Never empty.
    Branch(Arc<Vec<Child<K, KEYS, CHILDREN>>>),
}

impl<K, const KEYS: usize, const CHILDREN: usize> Clone for Node<K, KEYS, CHILDREN> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(keys) => Self::Leaf(Arc::clone(keys)),
            Self::Branch(children) => Self::Branch(Arc::clone(children)),
        }
    }
}

impl<K, const KEYS: usize, const CHILDREN: usize> Default for OrderedSet<K, KEYS, CHILDREN> {
    fn default() -> Self {
        Self { root: Node::Leaf(Arc::default()), len: 0 }
    }
}

impl<K: Ord + Copy, const KEYS: usize, const CHILDREN: usize> OrderedSet<K, KEYS, CHILDREN> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a key; whether it was new.
    pub(super) fn insert(&mut self, key: K) -> bool {
        let (is_new, split) = self.root.insert(key);
        if let Some(right) = split {
            let left = std::mem::replace(&mut self.root, Node::Leaf(Arc::default()));
            let least = left.bound().unwrap_or(key);
            self.root = Node::Branch(Arc::new(vec![(least, left), right]));
        }
        self.len += usize::from(is_new);
        is_new
    }

    /// Adds many keys, at the cost of going through all: less than one after the other when they are not few
    /// beside those that are here.
    pub(super) fn extend(&mut self, mut keys: Vec<K>) {
        keys.extend(self.after(None));
        // Stable, because that merges what is in order already: what was here, and most often the new keys too.
        keys.sort();
        keys.dedup();
        *self = Self::of(&keys);
    }

    /// These keys, in order and each once.
    fn of(keys: &[K]) -> Self {
        let leaf = |keys: &[K]| (keys[0], Node::Leaf(Arc::new(keys.to_vec())));
        let mut level: Vec<Child<K, KEYS, CHILDREN>> = keys.chunks(fill(KEYS)).map(leaf).collect();
        while level.len() > 1 {
            let mut below = level.into_iter();
            level = std::iter::from_fn(|| {
                let children: Vec<_> = below.by_ref().take(fill(CHILDREN)).collect();
                Some((children.first()?.0, Node::Branch(Arc::new(children))))
            })
            .collect();
        }
        let root = level.pop().map_or_else(|| Node::Leaf(Arc::default()), |(_, root)| root);
        Self { root, len: keys.len() }
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
    pub(super) fn after(&self, key: Option<&K>) -> Iter<'_, K, KEYS, CHILDREN> {
        let mut iter = Iter { branches: Vec::new(), leaf: [].iter() };
        iter.descend(&self.root, key);
        iter
    }
}

/// The child that a key belongs to; the first, if it is less than every bound.
fn child<K: Ord, N>(children: &[(K, N)], key: &K) -> usize {
    children.partition_point(|(bound, _)| bound <= key).saturating_sub(1)
}

impl<K: Ord + Copy, const KEYS: usize, const CHILDREN: usize> Node<K, KEYS, CHILDREN> {
    /// Whether the key is new, and the right half if the node had to be split.
    fn insert(&mut self, key: K) -> (bool, Option<(K, Self)>) {
        match self {
            Self::Leaf(keys) => {
                let Err(at) = keys.binary_search(&key) else { return (false, None) };
                let keys = Arc::make_mut(keys);
                keys.insert(at, key);
                (true, split(keys, at, KEYS).map(|right| (right[0], Self::Leaf(Arc::new(right)))))
            }
            Self::Branch(children) => {
                let at = child(children, &key);
                let children = Arc::make_mut(children);
                children[at].0 = children[at].0.min(key);
                let (is_new, right) = children[at].1.insert(key);
                let Some(right) = right else { return (is_new, None) };
                children.insert(at + 1, right);
                let right = split(children, at + 1, CHILDREN)
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

    /// A bound of the keys below; `None` if there are none.
    fn bound(&self) -> Option<K> {
        match self {
            Self::Leaf(keys) => keys.first().copied(),
            Self::Branch(children) => children.first().map(|(bound, _)| *bound),
        }
    }

    fn most(&self) -> usize {
        match self {
            Self::Leaf(_) => KEYS,
            Self::Branch(_) => CHILDREN,
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

/// How many of at most so many a node gets that is made at once: room is left, or else the first key to come
/// between the others would split a node on each level. Room takes no memory until it is used.
fn fill(most: usize) -> usize {
    most - most / 8
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
pub(super) struct Iter<'a, K, const KEYS: usize, const CHILDREN: usize> {
    branches: Vec<std::slice::Iter<'a, Child<K, KEYS, CHILDREN>>>,
    leaf: std::slice::Iter<'a, K>,
}

impl<'a, K: Ord, const KEYS: usize, const CHILDREN: usize> Iter<'a, K, KEYS, CHILDREN> {
    /// Goes down to the first key after this one.
    fn descend(&mut self, mut node: &'a Node<K, KEYS, CHILDREN>, after: Option<&K>) {
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

impl<'a, K: Ord, const KEYS: usize, const CHILDREN: usize> Iterator for Iter<'a, K, KEYS, CHILDREN> {
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

    /// As small as nodes can be, so that a few keys make many levels.
    type Small = OrderedSet<u16, 4, 4>;

    #[test]
    fn keys_in_rising_order_fill_their_nodes() {
        let mut set = Small::default();
        (0..1000).for_each(|key| assert!(set.insert(key)));
        fn keys_of_leaves(node: &Node<u16, 4, 4>) -> Vec<usize> {
            match node {
                Node::Leaf(keys) => vec![keys.len()],
                Node::Branch(children) => {
                    children.iter().flat_map(|(_, child)| keys_of_leaves(child)).collect()
                }
            }
        }
        assert_eq!(keys_of_leaves(&set.root), [4; 250]);
    }

    impl<K: Ord + Copy, const KEYS: usize, const CHILDREN: usize> Node<K, KEYS, CHILDREN> {
        /// What every node promises: its bounds hold, no node is too large, and all leaves are on one level.
        fn check(&self, low: Option<K>, high: Option<K>) -> usize {
            match self {
                Self::Leaf(keys) => {
                    assert!(keys.len() <= KEYS && keys.is_sorted());
                    assert!(keys.iter().all(|key| low.is_none_or(|low| low <= *key)));
                    assert!(keys.iter().all(|key| high.is_none_or(|high| *key < high)));
                    0
                }
                Self::Branch(children) => {
                    assert!((1..=CHILDREN).contains(&children.len()));
                    let levels: Vec<usize> = children
                        .iter()
                        .enumerate()
                        .map(|(i, (bound, child))| {
                            child.check(Some(*bound), children.get(i + 1).map(|next| next.0).or(high))
                        })
                        .collect();
                    assert!(levels.windows(2).all(|two| two[0] == two[1]));
                    levels[0] + 1
                }
            }
        }
    }

    proptest! {
        /// Runs of neighbouring keys come and go, so that nodes fill, empty and are joined.
        #[test]
        fn behaves_as_a_set_and_never_changes_a_copy(
            steps in prop::collection::vec((0_u8..6, 0_u16..600, 1_u16..120), 1..60),
        ) {
            let mut set = Small::default();
            let mut model = BTreeSet::new();
            let mut versions = Vec::new();
            for (what, first, count) in steps {
                if what == 5 {
                    // Not in order, and some of them twice.
                    let keys = (first..first + count).chain(first / 2..first).rev().chain([first, first]);
                    set.extend(keys.clone().collect());
                    model.extend(keys);
                }
                for key in first..first + count {
                    match what {
                        0 | 1 => prop_assert_eq!(set.insert(key), model.insert(key)),
                        2 | 3 => prop_assert_eq!(set.remove(&key), model.remove(&key)),
                        _ if key % 7 == 0 => prop_assert_eq!(set.insert(key), model.insert(key)),
                        _ => {}
                    }
                }
                set.root.check(None, None);
                versions.push((set.clone(), model.clone()));
            }
            for (set, model) in versions {
                prop_assert_eq!(set.len(), model.len());
                prop_assert!(set.after(None).eq(model.iter()));
                for key in [0, 1, 37, 500, 719, 720] {
                    prop_assert!(set.after(Some(&key)).eq(model.range(key + 1..)));
                }
            }
        }
    }
}
