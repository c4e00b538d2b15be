//! What a disk holds of the names of files: what programs find, and what a power cut can't take.

use super::dice::Dice;
use std::collections::{BTreeMap, BTreeSet};

/// Which file a name is of.
pub(super) type Node = u32;

/// In which order names get lost in a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// Those of a folder that were changed last, as on a file system with a journal.
    Latest,
    /// Any.
    Any,
}

#[derive(Debug, Clone)]
enum Change {
    Set { name: String, node: Node },
    Renamed { from: String, to: String, node: Node },
    Removed { name: String },
}

/// All names. One is a whole path; its folder is what comes before the last slash.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    current: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    /// What was done since and is not synced.
    unsynced: Vec<Change>,
}

impl Names {
    pub(super) fn get(&self, name: &str) -> Option<Node> {
        self.current.get(name).copied()
    }

    pub(super) fn set(&mut self, name: &str, node: Node) {
        self.change(Change::Set { name: name.to_owned(), node });
    }

    /// Renames a file, and tells whether there was one.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> bool {
        let Some(node) = self.get(from) else { return false };
        // Two names of the same file both stay: POSIX has it so.
        if self.get(to) != Some(node) {
            self.change(Change::Renamed { from: from.to_owned(), to: to.to_owned(), node });
        }
        true
    }

    /// Takes a name away, and tells whether there was one.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let there = self.current.contains_key(name);
        if there {
            self.change(Change::Removed { name: name.to_owned() });
        }
        there
    }

    pub(super) fn sync(&mut self, folder: &str) {
        let (synced, rest): (Vec<_>, _) = std::mem::take(&mut self.unsynced)
            .into_iter()
            .partition(|change| folder_of(change.name()) == folder);
        self.unsynced = rest;
        synced.iter().for_each(|change| change.make(&mut self.durable));
    }

    /// What is found after a power cut.
    pub(super) fn lose_power(&mut self, lost: Lost, dice: &mut Dice) {
        let unsynced = std::mem::take(&mut self.unsynced);
        let folders: BTreeSet<&str> = unsynced.iter().map(|change| folder_of(change.name())).collect();
        for folder in folders {
            let changes: Vec<_> =
                unsynced.iter().filter(|change| folder_of(change.name()) == folder).collect();
            match lost {
                Lost::Latest => {
                    let kept = dice.index(changes.len() + 1);
                    changes[..kept].iter().for_each(|change| change.make(&mut self.durable));
                }
                Lost::Any => {
                    for change in changes {
                        match (change, dice.below(3)) {
                            (_, 0) => {}
                            // By half: the file has its new name, and the old one too.
                            (Change::Renamed { to, node, .. }, 1) => {
                                self.durable.insert(to.clone(), *node);
                            }
                            (change, _) => change.make(&mut self.durable),
                        }
                    }
                }
            }
        }
        self.current.clone_from(&self.durable);
    }

    /// All names that there are now, in order.
    pub(super) fn list(&self) -> impl Iterator<Item = &str> {
        self.current.keys().map(String::as_str)
    }

    /// All files that have a name, or would have after a power cut.
    pub(super) fn nodes(&self) -> BTreeSet<Node> {
        let unsynced = self.unsynced.iter().filter_map(|change| match change {
            Change::Set { node, .. } | Change::Renamed { node, .. } => Some(*node),
            Change::Removed { .. } => None,
        });
        self.current.values().chain(self.durable.values()).copied().chain(unsynced).collect()
    }

    fn change(&mut self, change: Change) {
        change.make(&mut self.current);
        self.unsynced.push(change);
    }
}

impl Change {
    /// The name that tells in which folder it happened; a file is never moved from one folder to another.
    fn name(&self) -> &str {
        match self {
            Self::Set { name, .. } | Self::Renamed { to: name, .. } | Self::Removed { name } => name,
        }
    }

    fn make(&self, names: &mut BTreeMap<String, Node>) {
        match self {
            Self::Set { name, node } => {
                names.insert(name.clone(), *node);
            }
            Self::Renamed { from, to, node } => {
                // When a change before it was lost, the old name may be another file's by now.
                if names.get(from) == Some(node) {
                    names.remove(from);
                }
                names.insert(to.clone(), *node);
            }
            Self::Removed { name } => {
                names.remove(name);
            }
        }
    }
}

pub(super) fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found after power cuts by many seeds.
    fn found(names: &Names, lost: Lost) -> BTreeSet<String> {
        (0..200)
            .map(|seed| {
                let mut names = names.clone();
                names.lose_power(lost, &mut Dice::new(seed));
                let list = names.current.iter().map(|(name, node)| format!("{name}={node}"));
                list.collect::<Vec<_>>().join(" ")
            })
            .collect()
    }

    fn texts<const N: usize>(texts: [&str; N]) -> BTreeSet<String> {
        texts.map(str::to_owned).into()
    }

    fn two_files() -> Names {
        let mut names = Names::default();
        names.set("d/a", 1);
        names.sync("d");
        names.set("d/b", 2);
        names
    }

    #[test]
    fn a_name_is_durable_after_its_folder_is_synced() {
        let mut names = two_files();
        assert_eq!(names.get("d/b"), Some(2));
        assert_eq!(found(&names, Lost::Latest), texts(["d/a=1", "d/a=1 d/b=2"]));
        names.sync("e");
        assert_eq!(found(&names, Lost::Any).len(), 2, "another folder was synced");
        names.sync("d");
        assert_eq!(found(&names, Lost::Any), texts(["d/a=1 d/b=2"]));
    }

    #[test]
    fn with_a_journal_the_latest_changes_are_lost_first() {
        let mut names = two_files();
        assert!(names.rename("d/b", "d/a"));
        names.set("d/c", 3);
        assert_eq!(found(&names, Lost::Latest), texts(["d/a=1", "d/a=1 d/b=2", "d/a=2", "d/a=2 d/c=3"]));
        names.set("e/x", 4);
        assert!(found(&names, Lost::Latest).contains("d/a=1 e/x=4"), "folders have journals of their own");
    }

    #[test]
    fn without_one_any_are_lost_and_renaming_may_leave_both_names() {
        let mut names = two_files();
        names.sync("d");
        assert!(names.rename("d/b", "d/a"));
        assert_eq!(names.list().collect::<Vec<_>>(), ["d/a"]);
        names.set("d/c", 3);
        assert_eq!(
            found(&names, Lost::Any),
            texts([
                "d/a=1 d/b=2",
                "d/a=1 d/b=2 d/c=3",
                "d/a=2 d/b=2",
                "d/a=2 d/b=2 d/c=3",
                "d/a=2",
                "d/a=2 d/c=3"
            ])
        );
    }

    #[test]
    fn what_is_removed_may_come_back() {
        let mut names = two_files();
        names.sync("d");
        assert!(names.remove("d/b") && !names.remove("d/b"));
        assert_eq!(names.get("d/b"), None);
        assert_eq!(found(&names, Lost::Latest), texts(["d/a=1", "d/a=1 d/b=2"]));
        assert_eq!(names.nodes(), [1, 2].into());
        names.sync("d");
        assert_eq!(found(&names, Lost::Any), texts(["d/a=1"]));
        assert_eq!(names.nodes(), [1].into());
    }

    #[test]
    fn renaming_one_name_of_a_file_to_its_other_leaves_both() {
        let mut names = two_files();
        names.set("d/c", 2);
        assert!(names.rename("d/b", "d/c") && !names.rename("d/x", "d/y"));
        assert_eq!(names.list().collect::<Vec<_>>(), ["d/a", "d/b", "d/c"]);
    }
}
