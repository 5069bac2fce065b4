//! One instance of a module: its functions, its place for input and for a connection's state, and what a failure is called.
//!
//! After an `Err` its memory may be in any state, so the caller throws it away; it never holds more than one connection's
//! state, and that connection is the one that failed.

use crate::host::{Call, Fields, Host, shown};
use crate::module::Compiled;
use ringwire_codec::adapter::Tail;
use wasmtime::{Memory, Store, Trap, TypedFunc, WasmBacktrace};

/// Bytes of input that every module must take, and is shown at first: several frames of the usual size, quickly copied.
pub(crate) const INPUT_BYTES_MIN: usize = 256;

/// Bytes of all names of fields.
const FIELDS_TEXT_BYTES_MAX: usize = 16_384;

/// Why a call failed, for a person.
pub(crate) type Failure = String;

/// See the module.
pub(crate) struct Instance {
    store: Store<Host>,
    instance: wasmtime::Instance,
    memory: Memory,
    read: TypedFunc<(u32, u32), i32>,
    input: TypedFunc<u32, u32>,
    open: Option<TypedFunc<(u32, u32, u32, u32), ()>>,
    answer: Option<TypedFunc<(i32, i32, u32), ()>>,
    deliver: Option<TypedFunc<Message, i32>>,
    /// Of the input's buffer: address and bytes.
    room: (usize, usize),
    /// Bytes of input that it does not take; so many, and more.
    refused: usize,
    /// Of a connection's state.
    state: (usize, usize),
    /// Bytes at the front of the state that may not be zero.
    dirty: usize,
}

/// Topic, payload, number, again.
type Message = (u32, u32, u32, u32, u32, u32);

/// A message as `deliver` gets it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parcel<'a> {
    pub(crate) topic: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) number: u16,
    pub(crate) again: bool,
}

impl Instance {
    pub(crate) fn new(compiled: &Compiled, fields: Fields) -> Result<Self, Failure> {
        let pulse = compiled.ticker.pulse();
        let host = Host::new(compiled.name.clone(), compiled.settings, fields, pulse);
        let mut store = Store::new(compiled.engine(), host);
        store.limiter(|host| &mut host.limiter);
        store.epoch_deadline_callback(|mut context| context.data_mut().watch.tick());
        // Over at once: the first call finds out whether the ticker sleeps.
        store.set_epoch_deadline(0);
        let instance = run(&mut store, Call::Other, |store| compiled.pre.instantiate(store))?;
        let missing = "its exports were checked";
        let memory = instance.get_memory(&mut store, "memory").expect(missing);
        store.data_mut().memory = Some(memory);
        let mut made = Self {
            instance,
            memory,
            read: instance
                .get_typed_func(&mut store, "ringwire_read")
                .expect(missing),
            input: instance
                .get_typed_func(&mut store, "ringwire_input")
                .expect(missing),
            open: instance.get_typed_func(&mut store, "ringwire_open").ok(),
            answer: instance.get_typed_func(&mut store, "ringwire_answer").ok(),
            deliver: instance.get_typed_func(&mut store, "ringwire_deliver").ok(),
            room: (0, 0),
            refused: usize::MAX,
            state: (0, 0),
            dirty: 0,
            store,
        };
        made.state = made.find_state()?;
        match made.room_for(INPUT_BYTES_MIN)? {
            Some(_) => Ok(made),
            None => Err(format!(
                "ringwire_input({INPUT_BYTES_MIN}) says 0: so many bytes must always fit"
            )),
        }
    }

    fn find_state(&mut self) -> Result<(usize, usize), Failure> {
        let (Some(at), Some(size)) = (self.ask("ringwire_state")?, self.ask("ringwire_state_size")?) else {
            return Ok((0, 0));
        };
        let (at, size) = (at as usize, size as usize);
        let limit = self.store.data().settings.state_bytes_max;
        if size > limit {
            return Err(format!(
                "ringwire_state_size says {size}, and the limit is {limit} bytes"
            ));
        }
        if at + size > self.memory.data_size(&self.store) {
            return Err(format!(
                "ringwire_state says {at:#x}, where its memory has no {size} bytes"
            ));
        }
        Ok((at, size))
    }

    pub(crate) fn host(&mut self) -> &mut Host {
        self.store.data_mut()
    }

    /// What a function without arguments says; `None` when the module does not have it.
    pub(crate) fn ask(&mut self, name: &str) -> Result<Option<u32>, Failure> {
        let function = self.instance.get_typed_func::<(), u32>(&mut self.store, name);
        let Ok(function) = function else {
            return Ok(None);
        };
        run(&mut self.store, Call::Other, |store| function.call(store, ())).map(Some)
    }

