//! A private protocol with acknowledgements: EMQ's, but each message down has a number before it, and the device sends it back.
//!
//! Not a protocol of anybody's: it lets the devices of a run show what the engine does with numbers, windows and retries.
//! A DATATRANS down has flag 1 when it is sent again; one up with all flags set acknowledges.

use ringwire_codec::adapter::emq::EmqTcp;
use ringwire_codec::adapter::{
    Adapter, Answer, Blueprint, Down, Event, Link, Peer, Read, Scratch, Tail, Undeliverable, Unreadable,
};
use ringwire_codec::private::{self, Decoded, Frame, PAYLOAD_BYTES_MAX};

/// Flags of a DATATRANS down that was sent before.
pub const AGAIN: u8 = 1;

/// Flags of a DATATRANS up that acknowledges.
pub const ACKNOWLEDGED: u8 = 0x0f;

/// Bytes of a number.
pub const NUMBER_BYTES: usize = 2;

/// The protocol, and how many messages may be on their way.
#[derive(Clone, Copy, Debug)]
pub struct Numbered {
    pub emq: EmqTcp,
    pub window: u16,
}

#[derive(Debug)]
struct Speaker {
    emq: Box<dyn Adapter>,
    window: u16,
}

impl Blueprint for Numbered {
    fn name(&self) -> &str {
        "numbered"
    }

    fn adapter(&self, wanted: &[String]) -> Box<dyn Adapter> {
        Box::new(Speaker {
            emq: self.emq.adapter(wanted),
            window: self.window,
        })
    }
}

impl Adapter for Speaker {
    fn open(&mut self, peer: Peer<'_>) -> Link {
        self.emq.open(peer)
    }

    fn close(&mut self, link: Link) {
        self.emq.close(link);
    }

    fn read<'a>(
        &mut self,
        link: Link,
        input: &'a [u8],
        scratch: &'a mut Scratch,
    ) -> Result<Read<'a>, Unreadable> {
        if let Ok(Decoded::Frame(Frame::DataTrans { flags, payload }, used)) =
            private::decode(input, PAYLOAD_BYTES_MAX)
            && flags == ACKNOWLEDGED
            && let Ok(number) = <[u8; NUMBER_BYTES]>::try_from(payload)
        {
            let number = u16::from_be_bytes(number);
            let event = Event::Acknowledge { number };
            return Ok(Read::Event { event, used });
        }
        self.emq.read(link, input, scratch)
    }

    fn frame_size(&self, link: Link, front: &[u8]) -> Option<usize> {
        self.emq.frame_size(link, front)
    }

    fn answer(&mut self, link: Link, answer: Answer, out: &mut Vec<u8>) {
        self.emq.answer(link, answer, out);
    }

    fn deliver(&mut self, _link: Link, down: &Down<'_>, out: &mut Vec<u8>) -> Result<Tail, Undeliverable> {
        let payload = [&down.number.to_be_bytes(), down.payload].concat();
        let frame = Frame::DataTrans {
            flags: if down.again { AGAIN } else { 0 },
            payload: &payload,
        };
        match frame.encode(out) {
            true => Ok(Tail::Nothing),
            false => Err(Undeliverable::TooLarge {
                size: down.payload.len(),
                limit: PAYLOAD_BYTES_MAX - NUMBER_BYTES,
            }),
        }
    }

    fn window(&self) -> u16 {
        self.window
    }
}
