//! What an adapter knows of each connection, by link: dense, numbers reused.
//!
//! For adapters that keep their own table. A link that is not open is a mistake of the caller's.

use super::Link;
use std::ops::{Index, IndexMut};

/// See the module.
#[derive(Clone, Debug)]
pub struct Links<T> {
    slots: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Links<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Links<T> {
    /// A connection begins.
    pub fn open(&mut self, known: T) -> Link {
        if let Some(free) = self.free.pop() {
            self.slots[free as usize] = Some(known);
            return Link(free);
        }
        self.slots.push(Some(known));
        Link(u32::try_from(self.slots.len() - 1).expect("fewer connections than links"))
    }

    /// A connection is over.
    pub fn close(&mut self, link: Link) {
        let known = self.slots[link.0 as usize].take();
        assert!(known.is_some(), "a link is closed once");
        self.free.push(link.0);
    }
}

impl<T> Index<Link> for Links<T> {
    type Output = T;

    fn index(&self, link: Link) -> &T {
        self.slots[link.0 as usize].as_ref().expect("an open link")
    }
}

impl<T> IndexMut<Link> for Links<T> {
    fn index_mut(&mut self, link: Link) -> &mut T {
        self.slots[link.0 as usize].as_mut().expect("an open link")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_given_again_after_its_connection_is_over_and_knows_nothing_of_it() {
        let mut links = Links::default();
        let (one, two) = (links.open(1), links.open(2));
        links.close(one);
        let three = links.open(3);
        assert_eq!((three, links[two], links[three]), (one, 2, 3));
        links[two] += 5;
        assert_eq!(links[two], 7);
    }
}