    /// The text at an address, which ends with a zero.
    pub(crate) fn text(&self, at: u32) -> Option<String> {
        let rest = self.memory.data(&self.store).get(at as usize..)?;
        let rest = &rest[..rest.len().min(FIELDS_TEXT_BYTES_MAX)];
        let end = rest.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(&rest[..end]).ok().map(str::to_owned)
    }

    /// Puts a connection's state in its place, and zeros behind it.
    pub(crate) fn load(&mut self, state: &[u8]) {
        let (at, _) = self.state;
        let dirty = std::mem::replace(&mut self.dirty, state.len());
        let memory = self.memory.data_mut(&mut self.store);
        let end = dirty.max(state.len());
        let place = &mut memory[at..at + end];
        place[..state.len()].copy_from_slice(state);
        place[state.len()..].fill(0);
    }

    /// The connection's state as the module left it, without the zeros at its end.
    pub(crate) fn state(&mut self) -> &[u8] {
        let (at, size) = self.state;
        let memory = self.memory.data(&self.store);
        let state = without_zeros(&memory[at..at + size]);
        self.dirty = state.len();
        state
    }

    pub(crate) fn has_open(&self) -> bool {
        self.open.is_some()
    }

    pub(crate) fn has_answer(&self) -> bool {
        self.answer.is_some()
    }

    pub(crate) fn has_deliver(&self) -> bool {
        self.deliver.is_some()
    }

    /// Makes room for `bytes` of input; `None`: the module does not take so many, and what it gave before stays.
    fn room_for(&mut self, bytes: usize) -> Result<Option<usize>, Failure> {
        if bytes <= self.room.1 {
            return Ok(Some(self.room.0));
        }
        let generous = bytes.next_power_of_two().max(INPUT_BYTES_MIN);
        if generous < self.refused
            && let Some(at) = self.ask_room(generous)?
        {
            return Ok(Some(at));
        }
        self.ask_room(bytes)
    }

    /// The most bytes of input that it may take, as far as is known.
    pub(crate) fn room_hoped(&self) -> usize {
        self.refused - 1
    }

    fn ask_room(&mut self, bytes: usize) -> Result<Option<usize>, Failure> {
        let size = u32::try_from(bytes).map_err(|_| "more than 4 GiB of input".to_owned())?;
        let input = &self.input;
        let at = run(&mut self.store, Call::Other, |store| input.call(store, size))? as usize;
        if at == 0 {
            self.refused = self.refused.min(bytes);
            return Ok(None);
        }
        let memory = self.memory.data_size(&self.store);
        // The address behind the last byte must be one, too.
        if at + bytes > memory.min(u32::MAX as usize) {
            return Err(format!(
                "ringwire_input({bytes}) says {at:#x}, where its memory of {memory:#x} bytes has no such room"
            ));
        }
        self.room = (at, bytes);
        Ok(Some(at))
    }

    /// The most bytes of input that the module takes, below a number that it refused. Its buffer is so large then.
    #[cold]
    pub(crate) fn room_below(&mut self, refused: usize) -> Result<usize, Failure> {
        let (mut fits, mut too_many) = (self.room.1, refused.min(self.refused));
        while too_many - fits > 1 {
            let middle = fits + (too_many - fits) / 2;
            match self.ask_room(middle)? {
                Some(_) => fits = middle,
                None => too_many = middle,
            }
        }
        Ok(fits)
    }

    /// Copies pieces one behind the other to where the module finds them.
    fn put(&mut self, pieces: [&[u8]; 2]) -> Result<Option<usize>, Failure> {
        let [first, second] = pieces;
        let Some(at) = self.room_for(first.len() + second.len())? else {
            return Ok(None);
        };
        let memory = self.memory.data_mut(&mut self.store);
        let middle = at + first.len();
        memory[at..middle].copy_from_slice(first);
        memory[middle..middle + second.len()].copy_from_slice(second);
        Ok(Some(at))
    }

    /// Has the module read; the events are in the host's queue. `None`: it does not take so many bytes.
    pub(crate) fn read(&mut self, input: &[u8]) -> Result<Option<i32>, Failure> {
        let Some(at) = self.put([input, &[]])? else {
            return Ok(None);
        };
        self.store.data_mut().input = at..at + input.len();
        let read = &self.read;
        let place = (address(at), address(input.len()));
        run(&mut self.store, Call::Read, |store| read.call(store, place)).map(Some)
    }

    /// Tells the module of a new connection.
    pub(crate) fn open(&mut self, address_text: &str, certificate: &str) -> Result<(), Failure> {
        let Some(at) = self.put([address_text.as_bytes(), certificate.as_bytes()])? else {
            return Err("ringwire_input has no room for an address".to_owned());
        };
        let Some(open) = &self.open else {
            return Ok(());
        };
        let behind = at + address_text.len();
        let name = if certificate.is_empty() { 0 } else { behind };
        let place = (
            address(at),
            address(address_text.len()),
            address(name),
            address(certificate.len()),
        );
        run(&mut self.store, Call::Other, |store| open.call(store, place))
    }

