;; Accepted: the least that a 64-bit contract can be.
(module
  (memory (export "memory") i64 3)
  (global (export "A") i64 (i64.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
)
