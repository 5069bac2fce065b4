//! QoS 2 publishes of a client that were taken and wait for their PUBREL: their packet ids, nothing else.

/// A sorted set of packet ids; at most 65,535.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    ids: Vec<u16>,
}

impl Incoming {
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn contains(&self, id: u16) -> bool {
        self.ids.binary_search(&id).is_ok()
    }

    /// False when it was there.
    pub(crate) fn insert(&mut self, id: u16) -> bool {
        match self.ids.binary_search(&id) {
            Ok(_) => false,
            Err(at) => {
                self.ids.insert(at, id);
                true
            }
        }
    }

    /// False when it was not there.
    pub(crate) fn remove(&mut self, id: u16) -> bool {
        match self.ids.binary_search(&id) {
            Ok(at) => {
                self.ids.remove(at);
                true
            }
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_once_until_it_is_released() {
        let mut incoming = Incoming::default();
        assert!(incoming.insert(7) && incoming.insert(3) && !incoming.insert(7));
        assert!(incoming.contains(3) && incoming.len() == 2);
        assert!(incoming.remove(7) && !incoming.remove(7) && incoming.insert(7));
    }
}