    /// Tells the module what was decided; it writes to `out`.
    pub(crate) fn answer(
        &mut self,
        (what, detail): (i32, i32),
        tag: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let Some(answer) = &self.answer else {
            return Ok(());
        };
        let store = &mut self.store;
        writing(store, out, |store| {
            run(store, Call::Answer, |store| {
                answer.call(store, (what, detail, tag))
            })
        })
    }

    /// Has the module write a message to `out`; `None`: it does not take so many bytes.
    pub(crate) fn deliver(&mut self, parcel: Parcel<'_>, out: &mut Vec<u8>) -> Result<Option<Tail>, Failure> {
        let Some(at) = self.put([parcel.topic, parcel.payload])? else {
            return Ok(None);
        };
        let Some(deliver) = &self.deliver else {
            return Ok(None);
        };
        let message = (
            address(at),
            address(parcel.topic.len()),
            address(at + parcel.topic.len()),
            address(parcel.payload.len()),
            u32::from(parcel.number),
            u32::from(parcel.again),
        );
        let store = &mut self.store;
        writing(store, out, |store| {
            let says = run(store, Call::Deliver, |store| deliver.call(store, message))?;
            tail(says).map(Some)
        })
    }
}

/// The front of a state: a place for a large frame is mostly zeros, which are passed over many at a time.
fn without_zeros(state: &[u8]) -> &[u8] {
    const MANY: usize = 128;
    let is_zero = |many: &&[u8]| many.iter().fold(0, |any, byte| any | byte) == 0;
    let zeros = state.rchunks(MANY).take_while(is_zero).count() * MANY;
    let front = &state[..state.len().saturating_sub(zeros)];
    let last = front.iter().rposition(|byte| *byte != 0);
    &front[..last.map_or(0, |last| last + 1)]
}

/// What `ringwire_deliver` says about the bytes that it wrote.
fn tail(says: i32) -> Result<Tail, Failure> {
    match says {
        0 => Ok(Tail::Nothing),
        1 => Ok(Tail::Payload),
        2 => Ok(Tail::Settled),
        _ => Err(format!(
            "ringwire_deliver says {says}: 0 is all written, 1 the payload follows, 2 it is not acknowledged"
        )),
    }
}

/// Lends the device's bytes to the host for one call; a failed call leaves nothing in them.
fn writing<R>(
    store: &mut Store<Host>,
    out: &mut Vec<u8>,
    call: impl FnOnce(&mut Store<Host>) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let before = out.len();
    let host = store.data_mut();
    host.out = std::mem::take(out);
    host.out_before = before;
    let result = call(store);
    *out = std::mem::take(&mut store.data_mut().out);
    if result.is_err() {
        out.truncate(before);
    }
    result
}

fn run<R>(
    store: &mut Store<Host>,
    kind: Call,
    call: impl FnOnce(&mut Store<Host>) -> wasmtime::Result<R>,
) -> Result<R, Failure> {
    let host = store.data_mut();
    host.call = kind;
    let result = call(store);
    store.data_mut().watch.end();
    result.map_err(|error| explain(&error, store))
}

/// What happened, in one line: the cause, the function that it happened in, and whether it wanted more memory.
#[cold]
fn explain(error: &wasmtime::Error, store: &Store<Host>) -> Failure {
    let mut what = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string().replace("wasm trap: ", "trap: "),
        None => error.root_cause().to_string(),
    };
    let backtrace = error.downcast_ref::<WasmBacktrace>();
    let frame = backtrace.and_then(|backtrace| backtrace.frames().first());
    if let Some(name) = frame.and_then(|frame| frame.func_name()) {
        what.push_str(&format!(" (in {})", shown(name)));
    }
    let limiter = &store.data().limiter;
    if let Some(bytes) = limiter.refused {
        what.push_str(&format!("; it was refused a memory of {bytes} bytes"));
    }
    what
}

/// Addresses of a 32 bit memory.
fn address(at: usize) -> u32 {
    u32::try_from(at).expect("inside of a memory of at most 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::without_zeros;

    #[test]
    fn a_state_ends_with_its_last_byte_that_is_not_zero() {
        for size in [0, 1, 127, 128, 129, 255, 256, 257, 1_000] {
            assert_eq!(without_zeros(&vec![0; size]), b"");
            for last in 0..size {
                let mut state = vec![0; size];
                state[last] = 1;
                assert_eq!(without_zeros(&state), &state[..=last], "{last} of {size}");
            }
        }
    }
}
