//! The wildcard filters of the index, as a trie over interned levels.
//!
//! Nodes stand in one slab; a literal child is found in one hash table by (parent, level), so a node with a million
//! children costs no more than one with two. The walk keeps its own stack: its depth is the caller's limit on levels, its
//! work is bounded by the stored filters that share a prefix with the topic.

use super::FilterId;
use super::levels::{LevelId, Levels};
use crate::slots::Slots;
use ahash::RandomState;
use hashbrown::HashTable;
use ringwire_codec::topic;
use smallvec::SmallVec;
use std::num::NonZeroU32;

#[derive(Debug, Default)]
pub(super) struct Trie {
    /// The root is the first; there is none while no wildcard filter is stored.
    nodes: Slots<Node>,
    free: Vec<NodeId>,
    children: HashTable<NodeId>,
    levels: Levels,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NodeId(NonZeroU32);

const ROOT: NodeId = NodeId(NonZeroU32::MIN);

impl NodeId {
    /// One above the index, so that `Option<NodeId>` takes no room of its own.
    fn new(index: usize) -> Self {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("limits keep nodes below 2^32"))
    }

    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// How a node hangs on its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Branch {
    Root,
    Plus,
    Literal(LevelId),
}

#[derive(Debug)]
struct Node {
    parent: NodeId,
    branch: Branch,
    /// The child for `+`.
    plus: Option<NodeId>,
    /// The filter that ends here.
    here: Option<FilterId>,
    /// The filter that ends here with a `#` behind.
    hash: Option<FilterId>,
    /// Literal children.
    literals: u32,
}

impl Node {
    fn new(parent: NodeId, branch: Branch) -> Self {
        Self {
            parent,
            branch,
            plus: None,
            here: None,
            hash: None,
            literals: 0,
        }
    }

    fn is_bare(&self) -> bool {
        self.plus.is_none() && self.here.is_none() && self.hash.is_none() && self.literals == 0
    }
}

impl Trie {
    /// Adds a filter that is not in the trie.
    pub(super) fn insert(&mut self, hasher: &RandomState, filter: &str, id: FilterId) {
        if self.nodes.is_empty() {
            self.nodes.push(Node::new(ROOT, Branch::Root));
        }
        let mut at = ROOT;
        for level in topic::levels(filter) {
            match level {
                "#" => {
                    self.node_mut(at).hash = Some(id);
                    return;
                }
                "+" => at = self.plus_child(at),
                literal => at = self.literal_child(hasher, at, literal),
            }
        }
        self.node_mut(at).here = Some(id);
    }

    fn plus_child(&mut self, parent: NodeId) -> NodeId {
        if let Some(child) = self.node(parent).plus {
            return child;
        }
        let child = self.add(Node::new(parent, Branch::Plus));
        self.node_mut(parent).plus = Some(child);
        child
    }

    fn literal_child(&mut self, hasher: &RandomState, parent: NodeId, text: &str) -> NodeId {
        if let Some(level) = self.levels.find(hasher, text)
            && let Some(child) = self.find_literal(hasher, parent, level)
        {
            return child;
        }
        let level = self.levels.acquire(hasher, text);
        let child = self.add(Node::new(parent, Branch::Literal(level)));
        self.node_mut(parent).literals += 1;
        let nodes = &self.nodes;
        self.children
            .insert_unique(hash_of(hasher, parent, level), child, |child| {
                let node = &nodes[child.index()];
                match node.branch {
                    Branch::Literal(level) => hash_of(hasher, node.parent, level),
                    Branch::Root | Branch::Plus => unreachable!("only literal children stand in the table"),
                }
            });
        child
    }

    fn add(&mut self, node: Node) -> NodeId {
        match self.free.pop() {
            Some(id) => {
                *self.node_mut(id) = node;
                id
            }
            None => {
                let id = NodeId::new(self.nodes.len());
                self.nodes.push(node);
                id
            }
        }
    }

    /// Removes a filter that is in the trie, and every node that only served it.
    pub(super) fn remove(&mut self, hasher: &RandomState, filter: &str) {
        let mut at = ROOT;
        let mut ends_with_hash = false;
        for level in topic::levels(filter) {
            match level {
                "#" => ends_with_hash = true,
                "+" => at = self.node(at).plus.expect("the filter was inserted"),
                literal => {
                    let level = self
                        .levels
                        .find(hasher, literal)
                        .expect("the filter was inserted");
                    at = self
                        .find_literal(hasher, at, level)
                        .expect("the filter was inserted");
                }
            }
        }
        let node = self.node_mut(at);
        let end = if ends_with_hash {
            &mut node.hash
        } else {
            &mut node.here
        };
        assert!(end.take().is_some(), "the filter was inserted");
        self.prune(hasher, at);
    }

    fn prune(&mut self, hasher: &RandomState, mut at: NodeId) {
        while self.node(at).is_bare() {
            let Node { parent, branch, .. } = *self.node(at);
            match branch {
                Branch::Root => return,
                Branch::Plus => self.node_mut(parent).plus = None,
                Branch::Literal(level) => {
                    let found = self
                        .children
                        .find_entry(hash_of(hasher, parent, level), |child| *child == at);
                    found.expect("every literal child is in the table").remove();
                    self.levels.release(hasher, level);
                    self.node_mut(parent).literals -= 1;
                }
            }
            self.free.push(at);
            at = parent;
        }
    }

    /// Calls `found` for each filter that matches a valid topic name, in the order of the walk: a node's `#`, its own
    /// end, its literal child, its `+` child.
    pub(super) fn for_each_match(&self, hasher: &RandomState, name: &str, mut found: impl FnMut(FilterId)) {
        if self.nodes.is_empty() || self.node(ROOT).is_bare() {
            return;
        }
        let levels: SmallVec<[&str; 16]> = topic::levels(name).collect();
        // Looked up when the walk first needs them: most topics leave the trie early.
        let mut known: SmallVec<[Option<LevelId>; 16]> = SmallVec::new();
        let mut stack: SmallVec<[(NodeId, usize); 16]> = SmallVec::new();
        stack.push((ROOT, 0));
        while let Some((at, depth)) = stack.pop() {
            let node = self.node(at);
            let wildcards = depth > 0 || !topic::is_dollar(name);
            if let (Some(filter), true) = (node.hash, wildcards) {
                found(filter);
            }
            if depth == levels.len() {
                node.here.iter().copied().for_each(&mut found);
                continue;
            }
            if let (Some(plus), true) = (node.plus, wildcards) {
                stack.push((plus, depth + 1));
            }
            if node.literals == 0 {
                continue;
            }
            while known.len() <= depth {
                known.push(self.levels.find(hasher, levels[known.len()]));
            }
            let child = known[depth].and_then(|level| self.find_literal(hasher, at, level));
            stack.extend(child.map(|child| (child, depth + 1)));
        }
    }

    fn find_literal(&self, hasher: &RandomState, parent: NodeId, level: LevelId) -> Option<NodeId> {
        let same = |child: &NodeId| {
            let node = self.node(*child);
            node.parent == parent && node.branch == Branch::Literal(level)
        };
        self.children.find(hash_of(hasher, parent, level), same).copied()
    }

    fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.index()]
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.children.is_empty() && self.levels.len() == 0 && self.nodes.len() <= self.free.len() + 1
    }
}

fn hash_of(hasher: &RandomState, parent: NodeId, level: LevelId) -> u64 {
    hasher.hash_one(u64::from(parent.0.get()) << 32 | u64::from(level.0))
}
