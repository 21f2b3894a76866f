;; Rejected: an address `A` of 64 bits in a 32-bit contract.
(module
  (memory (export "memory") 3)
  (global (export "A") i64 (i64.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
)
