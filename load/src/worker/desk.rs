//! What all clients of a worker write on: its tally, and the credits for publishers whose messages arrived.
//!
//! A client that receives knows only the stamp; the desk finds the publisher. Credits are gathered over a turn and
//! handed over at its end, to the worker's own clients or by the board to another worker's.

use crate::board::{Board, Count};
use crate::check::{Seen, Tracks};
use crate::layout::Layout;
use crate::plan::{Group, Plan};
use crate::stamp::{self, Mint};
use crate::tally::Tally;
use crate::worker::publisher::{heard_by, waits_for_deliveries};

/// What all threads of a run know.
#[derive(Debug)]
pub(crate) struct Run<'plan> {
    pub plan: &'plan Plan,
    pub layout: Layout,
    pub mint: Mint,
    pub board: Board,
}

impl Run<'_> {
    /// Deliveries of each message of a flow that can be told apart.
    pub(crate) fn fanout(&self, flow: u32) -> u32 {
        let home = self.layout.home(flow);
        let group = home.and_then(|home| self.plan.groups.get(home.group as usize));
        let publishing = group.and_then(|group| group.publishing.as_ref());
        publishing.map_or(0, heard_by)
    }
}

/// What the clients of a group have in common.
#[derive(Debug)]
pub(crate) struct Kind {
    /// Its publishers wait for their deliveries.
    pub is_held: bool,
    /// Its subscribers share their subscription: only together do they see every message.
    pub shares: bool,
}

impl Kind {
    pub(crate) fn of(group: &Group) -> Self {
        let is_shared = |text: &str| text.starts_with("$share/") || text.starts_with("$queue/");
        Self {
            is_held: group.publishing.as_ref().is_some_and(waits_for_deliveries),
            shares: group.filters.iter().any(|filter| is_shared(&filter.text)),
        }
    }
}

/// A worker's desk.
pub(crate) struct Desk<'run> {
    pub run: &'run Run<'run>,
    pub worker: usize,
    /// By group.
    pub kinds: Vec<Kind>,
    pub tally: Tally,
    /// On the run's clock, at the turn's start.
    pub now: u64,
    /// (slot, deliveries) of the worker's own publishers.
    pub credits: Vec<(u32, u32)>,
    /// The same for each other worker.
    pub remote: Vec<Vec<(u32, u32)>>,
    /// Deliveries of one flow in a row.
    in_hand: (u32, u32),
    /// What the subscribers that share a subscription saw together.
    pub shared: Tracks,
    /// Payloads too short for a stamp are expected.
    pub unstamped: bool,
}

impl<'run> Desk<'run> {
    pub(crate) fn new(run: &'run Run<'run>, worker: usize) -> Self {
        let plan = run.plan;
        let publishing = plan.groups.iter().filter_map(|group| group.publishing.as_ref());
        Self {
            run,
            worker,
            kinds: plan.groups.iter().map(Kind::of).collect(),
            tally: Tally::new(),
            now: 0,
            credits: Vec::new(),
            remote: plan.cores.iter().map(|_| Vec::new()).collect(),
            in_hand: (0, 0),
            shared: Tracks::default(),
            unstamped: publishing
                .into_iter()
                .any(|publishing| publishing.payload_bytes < stamp::BYTES),
        }
    }

    /// A payload was delivered to a subscriber, or to the requester that waits for a reply.
    #[inline]
    pub(crate) fn delivered(&mut self, payload: &[u8], group: usize, tracks: &mut Tracks) {
        self.tally.add(Count::Delivered, 1);
        let Some(stamp) = self.run.mint.read(payload) else {
            return self.strange(payload);
        };
        if stamp.flow as usize >= self.run.layout.flows() {
            return self.strange(payload);
        }
        let shares = self.kinds[group].shares;
        let tracks = if shares { &mut self.shared } else { tracks };
        match tracks.of(stamp.flow).see(stamp.sequence) {
            Seen::InOrder => {}
            // Whom of a group a message goes to is the broker's choice, and so is the order between them.
            Seen::Late => self.tally.add(Count::Late, u64::from(!shares)),
            Seen::Again => return self.tally.add(Count::Again, 1),
        }
        self.tally.add(Count::Unique, 1);
        self.tally.arrived(stamp.at_ns, self.now);
        if self.in_hand.0 != stamp.flow {
            self.hand_over();
            self.in_hand = (stamp.flow, 0);
        }
        self.in_hand.1 += 1;
    }

    #[cold]
    fn strange(&mut self, payload: &[u8]) {
        if payload.len() >= stamp::BYTES || !self.unstamped {
            self.tally.add(Count::Strange, 1);
        }
    }

    /// Gives the deliveries in hand to their publisher.
    fn hand_over(&mut self) {
        let (flow, deliveries) = self.in_hand;
        self.in_hand.1 = 0;
        let Some(home) = self.run.layout.home(flow).filter(|_| deliveries > 0) else {
            return;
        };
        if !self.kinds[home.group as usize].is_held {
            return;
        }
        if home.worker as usize == self.worker {
            self.credits.push((home.slot, deliveries));
        } else {
            self.remote[home.worker as usize].push((home.slot, deliveries));
        }
    }

    /// The turn's messages are all read.
    pub(crate) fn end_of_reading(&mut self) {
        self.hand_over();
        self.tally.settle();
        self.run.board.collect(self.worker, &mut self.credits);
    }
}
