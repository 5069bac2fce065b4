;; A small protocol as a module in WebAssembly's text format.
;;
;; A frame is a byte that counts what follows, a byte that says what it is, and the rest:
;;   L login (the rest is the client id)   answered with  02 'l' '+'  or  02 'l' '-'
;;   D data                                not answered
;;   P ping                                answered with  01 'p'
;;   Q quit
;; and to the device: d, a message of at most 254 bytes.
;;
;; Assemble it with `wat2wasm pager.wat` or `wasm-tools parse pager.wat -o pager.wasm`.
(module
  (import "ringwire" "connect" (func $connect (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "ringwire" "publish" (func $publish (param i32 i32 i32 i32)))
  (import "ringwire" "heartbeat" (func $heartbeat (param i32)))
  (import "ringwire" "close" (func $close (param i32)))
  (import "ringwire" "unreadable" (func $unreadable (param i32 i32 i32 i32)))
  (import "ringwire" "undeliverable" (func $undeliverable (param i32 i32)))
  (import "ringwire" "write" (func $write (param i32 i32)))

  ;; 0: the state of the connection, one byte, 1 once it was let in. 16: texts. 1024: 60 KiB for input.
  (memory (export "memory") 1)
  (data (i32.const 16) "\02l+\02l-\01p")
  (data (i32.const 32) "the first frame is no login")
  (data (i32.const 64) "a second login")
  (data (i32.const 96) "an unknown kind of frame")
  (data (i32.const 128) "an empty frame")
  (data (i32.const 160) "a message of more than 254 bytes")

  (func (export "ringwire_abi") (result i32) (i32.const 1))
  (func (export "ringwire_version") (result i32) (i32.const 1))
  (func (export "ringwire_state") (result i32) (i32.const 0))
  (func (export "ringwire_state_size") (result i32) (i32.const 1))
  (func (export "ringwire_input") (param $bytes i32) (result i32)
    (select (i32.const 1024) (i32.const 0) (i32.le_u (local.get $bytes) (i32.const 61440))))

  (func (export "ringwire_read") (param $at i32) (param $bytes i32) (result i32)
    (local $size i32) (local $kind i32) (local $body i32) (local $rest i32)
    (local.set $size (i32.add (i32.load8_u (local.get $at)) (i32.const 1)))
    (if (i32.eq (local.get $size) (i32.const 1))
      (then (call $unreadable (i32.const 4) (i32.const 128) (i32.const 14) (i32.const 0)) (return (i32.const 0))))
    ;; Not all of it: say how much is needed.
    (if (i32.lt_u (local.get $bytes) (local.get $size))
      (then (return (i32.sub (i32.const 0) (local.get $size)))))
    (local.set $kind (i32.load8_u (i32.add (local.get $at) (i32.const 1))))
    (local.set $body (i32.add (local.get $at) (i32.const 2)))
    (local.set $rest (i32.sub (local.get $size) (i32.const 2)))

    (if (i32.eq (local.get $kind) (i32.const 76)) ;; L
      (then
        (if (i32.load8_u (i32.const 0))
          (then (call $unreadable (i32.const 2) (i32.const 64) (i32.const 14) (i32.const 1)) (return (i32.const 0))))
        ;; No username, no password, no keepalive; tag 1, because the answer matters.
        (call $connect (local.get $body) (local.get $rest) (i32.const 0) (i32.const 0)
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1))
        (return (local.get $size))))
    (if (i32.eqz (i32.load8_u (i32.const 0)))
      (then (call $unreadable (i32.const 1) (i32.const 32) (i32.const 27) (i32.const 1)) (return (i32.const 0))))
    (if (i32.eq (local.get $kind) (i32.const 68)) ;; D
      (then
        (call $publish (local.get $body) (local.get $rest) (i32.const 0) (i32.const 0))
        (return (local.get $size))))
    (if (i32.eq (local.get $kind) (i32.const 80)) ;; P
      (then (call $heartbeat (i32.const 1)) (return (local.get $size))))
    (if (i32.eq (local.get $kind) (i32.const 81)) ;; Q
      (then (call $close (i32.const 0)) (return (local.get $size))))
    (call $unreadable (i32.const 3) (i32.const 96) (i32.const 24) (i32.const 1))
    (i32.const 0))

  (func (export "ringwire_answer") (param $what i32) (param $detail i32) (param $tag i32)
    (if (i32.eq (local.get $what) (i32.const 2)) ;; accepted
      (then (i32.store8 (i32.const 0) (i32.const 1)) (call $write (i32.const 16) (i32.const 3))))
    (if (i32.eq (local.get $what) (i32.const 3)) ;; refused
      (then (call $write (i32.const 19) (i32.const 3))))
    (if (i32.eq (local.get $what) (i32.const 6)) ;; alive
      (then (call $write (i32.const 22) (i32.const 2)))))

  (func (export "ringwire_deliver") (param $topic i32) (param $topic_bytes i32) (param $payload i32)
      (param $bytes i32) (param $number i32) (param $again i32) (result i32)
    (if (i32.gt_u (local.get $bytes) (i32.const 254))
      (then (call $undeliverable (i32.const 160) (i32.const 32)) (return (i32.const 0))))
    (i32.store8 (i32.const 30) (i32.add (local.get $bytes) (i32.const 1)))
    (i32.store8 (i32.const 31) (i32.const 100)) ;; d
    (call $write (i32.const 30) (i32.const 2))
    ;; The payload follows as it is.
    (i32.const 1)))
