;; Rejected: an address `A` of 32 bits in a 64-bit contract.
(module
  (memory (export "memory") i64 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
)
