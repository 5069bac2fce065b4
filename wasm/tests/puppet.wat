;; A module that does what its input says: the worst that a module can do, chosen by a fuzzer.
;;
;; The input is a script. An operation is a byte, its arguments are two bytes each, little endian; from 8000 on they stand for
;; numbers far beyond any memory. What `keep` puts into the state is run for answers and messages.
(module
  (import "ringwire" "identify" (func $identify (param i32 i32 i32)))
  (import "ringwire" "connect" (func $connect (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "ringwire" "publish" (func $publish (param i32 i32 i32 i32)))
  (import "ringwire" "heartbeat" (func $heartbeat (param i32)))
  (import "ringwire" "acknowledge" (func $acknowledge (param i32)))
  (import "ringwire" "close" (func $close (param i32)))
  (import "ringwire" "skip" (func $skip (param i32 i32 i32 i32)))
  (import "ringwire" "unreadable" (func $unreadable (param i32 i32 i32 i32)))
  (import "ringwire" "write" (func $write (param i32 i32)))
  (import "ringwire" "undeliverable" (func $undeliverable (param i32 i32)))
  (import "ringwire" "refusal" (func $refusal (param i32 i32) (result i32)))
  (import "ringwire" "log" (func $log (param i32 i32)))

  ;; 0: the state. 512: names of fields. 1024: values. 4096: input.
  (memory (export "memory") 1)
  (data (i32.const 512) "one two three\00")
  (data (i32.const 1024) "\00\02\00\00\03\00\00\00\04\02\00\00\03\00\00\00\08\02\00\00\05\00\00\00")
  (global $pc (mut i32) (i32.const 0))
  (global $end (mut i32) (i32.const 0))
  (global $room (mut i32) (i32.const 4096))

  (func (export "ringwire_abi") (result i32) (i32.const 1))
  (func (export "ringwire_window") (result i32) (i32.const 3))
  (func (export "ringwire_fields") (result i32) (i32.const 512))
  (func (export "ringwire_state") (result i32) (i32.const 0))
  (func (export "ringwire_state_size") (result i32) (i32.const 256))
  (func (export "ringwire_input") (param $bytes i32) (result i32)
    (select (global.get $room) (i32.const 0) (i32.le_u (local.get $bytes) (i32.const 40000))))

  (func $word (result i32)
    (local $word i32)
    (if (i32.gt_u (i32.add (global.get $pc) (i32.const 2)) (global.get $end))
      (then (global.set $pc (global.get $end)) (return (i32.const 0))))
    (local.set $word (i32.load16_u (global.get $pc)))
    (global.set $pc (i32.add (global.get $pc) (i32.const 2)))
    (if (i32.ge_u (local.get $word) (i32.const 0x8000))
      (then (return (i32.or (i32.shl (local.get $word) (i32.const 17)) (i32.const 1)))))
    (local.get $word))

  (func $run (param $at i32) (param $bytes i32) (result i32)
    (local $op i32)
    (global.set $pc (local.get $at))
    (global.set $end (i32.add (local.get $at) (local.get $bytes)))
    (loop $next
      (if (i32.ge_u (global.get $pc) (global.get $end)) (then (return (i32.const 0))))
      (local.set $op (i32.and (i32.load8_u (global.get $pc)) (i32.const 31)))
      (global.set $pc (i32.add (global.get $pc) (i32.const 1)))
      (if (i32.eq (local.get $op) (i32.const 0)) (then
        (return (i32.extend16_s (i32.load16_u (global.get $pc))))))
      (if (i32.eq (local.get $op) (i32.const 1)) (then
        (call $publish (call $word) (call $word) (call $word) (call $word))))
      (if (i32.eq (local.get $op) (i32.const 2)) (then
        (call $connect (call $word) (call $word) (call $word) (call $word)
          (call $word) (call $word) (call $word) (call $word))))
      (if (i32.eq (local.get $op) (i32.const 3)) (then (call $identify (call $word) (call $word) (call $word))))
      (if (i32.eq (local.get $op) (i32.const 4)) (then (call $heartbeat (call $word))))
      (if (i32.eq (local.get $op) (i32.const 5)) (then (call $acknowledge (call $word))))
      (if (i32.eq (local.get $op) (i32.const 6)) (then (call $close (call $word))))
      (if (i32.eq (local.get $op) (i32.const 7)) (then
        (call $skip (call $word) (call $word) (call $word) (call $word))))
      (if (i32.eq (local.get $op) (i32.const 8)) (then
        (call $unreadable (call $word) (call $word) (call $word) (call $word))))
      (if (i32.eq (local.get $op) (i32.const 9)) (then (call $write (call $word) (call $word))))
      (if (i32.eq (local.get $op) (i32.const 10)) (then (call $undeliverable (call $word) (call $word))))
      (if (i32.eq (local.get $op) (i32.const 11)) (then (drop (call $refusal (call $word) (call $word)))))
      (if (i32.eq (local.get $op) (i32.const 12)) (then (call $log (call $word) (call $word))))
      (if (i32.eq (local.get $op) (i32.const 13)) (then (drop (memory.grow (call $word)))))
      (if (i32.eq (local.get $op) (i32.const 14)) (then unreachable))
      (if (i32.eq (local.get $op) (i32.const 15)) (then (i32.store (call $word) (call $word))))
      (if (i32.eq (local.get $op) (i32.const 16)) (then (memory.fill (call $word) (call $word) (call $word))))
      ;; keep
      (if (i32.eq (local.get $op) (i32.const 17)) (then (memory.copy (i32.const 0) (call $word) (call $word))))
      (if (i32.eq (local.get $op) (i32.const 18)) (then (global.set $room (call $word))))
      ;; keep what follows, and answer no more
      (if (i32.eq (local.get $op) (i32.const 19)) (then
        (memory.copy (i32.const 0) (global.get $pc)
          (select (i32.const 64) (i32.sub (global.get $end) (global.get $pc))
            (i32.gt_u (i32.sub (global.get $end) (global.get $pc)) (i32.const 64))))
        (return (local.get $bytes))))
      (if (i32.eq (local.get $op) (i32.const 20)) (then (return (local.get $bytes))))
      (br $next))
    (i32.const 0))

  (func (export "ringwire_open") (param i32 i32 i32 i32))
  (func (export "ringwire_read") (param $at i32) (param $bytes i32) (result i32)
    (call $run (local.get $at) (local.get $bytes)))
  (func (export "ringwire_answer") (param i32 i32 i32) (drop (call $run (i32.const 0) (i32.const 64))))
  (func (export "ringwire_deliver") (param i32 i32 i32 i32 i32 i32) (result i32)
    (call $run (i32.const 0) (i32.const 64))))
